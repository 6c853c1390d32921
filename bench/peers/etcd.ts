/**
 * etcd by plain grpc-js: one watch of the whole prefix, given out by name here, because thousands of watches cost etcd far more; a batch of
 * sets is one transaction. Its clients for Node search their watchers one by one for each event, which would be measured instead.
 */
import { fileURLToPath } from 'node:url';
import type { CallOptions, ClientDuplexStream, ServiceError } from '@grpc/grpc-js';
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { BatchSetter, Peer, ReadTime } from './peer.js';

interface EtcdEvent {
  readonly type: number;
  readonly kv: { readonly key: Buffer; readonly value: Buffer; readonly version: number };
}

interface WatchAnswer {
  readonly created: boolean;
  readonly canceled: boolean;
  readonly events: readonly EtcdEvent[];
}

type Call = (request: unknown, options: CallOptions, callback: (error: ServiceError | null) => void) => void;

interface EtcdKv {
  readonly Put: Call;
  readonly Txn: Call;
  close(): void;
}

interface EtcdWatch {
  Watch(): ClientDuplexStream<unknown, WatchAnswer>;
  close(): void;
}

export const etcd: Peer = {
  openWatchClient: async (port, readTime) => {
    const { kv, watch } = connect(port);
    const calls = new Map<string, ((value: number, version: number) => void)[]>();
    let stream: Promise<ClientDuplexStream<unknown, WatchAnswer>> | undefined;
    return {
      watch: async (name, onUpdate, onError) => {
        const call = (value: number, version: number) => onUpdate(value, version, 0);
        calls.set(name, [...(calls.get(name) ?? []), call]);
        stream ??= watchPrefix(watch, calls, readTime, onError);
        await stream;
        return async () => void calls.delete(name);
      },
      set: (name, value) => put(kv, name, String(value)),
      close: async () => {
        (await stream)?.cancel();
        kv.close();
        watch.close();
      },
    };
  },
  openSetter: async (port, names) => {
    const { kv } = connect(port);
    const setter = setterOf(kv);
    for (let at = 0; at < names.length; at += PUTS_AT_ONCE) {
      const texts = new Map(names.slice(at, at + PUTS_AT_ONCE).map((name) => [name, '0']));
      await new Promise<void>((resolve, reject) => {
        setter.set(texts, (refused, failure) => (refused === 0 ? resolve() : reject(new Error(failure))));
      });
    }
    return setter;
  },
};

function setterOf(kv: EtcdKv): BatchSetter {
  return {
    set: (texts, onAnswer) => {
      const success = Array.from(texts, ([name, text]) => ({
        request_put: { key: Buffer.from(name), value: Buffer.from(text) },
      }));
      kv.Txn({ success }, inTime(), (error) => onAnswer(error === null ? 0 : texts.size, error?.message));
    },
  };
}

/** A call without a deadline may wait for ever. */
function inTime(): CallOptions {
  return { deadline: Date.now() + CALL_MS };
}

function put(kv: EtcdKv, name: string, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    kv.Put({ key: Buffer.from(name), value: Buffer.from(text) }, inTime(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}

/** Resolves when it is registered. */
function watchPrefix(
  client: EtcdWatch,
  calls: ReadonlyMap<string, readonly ((value: number, version: number) => void)[]>,
  readTime: ReadTime,
  onError: (error: Error) => void,
): Promise<ClientDuplexStream<unknown, WatchAnswer>> {
  const stream = client.Watch();
  const registered = new Promise<ClientDuplexStream<unknown, WatchAnswer>>((resolve, reject) => {
    stream.on('error', (error: Error) => {
      reject(error);
      onError(error);
    });
    stream.on('data', ({ created, canceled, events }: WatchAnswer) => {
      if (created) resolve(stream);
      if (canceled) onError(new Error('etcd ended the watch'));
      for (const { kv } of events) {
        for (const call of calls.get(kv.key.toString()) ?? []) call(readTime(kv.value.toString()), kv.version);
      }
    });
  });
  // Everything from the first key to the end of what there is.
  stream.write({ create_request: { key: Buffer.of(0), range_end: Buffer.of(0) } });
  return registered;
}

function connect(port: number): { readonly kv: EtcdKv; readonly watch: EtcdWatch } {
  // The compiled file is in dist/bench/peers, the contract where it was written.
  const file = fileURLToPath(new URL('../../../bench/peers/etcd.proto', import.meta.url));
  const contract = loadPackageDefinition(
    loadSync(file, { keepCase: true, longs: Number, arrays: true, defaults: true }),
  ) as never as {
    readonly etcdserverpb: {
      readonly KV: new (...args: unknown[]) => EtcdKv;
      readonly Watch: new (...args: unknown[]) => EtcdWatch;
    };
  };
  const { KV, Watch } = contract.etcdserverpb;
  const options = { 'grpc.use_local_subchannel_pool': 1, 'grpc.max_receive_message_length': -1 };
  const place = [`127.0.0.1:${port}`, credentials.createInsecure(), options];
  return { kv: new KV(...place), watch: new Watch(...place) };
}

const CALL_MS = 10_000;
const PUTS_AT_ONCE = 500;
