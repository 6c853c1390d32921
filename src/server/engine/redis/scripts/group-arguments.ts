/** A group as the commit script takes it, and what it answers. Path: redis engine -> [group arguments] -> scripts, and back. Pure. */
import { ProtocolError } from '../../../../shared/errors.js';
import type { Setter, TableOperation } from '../../../../shared/state/operation.js';
import { EMPTY_METADATA } from '../../../../shared/values/metadata.js';
import type { PlacedOutcome } from '../../records.js';
import { equalityKey } from '../format/equality-key.js';
import { PackedList } from '../format/packed-list.js';
import { encodePayload, encodeRegistration } from '../format/payload.js';

export type Argument = string | number | Buffer;

export interface AskedGroup {
  readonly sessionId: string;
  readonly isAtomic: boolean;
  readonly makes: boolean;
  readonly ends: boolean;
  /** Whose sequence it is: a client's link, or the server itself. */
  readonly link: string;
  readonly sequence: number;
  /** Up to there nobody asks again. */
  readonly answered: number;
  /** The link is this server, for what comes by no client's. */
  readonly isOwn: boolean;
  /** Of a session that it makes: JSON. */
  readonly metadata: string;
  /** 0 = no limit. */
  readonly maxVariables: number;
  /** Outcomes of its link before it, of what was refused without asking Redis. */
  readonly before: readonly PlacedOutcome[];
  /** As `SetPlace.done`. */
  readonly done: (() => number) | undefined;
  readonly operations: readonly TableOperation[];
  readonly setter: Setter;
}

/** Whether the script may take them as one: what is decided is the same, and it costs less. */
export function canJoin(one: AskedGroup, next: AskedGroup): boolean {
  const isPlain = !one.isAtomic && !one.makes && !one.ends && !next.isAtomic && !next.makes && !next.ends;
  return isPlain && one.sessionId === next.sessionId && one.link === next.link;
}

/** One that stands alone, or several that can be joined, in their order: an argument of the script. */
export function packGroups(groups: readonly AskedGroup[], answered: number): Buffer {
  const list = new PackedList();
  const { sessionId, isAtomic, makes, ends, link, metadata, maxVariables, done } = groups[0]!;
  list.text(sessionId);
  list.number((isAtomic ? 1 : 0) + (makes ? 2 : 0) + (ends ? 4 : 0));
  list.text(link);
  list.number(answered);
  list.text(metadata);
  list.number(maxVariables);
  let before = 0;
  let count = 0;
  for (const group of groups) {
    before += group.before.length;
    count += group.operations.length;
  }
  list.number(before);
  for (const group of groups) {
    for (const { sequence, code, message } of group.before) {
      list.number(sequence);
      list.text(`error ${code} ${message}`);
    }
  }
  list.number(count);
  for (const { operations, sequence, setter } of groups) {
    for (let place = 0; place < operations.length; place += 1) {
      packOperation(list, operations[place]!, sequence + place, setter);
    }
  }
  list.text(done === undefined ? '' : String(done()));
  const { buffer, byteOffset, byteLength } = list.finish();
  return Buffer.from(buffer, byteOffset, byteLength);
}

function packOperation(list: PackedList, operation: TableOperation, sequence: number, setter: Setter): void {
  switch (operation.kind) {
    case 'set': {
      const { variable, value, expectedVersion } = operation;
      list.text('s');
      list.text(variable.id);
      list.number(sequence);
      list.text(expectedVersion === undefined ? '' : String(expectedVersion));
      packKey(list, equalityKey(value));
      list.bytes(encodePayload(variable.type, value, setter.source, setter.custom));
      break;
    }
    case 'register': {
      const { id, name, type, firstVersion, ttlMs, value, source } = operation;
      list.text('r');
      list.text(id);
      list.number(sequence);
      list.text(name);
      list.number(firstVersion);
      list.number(ttlMs);
      packKey(list, equalityKey(value));
      list.bytes(encodeRegistration(operation));
      list.bytes(encodePayload(type, value, source, EMPTY_METADATA));
      break;
    }
    case 'delete':
      list.text('d');
      list.text(operation.variable.id);
      list.number(sequence);
      list.text(operation.reason);
      break;
    default:
      operation satisfies never;
  }
}

function packKey(list: PackedList, key: string | Buffer): void {
  if (typeof key === 'string') list.text(key);
  else list.bytes(key);
}

export interface GroupReply {
  /** `none`: the session is not there. */
  readonly state: '' | 'none' | 'ended';
  /** Of the session behind it. */
  readonly revision: number;
  /** How many of them had been made before: the window knew them. */
  readonly hits: number;
  /** A version each, or why it was refused. */
  readonly results: readonly (number | string)[];
}

/** @throws ProtocolError for what our script does not answer */
export function readReplies(reply: unknown): GroupReply[] {
  if (!Array.isArray(reply)) throw new ProtocolError('Redis did not answer the commit script with a list');
  return reply.map((group) => {
    const [state, revision, hits, results] = group as readonly [Buffer, number, number, readonly (number | Buffer)[]];
    return {
      state: state.toString() as GroupReply['state'],
      ...{ revision, hits },
      results: results.map((result) => (typeof result === 'number' ? result : result.toString())),
    };
  });
}
