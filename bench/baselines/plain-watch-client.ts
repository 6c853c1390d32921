/**
 * The same job as a service would write it without us: plain grpc-js on the main thread, one WatchVariables stream a watch,
 * generated decoding, JSON.parse, callback. Unwatches by message too: cancelling thousands of streams makes the server cut the connection.
 */
import type { Client } from '@grpc/grpc-js';
import { numberFromLong } from '../../src/shared/wire/messages.js';
import type { RequestOf, ResponseOf } from '../../src/shared/wire/services.js';
import { METHODS } from '../../src/shared/wire/services.js';
import type { OnUpdate, WatchClient } from '../processes/watch-client.js';
import { callPlain, connectPlain, integerValue, pathOf } from './plain-calls.js';

type VariableUpdate = ResponseOf<'WatchVariables'>;

export class PlainWatchClient implements WatchClient {
  readonly #port: number;
  readonly #sessionId: string;
  readonly #read: (value: unknown) => number;
  readonly #calls: Client;
  readonly #channels: { readonly client: Client; streams: number }[] = [];
  #lastToken = 0;

  constructor(port: number, sessionId: string, read: (value: unknown) => number) {
    this.#port = port;
    this.#read = read;
    this.#sessionId = sessionId;
    this.#calls = connectPlain(port);
  }

  watch(name: string, onUpdate: OnUpdate, onError: (error: Error) => void): Promise<() => Promise<void>> {
    const channel = this.#lease();
    this.#lastToken += 1;
    const watchToken = `plain-${this.#lastToken}`;
    const stream = channel.client.makeServerStreamRequest(
      pathOf('WatchVariables'),
      (message: RequestOf<'WatchVariables'>) => METHODS.WatchVariables.encodeRequest(message) as Buffer,
      (bytes: Buffer) => METHODS.WatchVariables.decodeResponse(bytes),
      {
        sessionId: this.#sessionId,
        variableIdentifiers: [name],
        // A watcher knows the value that it saw last: no need to send it.
        options: { watch_token: watchToken, old_value: 'none' },
      },
    );
    const ended = new Promise<void>((resolve) => stream.on('end', resolve).on('error', () => resolve()));
    stream.on('data', (update: VariableUpdate) => {
      const { variable, updateType, missed } = update;
      if (updateType === 'heartbeat' || variable === null || variable === undefined) return;
      const { value, binaryValue } = variable;
      const isBinary = value!.type_url?.endsWith('.binary') === true;
      const read = isBinary ? doublesOf(binaryValue!) : JSON.parse((value!.value as Buffer).toString());
      onUpdate(this.#read(read), variable.version ?? 0, numberFromLong(missed));
    });
    const stop = async () => {
      await callPlain(this.#calls, 'UnwatchVariables', { sessionId: this.#sessionId, watchToken });
      await ended;
      channel.streams -= 1;
    };
    return new Promise((resolve, reject) => {
      let isRegistered = false;
      stream.on('metadata', () => {
        isRegistered = true;
        resolve(stop);
      });
      stream.on('error', (error: Error) => {
        if (isRegistered) onError(error);
        else reject(error);
      });
    });
  }

  async set(name: string, value: number): Promise<void> {
    const response = await callPlain(this.#calls, 'SetVariable', {
      sessionId: this.#sessionId,
      variableIdentifier: name,
      value: integerValue(value),
    });
    if (response.success !== true) throw new Error(`the set of ${name} was refused: ${response.errorMessage}`);
  }

  async close(): Promise<void> {
    this.#calls.close();
    // Streams still open end with the process: a plain client has no other way that spares the connection.
    for (const { client } of this.#channels) client.close();
  }

  #lease(): { readonly client: Client; streams: number } {
    let channel = this.#channels.find(({ streams }) => streams < STREAMS_PER_CHANNEL);
    if (channel === undefined) {
      channel = { client: connectPlain(this.#port), streams: 0 };
      this.#channels.push(channel);
    }
    channel.streams += 1;
    return channel;
  }
}

/** Little-endian, as large embeddings travel. A copy, because they need not begin at a multiple of eight. */
function doublesOf(bytes: Uint8Array): Float64Array {
  return new Float64Array(new Uint8Array(bytes).buffer);
}

/** As many as the product puts on one. */
const STREAMS_PER_CHANNEL = 1_000;
