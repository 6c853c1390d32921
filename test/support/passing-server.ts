/**
 * Passes every published call on to a real server. As it is it stands for one of ours before it had links; with a tap it passes links on as
 * well, and what they say through the tap.
 */
import type {
  Metadata,
  ServerDuplexStream,
  ServiceDefinition,
  StatusObject,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { LINK_PATH, METHODS, methodPath, SERVICE_NAMES } from '../../src/shared/wire/services.js';

/** Hears what links say, and may change what the server says. */
export interface LinkTap {
  up(bytes: Buffer): void;
  /** What the client gets for it. */
  down(bytes: Buffer): Buffer;
}

export interface PassingOptions {
  /** It says nothing that only our servers say. */
  readonly isForeign?: boolean;
  readonly tap?: LinkTap;
}

export class PassingServer implements AsyncDisposable {
  readonly #server = new Server();
  readonly #client: Client;
  readonly #isForeign: boolean;
  port = 0;

  private constructor(targetPort: number, isForeign: boolean) {
    this.#isForeign = isForeign;
    this.#client = new Client(`127.0.0.1:${targetPort}`, credentials.createInsecure());
  }

  static async start(targetPort: number, { isForeign = false, tap }: PassingOptions = {}): Promise<PassingServer> {
    const server = new PassingServer(targetPort, isForeign);
    server.#addService();
    if (tap !== undefined) server.#addLinks(tap);
    server.port = await new Promise<number>((resolve, reject) => {
      server.#server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return server;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
    this.#client.close();
  }

  #said(metadata: Metadata): Metadata {
    if (this.#isForeign) {
      for (const key of Object.keys(metadata.getMap())) if (key.startsWith('bridge-')) metadata.remove(key);
    }
    return metadata;
  }

  #addService(): void {
    const pass = <T>(bytes: T): T => bytes;
    const definition: Record<string, ServiceDefinition[string]> = {};
    const handlers: UntypedServiceImplementation = {};
    for (const { name, isServerStream } of Object.values(METHODS)) {
      const path = methodPath(SERVICE_NAMES[0], name);
      definition[name] = {
        ...{ path, requestStream: false, responseStream: isServerStream },
        ...{ requestSerialize: pass, requestDeserialize: pass, responseSerialize: pass, responseDeserialize: pass },
      };
      handlers[name] = isServerStream ? this.#streamHandler(path) : this.#unaryHandler(path);
    }
    this.#server.addService(definition, handlers);
  }

  #addLinks(tap: LinkTap): void {
    const pass = <T>(bytes: T): T => bytes;
    const open = {
      ...{ path: LINK_PATH, requestStream: true, responseStream: true },
      ...{ requestSerialize: pass, requestDeserialize: pass, responseSerialize: pass, responseDeserialize: pass },
    };
    const handle = (call: ServerDuplexStream<Buffer, Buffer>): void => {
      const passed = this.#client.makeBidiStreamRequest<Buffer, Buffer>(LINK_PATH, pass, pass, call.metadata);
      call.on('data', (bytes: Buffer) => {
        tap.up(bytes);
        passed.write(bytes);
      });
      call.on('end', () => passed.end());
      call.on('cancelled', () => passed.cancel());
      passed.on('metadata', (metadata: Metadata) => call.sendMetadata(metadata));
      passed.on('data', (bytes: Buffer) => call.write(tap.down(bytes)));
      passed.on('error', () => undefined);
      passed.on('status', (status: StatusObject) => {
        if (status.code === 0) call.end(status.metadata);
        else call.emit('error', status);
      });
    };
    this.#server.addService({ Open: open }, { Open: handle as never });
  }

  #unaryHandler(path: string): UntypedServiceImplementation[string] {
    const pass = (bytes: Buffer): Buffer => bytes;
    return ((
      call: { request: Buffer; metadata: Metadata; sendMetadata(m: Metadata): void },
      callback: (...all: unknown[]) => void,
    ) => {
      let answer: [unknown, Buffer | undefined] = [null, undefined];
      const passed = this.#client.makeUnaryRequest(path, pass, pass, call.request, (...given) => {
        answer = given as typeof answer;
      });
      passed.on('metadata', (metadata: Metadata) => call.sendMetadata(this.#said(metadata)));
      passed.on('status', ({ metadata }: { metadata: Metadata }) => callback(...answer, this.#said(metadata)));
    }) as never;
  }

  #streamHandler(path: string): UntypedServiceImplementation[string] {
    const pass = (bytes: Buffer): Buffer => bytes;
    return ((call: {
      request: Buffer;
      sendMetadata(m: Metadata): void;
      write(bytes: Buffer): void;
      end(): void;
      emit(name: string, value: unknown): void;
      on(name: string, handle: () => void): void;
    }) => {
      const passed = this.#client.makeServerStreamRequest(path, pass, pass, call.request);
      passed.on('metadata', (metadata: Metadata) => call.sendMetadata(this.#said(metadata)));
      passed.on('data', (bytes: Buffer) => call.write(bytes));
      passed.on('error', (error) => call.emit('error', error));
      passed.on('end', () => call.end());
      call.on('cancelled', () => passed.cancel());
    }) as never;
  }
}
