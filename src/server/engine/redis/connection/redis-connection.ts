/**
 * A connection to the primary, by whichever way its address names it. Path: redis primary, bucket tail -> [redis connection] -> redis client.
 * Nothing is sent twice by itself: whether a call may be made again is known only to whoever made it. Cut off: it connects again, until it is closed.
 * Closed: `close`.
 */

import { EngineUnavailableError } from '../../../../shared/errors.js';
import { within } from '../../../within.js';
import type { RedisAddress } from './redis-address.js';
import type { RedisClient } from './redis-client.js';
import { CONNECT_TIMEOUT_MS, makeRedisClient, makeSentinelClient, RETRY_MS } from './redis-client.js';
import { saySentinelFault } from './sentinel-fault.js';
import { sayWrongProtocol } from './wrong-protocol.js';

/** What the connection does once it was ready; what fails before that is thrown by `open`. */
export interface ConnectionHost {
  /** Ms without a word, while something is asked, until it is taken for dead. */
  readonly silentMs: number;
  /** Its opening is not wanted any more. */
  readonly waiting?: AbortSignal | undefined;
  handleAway(error: Error): void;
  handleCut(): void;
  /** It is there again. */
  handleReady(): void;
}

export class RedisConnection {
  readonly client: RedisClient;
  readonly #shown: string;
  #failure: Error | undefined;

  /** Ready for calls. @throws EngineUnavailableError for what does not pass by itself, else what `ioredis` or the system says */
  static async open(address: RedisAddress, host: ConnectionHost): Promise<RedisConnection> {
    let opened: RedisConnection | undefined;
    const client = await makeRedisClient(address, host.silentMs, () => (opened === undefined ? null : RETRY_MS));
    const connection = new RedisConnection(client, address.shown);
    const openMs = OPEN_MS + (address.place.kind === 'sentinel' ? address.place.nodes.length * CONNECT_TIMEOUT_MS : 0);
    let cause: unknown;
    client.on('error', (error: Error) => {
      if (opened === undefined) cause ??= error;
      // It says so too where it has come to the end of its list, without having failed.
      else if (!LIST_IS_OVER.test(error.message)) {
        connection.#failure = error;
        host.handleAway(error);
      }
    });
    const leave = (): void => connection.close();
    host.waiting?.addEventListener('abort', leave);
    try {
      if (host.waiting?.aborted === true || !(await within(openMs, client.connect())))
        throw new Error(`it is not ready within ${openMs} ms: it may be loading what it has kept`);
      opened = connection;
    } catch (error) {
      connection.close();
      const why = cause ?? error;
      throw host.waiting?.aborted === true ? why : await causeOf(address, why);
    } finally {
      host.waiting?.removeEventListener('abort', leave);
    }
    client.on('close', () => host.handleCut());
    client.on('ready', () => {
      connection.#failure = undefined;
      host.handleReady();
    });
    return connection;
  }

  private constructor(client: RedisClient, shown: string) {
    this.client = client;
    this.#shown = shown;
  }

  /**
   * Which process answers, as a primary: undefined for a replica. Another one when another process is the primary, and when the same one is it again after
   * it was a replica: what it has may have gone back meanwhile, to what the primary between had. @throws EngineUnavailableError for what is no Redis
   */
  async readRun(): Promise<string | undefined> {
    const info = await this.client.info();
    const run = /^run_id:(\w+)/m.exec(info)?.[1];
    if (run === undefined) throw new EngineUnavailableError(`${this.#shown} does not say its run_id: it is no Redis`);
    if (/^role:slave/m.test(info)) return undefined;
    const history = /^master_replid:(\w+)/m.exec(info)?.[1] ?? '';
    return run.slice(0, RUN_CHARACTERS) + history.slice(0, RUN_CHARACTERS);
  }

  /** From the next call on. */
  set silentMs(silentMs: number) {
    this.client.options.socketTimeout = silentMs;
  }

  /** Why it is not there: says more than a call that fails by it. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Its address may lead to another process now. */
  lookAgain(): void {
    // One that is not there looks already: `ioredis` would give up for good. One that is greeted may wait for an answer.
    const { status } = this.client;
    if (status === 'ready' || status === 'connect') this.client.disconnect(true);
  }

  close(): void {
    this.client.disconnect();
  }
}

/** The failure, or what it does not say. @throws EngineUnavailableError for what somebody has to mend */
async function causeOf({ place, isTls, shown }: RedisAddress, failure: unknown): Promise<unknown> {
  // Whoever refuses with a sentence has understood.
  if (place.kind === 'socket' || (failure as Error).name === 'ReplyError') return failure;
  if (place.kind !== 'sentinel') {
    if (place.kind === 'node') await sayWrongProtocol({ ...place.node, isTls, shown }, failure);
    return failure;
  }
  let cause: Error | undefined;
  for (const node of place.nodes) {
    const sentinel = await makeSentinelClient(node, place.sentinelLogin, isTls);
    const named = await saySentinelFault(sentinel, node, place.name);
    await sayWrongProtocol({ ...(named instanceof Error ? node : named), isTls, shown }, named);
    if (!(named instanceof Error)) return failure;
    cause ??= named;
  }
  return cause ?? failure;
}

/** 80 bits of each: it goes with every call. */
const RUN_CHARACTERS = 20;
const LIST_IS_OVER = /^All sentinels are unreachable\. Retrying from scratch after \d+ms\.$/;
/** Whatever is the matter, it can be said by then. */
const OPEN_MS = 3_000;
