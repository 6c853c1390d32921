/**
 * Passes every published call on to a real server. As it is it stands for one of ours before it had links; with a tap it passes links on as
 * well, and what they say through the tap. What it is told to hold it has and does not pass on: a server that has it still to make.
 */
import type {
  Metadata,
  ServerDuplexStream,
  ServiceDefinition,
  StatusObject,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import type { MethodName } from '../../src/shared/wire/services.js';
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
  /** By call, `Open` for what links say; each resolves when it is passed on. */
  readonly #held = new Map<string, Promise<void>>();
  readonly #releases = new Map<string, () => void>();
  /** What is held. */
  holding = 0;
  /** Links that stand. */
  links = 0;
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

  /** What comes of it from now on waits for `release`. */
  hold(name: MethodName | 'Open'): void {
    this.#held.set(name, new Promise((resolve) => this.#releases.set(name, resolve)));
  }

  release(): void {
    this.#held.clear();
    for (const resolve of this.#releases.values()) resolve();
    this.#releases.clear();
  }

  /** What it still holds is lost. */
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
      handlers[name] = isServerStream ? this.#streamHandler(path) : this.#unaryHandler(path, name);
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
      let line = Promise.resolve();
      this.links += 1;
      const passOn = async (bytes: Buffer): Promise<void> => {
        await this.#whenPassed('Open');
        if (call.cancelled) return;
        tap.up(bytes);
        passed.write(bytes);
      };
      call.on('data', (bytes: Buffer) => {
        line = line.then(() => passOn(bytes));
      });
      call.on('end', () => void line.then(() => passed.end()));
      call.on('cancelled', () => {
        this.links -= 1;
        passed.cancel();
      });
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

  async #whenPassed(name: string): Promise<void> {
    const held = this.#held.get(name);
    if (held === undefined) return;
    this.holding += 1;
    await held;
    this.holding -= 1;
  }

  #unaryHandler(path: string, name: string): UntypedServiceImplementation[string] {
    const pass = (bytes: Buffer): Buffer => bytes;
    return (async (
      call: { request: Buffer; metadata: Metadata; sendMetadata(m: Metadata): void },
      callback: (...all: unknown[]) => void,
    ) => {
      await this.#whenPassed(name);
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
