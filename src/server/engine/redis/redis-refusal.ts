/** What Redis says where it does not do what it is asked. Path: redis -> [redis refusal] -> commit calls, redis engine. Pure. */

/**
 * `fenced`: another process is the primary than the one that the call was meant for. `full`: it takes no more. `later`: it cannot at this moment.
 * `denied`: this user may not. `foreign`: a key of ours is of another program. `broken`: the script itself failed, maybe half way.
 */
export type RedisRefusal = 'fenced' | 'full' | 'later' | 'denied' | 'foreign' | 'broken';

/** Undefined: Redis has not answered at all. The first word is a code by its protocol, and the only thing of a sentence that decides. */
export function redisRefusalOf(error: unknown): RedisRefusal | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined;
  // A Redis before 7 says the code of what failed inside a script behind its place in that.
  const [, code = ''] = /^(?:ERR Error running script .*?(?:@user_script: ?\d+: )+-?)?(\w+)/.exec(error.message) ?? [];
  return REFUSALS.get(code) ?? 'broken';
}

const REFUSALS: ReadonlyMap<string, RedisRefusal> = new Map([
  ['FENCED', 'fenced'],
  ...['OOM', 'MISCONF'].map((code) => [code, 'full'] as const),
  ...['LOADING', 'BUSY', 'READONLY', 'MASTERDOWN', 'NOREPLICAS', 'CLUSTERDOWN', 'TRYAGAIN', 'MOVED', 'ASK'].map(
    (code) => [code, 'later'] as const,
  ),
  ...['NOAUTH', 'NOPERM', 'WRONGPASS'].map((code) => [code, 'denied'] as const),
  ['WRONGTYPE', 'foreign'],
]);
