/** A group as the commit script takes it, and what it answers. Path: redis engine -> [group arguments] -> scripts, and back. Pure. */
import { ProtocolError } from '../../../shared/errors.js';
import type { Setter, TableOperation } from '../../../shared/state/operation.js';
import { EMPTY_METADATA } from '../../../shared/values/metadata.js';
import type { PlacedOutcome } from '../engine.js';
import { equalityKey } from './equality-key.js';
import { encodePayload, encodeRegistration } from './payload.js';
import { readResult } from './script-results.js';

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
  readonly operations: readonly TableOperation[];
  readonly setter: Setter;
}

/** Whether the script may take them as one: what is decided is the same, and it costs less. */
export function canJoin(one: AskedGroup, next: AskedGroup): boolean {
  const isPlain = !one.isAtomic && !one.makes && !one.ends && !next.isAtomic && !next.makes && !next.ends;
  return isPlain && one.sessionId === next.sessionId && one.link === next.link;
}

/** One that stands alone, or several that can be joined, in their order. */
export function pushGroups(into: Argument[], groups: readonly AskedGroup[], answered: number): void {
  const { sessionId, isAtomic, makes, ends, link, metadata, maxVariables } = groups[0]!;
  const flags = (isAtomic ? 1 : 0) + (makes ? 2 : 0) + (ends ? 4 : 0);
  const before = groups.length === 1 ? groups[0]!.before : groups.flatMap((group) => group.before);
  into.push(sessionId, flags, link, answered, metadata, maxVariables, before.length);
  for (const { sequence, code, message } of before) into.push(sequence, `error ${code} ${message}`);
  let count = 0;
  for (const { operations } of groups) count += operations.length;
  into.push(count);
  for (const { operations, sequence, setter } of groups) {
    for (let place = 0; place < operations.length; place += 1) {
      pushOperation(into, operations[place]!, sequence + place, setter);
    }
  }
}

function pushOperation(into: Argument[], operation: TableOperation, sequence: number, setter: Setter): void {
  switch (operation.kind) {
    case 'set': {
      const { variable, value, expectedVersion } = operation;
      const payload = encodePayload(variable.type, { value, source: setter.source, custom: setter.custom });
      into.push('s', variable.id, sequence, expectedVersion ?? '', equalityKey(value), payload);
      break;
    }
    case 'register': {
      const { id, name, type, firstVersion, ttlMs, value, source } = operation;
      const payload = encodePayload(type, { value, source, custom: EMPTY_METADATA });
      into.push(
        'r',
        id,
        sequence,
        name,
        firstVersion,
        ttlMs,
        equalityKey(value),
        encodeRegistration(operation),
        payload,
      );
      break;
    }
    case 'delete':
      into.push('d', operation.variable.id, sequence, operation.reason);
      break;
    default:
      operation satisfies never;
  }
}

export interface GroupReply {
  /** `none`: the session is not there. */
  readonly state: '' | 'none' | 'ended';
  /** Of the session behind it. */
  readonly revision: number;
  /** A version each, or why it was refused. */
  readonly results: readonly (number | string)[];
}

/** @throws ProtocolError for what our script does not answer */
export function readReplies(reply: unknown): GroupReply[] {
  if (!Array.isArray(reply)) throw new ProtocolError('Redis did not answer the commit script with a list');
  return reply.map((group) => {
    const [state, revision, results] = group as readonly [Buffer, Buffer, readonly Buffer[]];
    return {
      state: state.toString() as GroupReply['state'],
      revision: Number(revision.toString()),
      results: results.map((result) => readResult(result.toString())),
    };
  });
}
