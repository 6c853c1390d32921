/** What a watch is sent at its beginning. Path: watch opening -> [opening] -> opening queue, outbox. */
import { versionBytes } from '../../shared/state/held-bytes.js';
import type { VersionedValue } from '../../shared/state/versioned-value.js';
import type { GoneVariable, KeptOut } from '../../shared/wire/update-encoder.js';
import type { SentState } from './sent-state.js';

/**
 * What a watch is sent at its beginning, in this order and before any change. It names versions and holds no value: one that the history
 * has let go of when its turn comes is superseded, and the newer one is told as it would have been.
 */
export type Opening =
  | {
      readonly type: 'initial_value' | 'resync';
      readonly sent: SentState;
      readonly version: number;
      readonly revision: number;
      /** Versions skipped right before. */
      readonly missed: number;
      /** Of a watch with a condition: the version itself, because no later one may come for it. */
      readonly current?: VersionedValue | undefined;
    }
  /** `version` and those behind it, up to `upTo`. */
  | {
      readonly type: 'replay';
      readonly sent: SentState;
      readonly version: number;
      readonly upTo: number;
      readonly revision: number;
      /** Of a watch with a condition: the versions that it lets through, and which of them is next. */
      readonly wanted?: { readonly versions: readonly number[]; readonly place: number } | undefined;
    }
  | {
      readonly type: 'gone';
      readonly variable: GoneVariable;
      readonly revision: number;
      /** As far as the watch has said what it had. Of what it missed no condition was asked. */
      readonly kept: KeptOut;
    };

/** What is to be told, as far as it is still there. */
export function heldOf(opening: Exclude<Opening, { readonly type: 'gone' }>): VersionedValue | undefined {
  const { sent, version } = opening;
  return (opening.type === 'replay' ? undefined : opening.current) ?? sent.variable.history.find(version);
}

/** What waits of it, by estimate. */
export function bytesOfOpening(openings: readonly Opening[]): number {
  let bytes = openings.length * BYTES_AN_OPENING;
  for (const opening of openings) {
    if (opening.type === 'gone') continue;
    if (opening.type === 'replay') bytes += 8 * (opening.wanted?.versions.length ?? 0);
    else if (opening.current !== undefined) bytes += versionBytes(opening.current);
  }
  return bytes;
}

/** It tells where a variable is, and not each step to there. */
export function isSnapshot(opening: Opening): boolean {
  if (opening.type === 'gone') return opening.variable.change === undefined;
  return opening.type !== 'replay';
}

const BYTES_AN_OPENING = 80;
