/** What a client asks on the link, rows <-> columns of LinkUp. Path: link session -> [link request] -> HTTP/2 -> link call. */
import { InvalidArgumentError } from '../errors.js';
import { snakepit } from './gen/bridge.js';
import { ASKS } from './link-row.js';
import { bytesOf } from './message-bytes.js';

export interface LinkHello {
  readonly sessionId: string;
  readonly maxBytes: number;
  /** Kept over reconnects; empty for a client that sends no set again. */
  readonly linkId: Uint8Array;
  /** The last set whose outcome the client has. */
  readonly setsAnswered: number;
}

/** A watch as it is asked for on a link. */
export interface LinkWatchRow {
  readonly feed: number;
  readonly includesInitialValues: boolean;
  readonly keepsBatches: boolean;
  readonly waitsForMissing: boolean;
  readonly wantsMark: boolean;
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
}

export type LinkUpMessage = snakepit.bridge.ILinkUp;
type Message = LinkUpMessage;

export function encodeLinkRequest({ hello, watches, unwatched, heartbeatMs }: LinkRequest): Uint8Array {
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
  };
  for (const row of watches) {
    message.watchFeeds.push(row.feed);
    message.watchFlags.push(flagsOf(row));
    message.watchIdentifierCounts.push(row.identifiers.length);
    for (const identifier of row.identifiers) message.watchIdentifiers.push(identifier);
    message.watchPatternCounts.push(row.patterns.length);
    for (const pattern of row.patterns) message.watchPatterns.push(pattern);
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
} as const;

/** The rows of a message that came in one part or in several. @throws InvalidArgumentError where its columns do not fit each other */
export function readLinkRequest(parts: readonly Message[]): LinkRequest {
  const columns = new Columns(parts);
  const watches: LinkWatchRow[] = [];
  for (const feed of columns.all('watchFeeds')) {
    const flags = columns.number('watchFlags');
    const identifiers = columns.texts('watchIdentifiers', columns.number('watchIdentifierCounts'));
    const patterns = columns.texts('watchPatterns', columns.number('watchPatternCounts'));
    watches.push({
      feed,
      includesInitialValues: (flags & ASKS.INITIAL) !== 0,
      keepsBatches: (flags & ASKS.BATCHES) !== 0,
      waitsForMissing: (flags & ASKS.WAIT) !== 0,
      wantsMark: (flags & ASKS.MARK) !== 0,
      identifiers,
      patterns,
      resume: (flags & ASKS.RESUMES) === 0 ? undefined : resumeOf(columns),
    });
  }
  const hello = parts.find((part) => part.hello != null)?.hello;
  return {
    hello:
      hello == null
        ? undefined
        : {
            sessionId: hello.sessionId ?? '',
            maxBytes: hello.maxBytes ?? 0,
            linkId: new Uint8Array(hello.linkId ?? NO_BYTES),
            setsAnswered: hello.setsAnswered ?? 0,
          },
    watches,
    unwatched: columns.all('unwatchFeeds'),
    heartbeatMs: parts.find((part) => (part.heartbeatMs ?? 0) !== 0)?.heartbeatMs ?? 0,
  };
}

/** Of the sets of a message: the number of the first, and up to which the client has outcomes. */
export function setNumbersOf(parts: readonly Message[]): { readonly sequence: number; readonly answered: number } {
  return {
    sequence: parts.find(({ setSequence }) => (setSequence ?? 0) !== 0)?.setSequence ?? 0,
    answered: parts.find(({ setsAnswered }) => (setsAnswered ?? 0) !== 0)?.setsAnswered ?? 0,
  };
}

function resumeOf(columns: Columns): LinkWatchRow['resume'] {
  const [epoch = ''] = columns.texts('resumeEpochs', 1);
  const ids = columns.texts('resumeIds', columns.number('resumeCounts'));
  const seen = ids.map((id): [string, number] => {
    const version = columns.number('resumeVersions');
    if (Number.isSafeInteger(version) && version >= 0) return [id, version];
    throw new InvalidArgumentError(`resume_versions names version ${version} of "${id}": give the last one seen`);
  });
  return { epoch, seen };
}

const NO_BYTES = new Uint8Array(0);

function flagsOf(row: LinkWatchRow): number {
  return (
    (row.includesInitialValues ? ASKS.INITIAL : 0) |
    (row.keepsBatches ? ASKS.BATCHES : 0) |
    (row.waitsForMissing ? ASKS.WAIT : 0) |
    (row.wantsMark ? ASKS.MARK : 0) |
    (row.resume === undefined ? 0 : ASKS.RESUMES)
  );
}

type NumberColumn =
  | 'watchFeeds'
  | 'watchFlags'
  | 'watchIdentifierCounts'
  | 'watchPatternCounts'
  | 'resumeCounts'
  | 'resumeVersions'
  | 'unwatchFeeds';
type TextColumn = 'watchIdentifiers' | 'watchPatterns' | 'resumeEpochs' | 'resumeIds';

/** Reads each column from its start, once. */
class Columns {
  readonly #parts: readonly Message[];
  readonly #columns = new Map<string, readonly (number | string)[]>();
  readonly #at = new Map<string, number>();

  constructor(parts: readonly Message[]) {
    this.#parts = parts;
  }

  all(name: NumberColumn): readonly number[] {
    return this.#column(name) as readonly number[];
  }

  number(name: NumberColumn): number {
    return this.#take(name, 1)[0] as number;
  }

  texts(name: TextColumn, count: number): readonly string[] {
    return count === 0 ? [] : (this.#take(name, count) as readonly string[]);
  }

  #take(name: string, count: number): readonly (number | string)[] {
    const column = this.#column(name);
    const at = this.#at.get(name) ?? 0;
    if (at + count > column.length) {
      throw new InvalidArgumentError(`the link's column ${name} has ${column.length} elements, too few for the others`);
    }
    this.#at.set(name, at + count);
    return column.slice(at, at + count);
  }

  #column(name: string): readonly (number | string)[] {
    let column = this.#columns.get(name);
    if (column === undefined) {
      const lists = this.#parts.map((part) => (part as Record<string, (number | string)[] | undefined>)[name] ?? []);
      column = lists.length === 1 ? lists[0]! : lists.flat();
      this.#columns.set(name, column);
    }
    return column;
  }
}
