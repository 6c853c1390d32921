/** Why a sentinel names no primary, which the failure of a connection by sentinels does not say. Path: redis connection -> [sentinel fault] -> sentinel. */
import { EngineUnavailableError } from '../../../../shared/errors.js';
import type { RedisNode } from './redis-address.js';
import { shownNode } from './redis-address.js';
import type { RedisClient } from './redis-client.js';
import { redisRefusalOf } from './redis-refusal.js';

/**
 * The primary that it names, or why it is away. `sentinel` is closed when it has said so. @throws EngineUnavailableError where it refuses, does not know the
 * name, or is none
 */
export async function saySentinelFault(
  sentinel: RedisClient,
  node: RedisNode,
  name: string,
): Promise<RedisNode | Error> {
  let cause: Error | undefined;
  // It says more than the call that fails by it.
  sentinel.on('error', (error: Error) => {
    cause ??= error;
  });
  let named: [string, string] | null;
  try {
    await sentinel.connect();
    named = (await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)) as [string, string] | null;
  } catch (error) {
    const why = cause ?? (error as Error);
    throwRefusal(node, why);
    return why;
  } finally {
    sentinel.disconnect();
  }
  if (named !== null) return { host: named[0], port: Number(named[1]) };
  throw new EngineUnavailableError(
    `the sentinel at ${shownNode(node)} knows no ${name}: look at the name in the address of Redis`,
  );
}

function throwRefusal(node: RedisNode, cause: Error): void {
  const refusal = redisRefusalOf(cause);
  if (refusal !== 'denied' && refusal !== 'broken') return;
  const { message } = cause;
  throw new EngineUnavailableError(
    refusal === 'denied'
      ? `the sentinel at ${shownNode(node)} refuses (${message}): give ?sentinel_password=… in the address of Redis, and sentinel_username=… where it has users`
      : `${shownNode(node)} is no sentinel (${message}): give the port of one, or redis://${shownNode(node)}`,
    { cause },
  );
}
