/** What Redis says where it does not do what it is asked, and why it is not reached. Path: redis -> [redis refusal] -> commit calls, redis engine. Pure. */
import { BridgeError } from '../../../../shared/errors.js';

/**
 * `fenced`: another process is the primary than the one that the call was meant for. `elsewhere`: this one is none, or none any more. `moved`: of a
 * cluster, its slot is another's, or on the way to one.
 * `full`: it takes no more. `later`: it cannot at this moment. `denied`: this user may not. `foreign`: a key of ours is of another program. `broken`: the script itself failed, maybe half way.
 */
export type RedisRefusal = 'fenced' | 'elsewhere' | 'moved' | 'full' | 'later' | 'denied' | 'foreign' | 'broken';

/** Undefined: Redis has not answered at all. The first word is a code by its protocol, and the only thing of a sentence that decides. */
export function redisRefusalOf(error: unknown): RedisRefusal | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined;
  // A Redis before 7 says the code of what failed inside a script behind its place in that.
  const [, code = ''] = /^(?:ERR Error running script .*?(?:@user_script: ?\d+: )+-?)?(\w+)/.exec(error.message) ?? [];
  return REFUSALS.get(code) ?? 'broken';
}

/** Whether what failed while it was opened may do so later as it is. Not: what somebody has to change first, such as a password or a certificate. */
export function passesByItself(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof BridgeError) return false;
  const refusal = redisRefusalOf(error);
  // Said before anything is asked, and without a code of its own.
  if (refusal === 'broken') return error.message.startsWith('ERR max number of clients');
  if (refusal !== undefined) return PASSING.has(refusal);
  const { code } = error as { readonly code?: unknown };
  // Without a code it is the client's: cut off, or silent; or it cannot read what it was told.
  return code === undefined ? !/RESP type|Protocol error/.test(error.message) : AWAY.has(code);
}

const PASSING: ReadonlySet<RedisRefusal> = new Set(['later', 'full', 'fenced', 'elsewhere', 'moved']);
/** Of the network: nobody is there, or not yet. */
const AWAY: ReadonlySet<unknown> = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOENT'],
  ...['EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'],
]);

const REFUSALS: ReadonlyMap<string, RedisRefusal> = new Map([
  ['FENCED', 'fenced'],
  ...['OOM', 'MISCONF'].map((code) => [code, 'full'] as const),
  ...['READONLY', 'MASTERDOWN', 'UNBLOCKED'].map((code) => [code, 'elsewhere'] as const),
  ...['MOVED', 'ASK', 'TRYAGAIN'].map((code) => [code, 'moved'] as const),
  ...['LOADING', 'BUSY', 'NOREPLICAS', 'CLUSTERDOWN'].map((code) => [code, 'later'] as const),
  ...['NOAUTH', 'NOPERM', 'WRONGPASS'].map((code) => [code, 'denied'] as const),
  ['WRONGTYPE', 'foreign'],
]);
