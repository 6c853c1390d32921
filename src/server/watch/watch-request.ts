/** What a watch asks for, parsed once from its message. */
import { InvalidArgumentError } from '../../shared/errors.js';
import { ownValue } from '../../shared/values/metadata.js';
import type { RequestOf } from '../../shared/wire/services.js';
import { ERA_SPAN } from '../../shared/wire/wire-version.js';

export interface WatchRequest {
  readonly sessionId: string;
  /** Each once, in the order given. */
  readonly identifiers: ReadonlySet<string>;
  readonly patterns: ReadonlySet<string>;
  readonly includesInitialValues: boolean;
  readonly includesOldValues: boolean;
  /** Updates of an atomic batch say whether more of it follows. */
  readonly keepsBatches: boolean;
  /** Waits for variables that do not exist yet, instead of failing. */
  readonly waitsForMissing: boolean;
  /** Wants the `synced` mark. */
  readonly wantsSynced: boolean;
  /** '' when it has none. */
  readonly token: string;
  /** Undefined: the server's. */
  readonly heartbeatMs: number | undefined;
  readonly resume: WatchResume | undefined;
}

/** Where an earlier stream of the same watch was. */
export interface WatchResume {
  /** Without the era. */
  readonly epoch: string;
  /** Last version seen, by variable id. */
  readonly seen: ReadonlyMap<string, number>;
}

/** @throws InvalidArgumentError */
export function parseWatchRequest(message: RequestOf<'WatchVariables'>): WatchRequest {
  const identifiers = message.variableIdentifiers ?? [];
  const patterns = message.patterns ?? [];
  if (identifiers.length === 0 && patterns.length === 0) {
    throw new InvalidArgumentError('the watch names no variable: fill variable_identifiers or patterns');
  }
  if (patterns.length > MAX_PATTERNS) {
    throw new InvalidArgumentError(
      `the watch has ${patterns.length} patterns: give at most ${MAX_PATTERNS}, or several watches`,
    );
  }
  const options = message.options ?? {};
  const missing = ownValue(options, 'missing') ?? 'fail';
  if (missing !== 'fail' && missing !== 'wait') {
    throw new InvalidArgumentError(`the watch's option missing is "${missing}": give fail or wait`);
  }
  const oldValue = ownValue(options, 'old_value') ?? '';
  if (oldValue !== '' && oldValue !== 'none') {
    throw new InvalidArgumentError(`the watch's option old_value is "${oldValue}": give none, or leave it out`);
  }
  return {
    sessionId: message.sessionId ?? '',
    identifiers: new Set(identifiers),
    patterns: new Set(patterns),
    includesInitialValues: message.includeInitialValues ?? false,
    includesOldValues: oldValue === '',
    waitsForMissing: missing === 'wait',
    keepsBatches: ownValue(options, 'atomic') === '1',
    wantsSynced: ownValue(options, 'synced') === '1',
    token: ownValue(options, 'watch_token') ?? '',
    heartbeatMs: heartbeatOf(message.heartbeatMs ?? 0),
    resume: resumeOf(message),
  };
}

function heartbeatOf(heartbeatMs: number): number | undefined {
  if (heartbeatMs < 0) {
    throw new InvalidArgumentError(
      `heartbeat_ms ${heartbeatMs} is negative: give ${MIN_HEARTBEAT_MS} or more, or 0 for the server's`,
    );
  }
  return heartbeatMs === 0 ? undefined : Math.max(heartbeatMs, MIN_HEARTBEAT_MS);
}

function resumeOf(message: RequestOf<'WatchVariables'>): WatchResume | undefined {
  const resume = message.resume ?? {};
  const ids = Object.keys(resume);
  const said = message.resumeEpoch ?? '';
  if (ids.length === 0 && said === '') return undefined;
  // The epoch as wireEpoch said it: the server's own, and behind a dot the era of the versions.
  const [, epoch = said, era = '0'] = /^(.*)\.(\d{1,7})$/s.exec(said) ?? [];
  const seen = new Map<string, number>();
  for (const id of ids) {
    const version = resume[id] ?? 0;
    if (version < 0)
      throw new InvalidArgumentError(`resume names version ${version} of "${id}": give the last one seen`);
    seen.set(id, Number(era) * ERA_SPAN + version);
  }
  return { epoch, seen };
}

const MIN_HEARTBEAT_MS = 100;
/** Each new variable of a session is compared with every pattern that waits there. */
const MAX_PATTERNS = 100;
