/** A gRPC client of nothing but grpc-js and the table of methods: what a published client does, without our own client. */
import { once } from 'node:events';
import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { MethodName, RequestOf, ResponseOf } from '../../src/shared/wire/services.js';
import { METHODS, methodPath, SERVICE_NAMES } from '../../src/shared/wire/services.js';
import { within } from '../support/deadline.js';

type UnaryMethodName = Exclude<MethodName, 'WatchVariables'>;
export type VariableUpdate = ResponseOf<'WatchVariables'>;

export interface Answer<M extends MethodName> {
  readonly response: ResponseOf<M>;
  readonly trailer: Metadata;
  /** The `bridge-error` trailer. */
  readonly errorCode: string | undefined;
}

const DEADLINE_MS = 10_000;

export class PlainClient {
  readonly #client: Client;
  readonly #service: string;
  readonly headers = new Metadata();

  constructor(port: number, service: string = SERVICE_NAMES[0], options: Record<string, number | string> = {}) {
    this.#service = service;
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      // A connection of its own: clients of one process share it otherwise.
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    });
  }

  /** The answer, whatever its `success` says. @throws ServiceError */
  async answer<M extends UnaryMethodName>(name: M, request: RequestOf<M>): Promise<Answer<M>> {
    const method = METHODS[name];
    const bytes = method.encodeRequest(request as never);
    const { response, trailer } = await this.raw(name, bytes);
    const [code] = trailer.get('bridge-error');
    return {
      response: method.decodeResponse(response) as ResponseOf<M>,
      trailer,
      errorCode: code === undefined ? undefined : String(code),
    };
  }

  async call<M extends UnaryMethodName>(name: M, request: RequestOf<M>): Promise<ResponseOf<M>> {
    return (await this.answer(name, request)).response;
  }

  /** Any bytes as the request. */
  raw(name: string, bytes: Uint8Array): Promise<{ response: Buffer; trailer: Metadata }> {
    const answered = new Promise<{ response: Buffer; trailer: Metadata }>((resolve, reject) => {
      let trailer = new Metadata();
      let response: Buffer | undefined;
      const call = this.#client.makeUnaryRequest(
        methodPath(this.#service, name),
        (value: Uint8Array) => Buffer.from(value),
        (value: Buffer) => value,
        bytes,
        this.headers,
        (error, value) => {
          if (error) reject(error);
          else response = value;
        },
      );
      call.on('status', (status) => {
        trailer = status.metadata;
        if (status.code === 0) resolve({ response: response ?? Buffer.alloc(0), trailer });
      });
    });
    return within(DEADLINE_MS, answered, `the answer of ${name}`);
  }

  /** The status error that a call ends with. */
  async failure<M extends UnaryMethodName>(name: M, request: RequestOf<M>): Promise<ServiceError> {
    try {
      await this.answer(name, request);
    } catch (error) {
      return error as ServiceError;
    }
    throw new Error(`${name} was answered`);
  }

  watch(request: RequestOf<'WatchVariables'>): PlainWatch {
    return this.watchBytes(METHODS.WatchVariables.encodeRequest(request));
  }

  watchBytes(bytes: Uint8Array): PlainWatch {
    const call = this.#client.makeServerStreamRequest(
      methodPath(this.#service, 'WatchVariables'),
      (value: Uint8Array) => Buffer.from(value),
      (value: Buffer) => METHODS.WatchVariables.decodeResponse(value),
      bytes,
      this.headers,
    );
    return new PlainWatch(call);
  }

  /** Begins a stream that nobody reads from until `watch()` of it is called. */
  watchUnread(request: RequestOf<'WatchVariables'>): ClientReadableStream<Buffer> {
    return this.#client.makeServerStreamRequest(
      methodPath(this.#service, 'WatchVariables'),
      (value: Uint8Array) => Buffer.from(value),
      (value: Buffer) => value,
      METHODS.WatchVariables.encodeRequest(request),
      this.headers,
    );
  }

  async initSession(sessionId = 's'): Promise<void> {
    await this.call('InitializeSession', { sessionId });
  }

  async register(name: string, value: unknown, more: Partial<RequestOf<'RegisterVariable'>> = {}): Promise<string> {
    const { response } = await this.answer('RegisterVariable', {
      sessionId: 's',
      name,
      type: 'float',
      initialValue: any(value),
      ...more,
    });
    if (!response.success) throw new Error(response.errorMessage ?? '');
    return response.variableId ?? '';
  }

  /** The new version. */
  async set(variableIdentifier: string, value: unknown, sessionId = 's'): Promise<number> {
    const response = await this.call('SetVariable', { sessionId, variableIdentifier, value: any(value) });
    if (!response.success) throw new Error(response.errorMessage ?? '');
    return response.newVersion ?? 0;
  }

  close(): void {
    this.#client.close();
  }
}

/** A watch whose updates are taken one by one. */
export class PlainWatch {
  readonly call: ClientReadableStream<VariableUpdate>;
  readonly header: Promise<Metadata>;
  /** Resolves with the stream's end, OK too. */
  readonly ended: Promise<{ readonly code: number; readonly details: string; readonly metadata: Metadata }>;
  readonly updates: VariableUpdate[] = [];
  #taken = 0;

  constructor(call: ClientReadableStream<VariableUpdate>) {
    this.call = call;
    this.header = once(call, 'metadata').then(([metadata]) => metadata as Metadata);
    this.header.catch(() => undefined);
    this.ended = new Promise((resolve) => call.on('status', resolve));
    call.on('error', () => undefined);
    call.on('data', (update: VariableUpdate) => {
      this.updates.push(update);
      call.emit('update');
    });
  }

  /** Resolves when the server has registered it. */
  async ready(): Promise<Metadata> {
    return within(DEADLINE_MS, this.header, 'the headers of a watch');
  }

  /** The next update, heartbeats left out. */
  async next(ms = DEADLINE_MS): Promise<VariableUpdate> {
    for (;;) {
      while (this.#taken < this.updates.length) {
        const update = this.updates[this.#taken]!;
        this.#taken += 1;
        if (update.updateType !== 'heartbeat') return update;
      }
      await within(ms, once(this.call, 'update'), 'the next update');
    }
  }

  async take(count: number): Promise<VariableUpdate[]> {
    const updates: VariableUpdate[] = [];
    while (updates.length < count) updates.push(await this.next());
    return updates;
  }

  async end(): Promise<{ readonly code: number; readonly details: string; readonly metadata: Metadata }> {
    return within(DEADLINE_MS, this.ended, 'the end of a watch');
  }
}

export function any(value: unknown, type = 'float'): { type_url: string; value: Uint8Array } {
  return { type_url: `type.googleapis.com/snakepit.${type}`, value: Buffer.from(JSON.stringify(value)) };
}

/** The JSON value that an update or a variable carries. */
export function carriedValue(holder: { value?: { value?: Uint8Array | null } | null } | null | undefined): unknown {
  return JSON.parse(Buffer.from(holder?.value?.value ?? []).toString());
}

export function newValue(update: VariableUpdate): unknown {
  return carriedValue(update.variable);
}

export function oldValue(update: VariableUpdate): unknown {
  return update.oldValue === null || update.oldValue === undefined
    ? undefined
    : carriedValue({ value: update.oldValue });
}

export function long(value: unknown): number {
  return Number(String(value ?? 0));
}

/** Calls of another client that were answered while a request was under way: none are while the server does nothing else. */
export async function answeredDuring(other: PlainClient, request: Promise<unknown>): Promise<number> {
  let answered = 0;
  let isDone = false;
  const pinging = (async () => {
    while (!isDone) {
      await other.call('Ping', { message: 'x' });
      answered += 1;
    }
  })();
  await request;
  isDone = true;
  await pinging;
  return answered;
}
