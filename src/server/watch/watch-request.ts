/** What a watch asks for, parsed once from its message. */
import type { AskedCondition } from '../../shared/delivery/condition-text.js';
import { InvalidArgumentError } from '../../shared/errors.js';
import { ownValue, putOwn } from '../../shared/values/metadata.js';
import { parseEpoch } from '../../shared/wire/epoch-text.js';
import type { AskedWatch } from '../../shared/wire/link-request.js';
import type { RequestOf } from '../../shared/wire/services.js';
import { ERA_SPAN } from '../../shared/wire/wire-version.js';
import type { Work } from '../work-turns.js';

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
  /** Was not in step before it broke: variables that `resume` does not name are told as at first. */
  readonly unseenAreInitial: boolean;
  /** Of the session: everything up to it has come. Then there is no `resume`. */
  readonly fromRevision: number | undefined;
  /** Asked here; of a stream by its client. */
  readonly asked: AskedCondition | undefined;
}

/** Where an earlier stream of the same watch was. */
export class WatchResume {
  readonly life: string;
  readonly generation: number;
  readonly #era: number;
  readonly #seen: ReadonlyMap<string, number>;

  constructor(said: string, seen: ReadonlyMap<string, number>) {
    const { life, generation, era } = parseEpoch(said);
    this.life = life;
    this.generation = generation;
    this.#era = era;
    this.#seen = seen;
  }

  ids(): IterableIterator<string> {
    return this.#seen.keys();
  }

  has(id: string): boolean {
    return this.#seen.has(id);
  }

  /** The last that it saw. */
  versionOf(id: string): number | undefined {
    const version = this.#seen.get(id);
    return version === undefined ? undefined : this.#era * ERA_SPAN + version;
  }
}

type Message = RequestOf<'WatchVariables'>;

/** A whole message. @throws InvalidArgumentError */
export function parseWatchRequest(message: Message): WatchRequest {
  const draft = new Draft();
  for (const piece of draft.add(message)) piece satisfies undefined;
  return draft.finish();
}

/** A large message in parts, each with some of its fields, in turns. @throws InvalidArgumentError */
export async function parseWatchRequestParts(parts: readonly Message[], work: Work): Promise<WatchRequest> {
  const draft = new Draft();
  for (const part of parts) {
    for (const piece of draft.add(part)) {
      const rest = work.spend(1) ?? piece;
      if (rest !== undefined) await rest;
    }
  }
  return draft.finish();
}

/** Fields so far. Of one that is given twice the last counts, as everywhere in protobuf. */
class Draft {
  #sessionId = '';
  readonly #identifiers = new Set<string>();
  readonly #patterns = new Set<string>();
  readonly #seen = new Map<string, number>();
  readonly #options: Record<string, string> = {};
  #includesInitialValues = false;
  #resumeEpoch = '';
  #heartbeatMs = 0;

  /** An identifier or id at a time. */
  *add(message: Message): Generator<undefined> {
    this.#sessionId = message.sessionId || this.#sessionId;
    this.#includesInitialValues = message.includeInitialValues || this.#includesInitialValues;
    this.#resumeEpoch = message.resumeEpoch || this.#resumeEpoch;
    this.#heartbeatMs = message.heartbeatMs || this.#heartbeatMs;
    for (const [key, value] of Object.entries(message.options ?? {})) putOwn(this.#options, key, value);
    for (const pattern of message.patterns ?? []) this.#patterns.add(pattern);
    for (const identifier of message.variableIdentifiers ?? []) {
      this.#identifiers.add(identifier);
      yield;
    }
    const resume = message.resume ?? {};
    for (const id of Object.keys(resume)) {
      const version = resume[id] ?? 0;
      if (version < 0) {
        throw new InvalidArgumentError(`resume names version ${version} of "${id}": give the last one seen`);
      }
      this.#seen.set(id, version);
      yield;
    }
  }

  finish(): WatchRequest {
    const options = this.#options;
    checkNames(this.#identifiers, this.#patterns);
    const missing = ownValue(options, 'missing') ?? 'fail';
    if (missing !== 'fail' && missing !== 'wait') {
      throw new InvalidArgumentError(`the watch's option missing is "${missing}": give fail or wait`);
    }
    const oldValue = ownValue(options, 'old_value') ?? '';
    if (oldValue !== '' && oldValue !== 'none') {
      throw new InvalidArgumentError(`the watch's option old_value is "${oldValue}": give none, or leave it out`);
    }
    const unseen = ownValue(options, 'unseen') ?? '';
    if (unseen !== '' && unseen !== 'initial') {
      throw new InvalidArgumentError(`the watch's option unseen is "${unseen}": give initial, or leave it out`);
    }
    const isResuming = this.#seen.size > 0 || this.#resumeEpoch !== '';
    return {
      sessionId: this.#sessionId,
      identifiers: this.#identifiers,
      patterns: this.#patterns,
      includesInitialValues: this.#includesInitialValues,
      includesOldValues: oldValue === '',
      waitsForMissing: missing === 'wait',
      keepsBatches: ownValue(options, 'atomic') === '1',
      wantsSynced: ownValue(options, 'synced') === '1',
      token: ownValue(options, 'watch_token') ?? '',
      heartbeatMs: heartbeatOf(this.#heartbeatMs),
      resume: isResuming ? new WatchResume(this.#resumeEpoch, this.#seen) : undefined,
      unseenAreInitial: unseen === 'initial',
      fromRevision: undefined,
      asked: undefined,
    };
  }
}

/** A row of a link. @throws InvalidArgumentError */
export function watchRequestOf(row: AskedWatch, sessionId: string, asked: AskedCondition | undefined): WatchRequest {
  const { identifiers, patterns } = row;
  checkNames(identifiers, patterns);
  return {
    sessionId,
    identifiers,
    patterns,
    includesInitialValues: row.includesInitialValues,
    includesOldValues: false,
    waitsForMissing: row.waitsForMissing,
    keepsBatches: row.keepsBatches,
    wantsSynced: row.wantsMark,
    token: '',
    heartbeatMs: undefined,
    resume: row.resume === undefined ? undefined : new WatchResume(row.resume.epoch, row.resume.seen),
    unseenAreInitial: row.unseenAreInitial,
    fromRevision: row.fromRevision,
    asked,
  };
}

/** @throws InvalidArgumentError */
function checkNames(identifiers: ReadonlySet<string>, patterns: ReadonlySet<string>): void {
  if (identifiers.size === 0 && patterns.size === 0) {
    throw new InvalidArgumentError('the watch names no variable: fill variable_identifiers or patterns');
  }
  if (patterns.size > MAX_PATTERNS) {
    throw new InvalidArgumentError(
      `the watch has ${patterns.size} patterns: give at most ${MAX_PATTERNS}, or several watches`,
    );
  }
}

export function heartbeatOf(heartbeatMs: number): number | undefined {
  if (heartbeatMs < 0) {
    throw new InvalidArgumentError(
      `heartbeat_ms ${heartbeatMs} is negative: give ${MIN_HEARTBEAT_MS} or more, or 0 for the server's`,
    );
  }
  return heartbeatMs === 0 ? undefined : Math.max(heartbeatMs, MIN_HEARTBEAT_MS);
}

const MIN_HEARTBEAT_MS = 100;
/** Each new variable of a session is compared with every pattern that waits there. */
const MAX_PATTERNS = 100;
