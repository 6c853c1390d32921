/**
 * A key-value bucket of NATS JetStream in memory. One watch of all keys, given out by name here: a watch a key would be a consumer each at
 * the server, and a list of keys needs NATS 2.10.
 */
import { StorageType } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import { Kvm, KvWatchInclude } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { connect } from '@nats-io/transport-node';
import type { Peer, ReadTime } from './peer.js';
import { WatchersByName } from './watchers-by-name.js';

export const natsKv: Peer = {
  openWatchClient: async (port, readTime) => {
    const [connection, bucket] = await open(port);
    const watchers = new WatchersByName();
    let watching: Promise<void> | undefined;
    return {
      watch: async (name, onUpdate, onError) => {
        const call = (value: number, version: number) => onUpdate(value, version, 0);
        watchers.add(name, call);
        watching ??= watchAll(bucket, watchers, readTime, onError);
        await watching;
        return async () => void watchers.remove(name, call);
      },
      set: (name, value) => bucket.put(name, String(value)),
      close: () => connection.close(),
    };
  },
  openSetter: async (port, names) => {
    const [, bucket] = await open(port);
    for (let at = 0; at < names.length; at += PUTS_AT_ONCE) {
      await Promise.all(names.slice(at, at + PUTS_AT_ONCE).map((name) => bucket.put(name, '0')));
    }
    return {
      set: (texts, onAnswer) => {
        const puts = Array.from(texts, ([name, text]) => bucket.put(name, text));
        void Promise.allSettled(puts).then((outcomes) => {
          const failures = outcomes.filter((outcome) => outcome.status === 'rejected');
          onAnswer(failures.length, failures[0] === undefined ? undefined : String(failures[0].reason));
        });
      },
    };
  },
};

async function open(port: number): Promise<[NatsConnection, KV]> {
  const connection = await connect({ servers: `127.0.0.1:${port}` });
  const bucket = await new Kvm(connection).create('bench', { history: 1, storage: StorageType.Memory });
  return [connection, bucket];
}

async function watchAll(
  bucket: KV,
  watchers: WatchersByName,
  readTime: ReadTime,
  onError: (error: Error) => void,
): Promise<void> {
  const entries = await bucket.watch({ key: '>', include: KvWatchInclude.UpdatesOnly });
  const read = async () => {
    for await (const { key, value } of entries) watchers.call(key, readTime(DECODER.decode(value)));
  };
  read().catch(onError);
}

const PUTS_AT_ONCE = 256;
const DECODER = new TextDecoder();
