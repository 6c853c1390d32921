/** What a client asks on the link, rows <-> columns of LinkUp. Path: link session -> [link request] -> HTTP/2 -> link call. */
import { InvalidArgumentError } from '../errors.js';
import { columnOf } from './columns.js';
import { snakepit } from './gen/bridge.js';
import { ASKS, SET_FIELDS } from './link-row.js';
import { bytesOf } from './message-bytes.js';

export interface LinkHello {
  readonly sessionId: string;
  readonly maxBytes: number;
  /** Kept over reconnects; empty for a client that sends no set again. */
  readonly linkId: Uint8Array;
  /** The last set whose outcome the client has. */
  readonly setsAnswered: number;
  /** The last set that the client has a version of. */
  readonly setsDone: number;
  /** The server's, as the client knows it: revisions that watches resume from belong to it. */
  readonly epoch: string;
}

/** What a row says of a watch beside its names. */
interface WatchAsk {
  readonly feed: number;
  readonly includesInitialValues: boolean;
  readonly keepsBatches: boolean;
  readonly waitsForMissing: boolean;
  readonly wantsMark: boolean;
  /** Was not in step before it broke: of what `resume` does not name, present values are initial. */
  readonly unseenAreInitial: boolean;
  /** Of the session, in the hello's epoch: everything up to it has come. */
  readonly fromRevision: number | undefined;
  /** As text, for the server to ask. */
  readonly condition: string | undefined;
}

/** A watch as it is asked for on a link. */
export interface LinkWatchRow extends WatchAsk {
  readonly identifiers: readonly string[];
  readonly patterns: readonly string[];
  readonly resume:
    | { readonly epoch: string; readonly seen: readonly (readonly [id: string, version: number])[] }
    | undefined;
}

export interface LinkRequest {
  readonly hello: LinkHello | undefined;
  readonly watches: readonly LinkWatchRow[];
  readonly unwatched: readonly number[];
  /** Silence before a heartbeat from now on; 0 = as before. */
  readonly heartbeatMs: number;
  /** What conditions have kept out shall be said; 0 = as it comes. */
  readonly keptQuestion: number;
}

export type LinkUpMessage = snakepit.bridge.ILinkUp;
type Message = LinkUpMessage;

export function encodeLinkRequest(request: LinkRequest): Uint8Array {
  const { hello, watches, unwatched, heartbeatMs, keptQuestion } = request;
  const message = {
    ...(hello === undefined ? {} : { hello }),
    watchFeeds: [] as number[],
    watchFlags: [] as number[],
    watchIdentifierCounts: [] as number[],
    watchIdentifiers: [] as string[],
    watchPatternCounts: [] as number[],
    watchPatterns: [] as string[],
    resumeEpochs: [] as string[],
    resumeCounts: [] as number[],
    resumeIds: [] as string[],
    resumeVersions: [] as number[],
    unwatchFeeds: [...unwatched],
    heartbeatMs,
    resumeRevisions: [] as number[],
    watchConditions: [] as string[],
    keptQuestion,
  };
  for (const row of watches) {
    message.watchFeeds.push(row.feed);
    message.watchFlags.push(flagsOf(row));
    message.watchIdentifierCounts.push(row.identifiers.length);
    for (const identifier of row.identifiers) message.watchIdentifiers.push(identifier);
    message.watchPatternCounts.push(row.patterns.length);
    for (const pattern of row.patterns) message.watchPatterns.push(pattern);
    if (row.fromRevision !== undefined) message.resumeRevisions.push(row.fromRevision);
    if (row.condition !== undefined) message.watchConditions.push(row.condition);
    if (row.resume === undefined) continue;
    message.resumeEpochs.push(row.resume.epoch);
    message.resumeCounts.push(row.resume.seen.length);
    for (const [id, version] of row.resume.seen) {
      message.resumeIds.push(id);
      message.resumeVersions.push(version);
    }
  }
  return bytesOf(snakepit.bridge.LinkUp, message);
}

/** As one that requests are read as. */
export const LINK_UP = {
  name: 'Open',
  decodeRequest: (bytes: Uint8Array): Message => snakepit.bridge.LinkUp.decode(bytes),
  packed: new Map([
    // Of watches, by their numbers in LinkUp, and of sets.
    ...[2, 3, 4, 6, 9, 12, SET_FIELDS.KINDS, SET_FIELDS.TARGETS, SET_FIELDS.INTEGERS, SET_FIELDS.METADATA_COUNTS].map(
      (field) => [field, 'varints'] as const,
    ),
    ...[11, SET_FIELDS.DOUBLES, SET_FIELDS.EXPECTED_VERSIONS, 38].map((field) => [field, 'doubles'] as const),
  ]),
} as const;

/** A watch as it is read: each identifier once. */
export interface AskedWatch extends WatchAsk {
  readonly identifiers: ReadonlySet<string>;
  readonly patterns: ReadonlySet<string>;
  readonly resume: { readonly epoch: string; readonly seen: ReadonlyMap<string, number> } | undefined;
}

export function helloOf(parts: readonly Message[]): LinkHello | undefined {
  const hello = parts.find((part) => part.hello != null)?.hello;
  if (hello == null) return undefined;
  return {
    sessionId: hello.sessionId ?? '',
    maxBytes: hello.maxBytes ?? 0,
    linkId: new Uint8Array(hello.linkId ?? NO_BYTES),
    setsAnswered: hello.setsAnswered ?? 0,
    setsDone: hello.setsDone ?? 0,
    epoch: hello.epoch ?? '',
  };
}

/** A field of one part or of none; 0 where no part has it. */
function numberOf(parts: readonly Message[], of: (part: Message) => number | null | undefined): number {
  for (const part of parts) {
    const number = of(part) ?? 0;
    if (number !== 0) return number;
  }
  return 0;
}

/** 0 = as before. */
export function heartbeatMsOf(parts: readonly Message[]): number {
  return numberOf(parts, ({ heartbeatMs }) => heartbeatMs);
}

/** 0 = as before. */
export function spacingMsOf(parts: readonly Message[]): number {
  return numberOf(parts, ({ spacingMs }) => spacingMs);
}

/** 0 = none. */
export function keptQuestionOf(parts: readonly Message[]): number {
  return numberOf(parts, ({ keptQuestion }) => keptQuestion);
}

export function* unwatchedOf(parts: readonly Message[]): Generator<number> {
  for (const { unwatchFeeds } of parts) yield* unwatchFeeds ?? [];
}

/** Row by row, with a pause (undefined) after each of its elements. @throws InvalidArgumentError where the columns do not fit each other */
export function* watchesOf(parts: readonly Message[]): Generator<AskedWatch | undefined> {
  const feeds = columnOf(parts, ({ watchFeeds }) => watchFeeds);
  const flagsOfRows = columnOf(parts, ({ watchFlags }) => watchFlags);
  const identifierCounts = columnOf(parts, ({ watchIdentifierCounts }) => watchIdentifierCounts);
  const allIdentifiers = columnOf(parts, ({ watchIdentifiers }) => watchIdentifiers);
  const patternCounts = columnOf(parts, ({ watchPatternCounts }) => watchPatternCounts);
  const allPatterns = columnOf(parts, ({ watchPatterns }) => watchPatterns);
  const epochs = columnOf(parts, ({ resumeEpochs }) => resumeEpochs);
  const resumeCounts = columnOf(parts, ({ resumeCounts: counts }) => counts);
  const ids = columnOf(parts, ({ resumeIds }) => resumeIds);
  const versions = columnOf(parts, ({ resumeVersions }) => resumeVersions);
  const revisions = columnOf(parts, ({ resumeRevisions }) => resumeRevisions);
  const conditions = columnOf(parts, ({ watchConditions }) => watchConditions);
  for (let feed = feeds.next(); feed !== undefined; feed = feeds.next()) {
    const flags = flagsOfRows.take();
    const identifiers = new Set<string>();
    for (let left = identifierCounts.take(); left > 0; left -= 1) {
      identifiers.add(allIdentifiers.take());
      yield;
    }
    const patterns = new Set<string>();
    for (let left = patternCounts.take(); left > 0; left -= 1) {
      patterns.add(allPatterns.take());
      yield;
    }
    let resume: AskedWatch['resume'];
    if ((flags & ASKS.RESUMES) !== 0) {
      const seen = new Map<string, number>();
      resume = { epoch: epochs.take(), seen };
      for (let left = resumeCounts.take(); left > 0; left -= 1) {
        const id = ids.take();
        seen.set(id, checkVersion(id, versions.take()));
        yield;
      }
    }
    yield {
      feed,
      includesInitialValues: (flags & ASKS.INITIAL) !== 0,
      keepsBatches: (flags & ASKS.BATCHES) !== 0,
      waitsForMissing: (flags & ASKS.WAIT) !== 0,
      wantsMark: (flags & ASKS.MARK) !== 0,
      unseenAreInitial: (flags & ASKS.UNSEEN_INITIAL) !== 0,
      fromRevision: (flags & ASKS.FROM_REVISION) === 0 ? undefined : revisions.take(),
      condition: (flags & ASKS.CONDITION) === 0 ? undefined : conditions.take(),
      identifiers,
      patterns,
      resume,
    };
  }
}

function checkVersion(id: string, version: number): number {
  if (Number.isSafeInteger(version) && version >= 0) return version;
  throw new InvalidArgumentError(`resume_versions names version ${version} of "${id}": give the last one seen`);
}

/** Of the sets of a message: the number of the first, and up to which the client has outcomes. */
export function setNumbersOf(parts: readonly Message[]): { readonly sequence: number; readonly answered: number } {
  return {
    sequence: numberOf(parts, ({ setSequence }) => setSequence),
    answered: numberOf(parts, ({ setsAnswered }) => setsAnswered),
  };
}

const NO_BYTES = new Uint8Array(0);

function flagsOf(row: LinkWatchRow): number {
  return (
    (row.includesInitialValues ? ASKS.INITIAL : 0) |
    (row.keepsBatches ? ASKS.BATCHES : 0) |
    (row.waitsForMissing ? ASKS.WAIT : 0) |
    (row.wantsMark ? ASKS.MARK : 0) |
    (row.unseenAreInitial ? ASKS.UNSEEN_INITIAL : 0) |
    (row.resume === undefined ? 0 : ASKS.RESUMES) |
    (row.fromRevision === undefined ? 0 : ASKS.FROM_REVISION) |
    (row.condition === undefined ? 0 : ASKS.CONDITION)
  );
}
