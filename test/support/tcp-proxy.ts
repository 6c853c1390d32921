/** A wire between client and server that a test can cut and mend: the server keeps running, what it sends into the cut is lost. */
import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #targetPort: number;
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  /** Connections that pass nothing on and tell nobody. */
  readonly #silent = new Set<Socket>();
  readonly #upstreams = new Set<Socket>();
  #swallowsNew = false;
  /** Connections accepted so far. */
  accepted = 0;
  #up = 0;
  #down = 0;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer((client) => this.#handleClient(client));
  }

  /** Resolves when it listens. */
  static async start(targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get endpoint(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Passed on so far: `up` to the server. */
  get bytes(): { readonly up: number; readonly down: number } {
    return { up: this.#up, down: this.#down };
  }

  /** Breaks every connection; new ones break too until `mend`. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
    this.#swallowsNew = false;
  }

  /** What stands passes nothing more and tells nobody; new connections work. */
  silence(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.resume();
      this.#silent.add(socket);
    }
  }

  /** What the server says on the connections that stand is lost; what it is told still comes. */
  swallowAnswers(): void {
    for (const upstream of this.#upstreams) {
      upstream.unpipe();
      upstream.resume();
    }
  }

  /** New connections are accepted, and nothing ever comes of them, until `mend`. */
  swallow(): void {
    this.#swallowsNew = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  #handleClient(client: Socket): void {
    this.accepted += 1;
    if (this.#isCut) {
      client.destroy();
      return;
    }
    if (this.#swallowsNew) {
      this.#sockets.add(client);
      client.on('error', () => undefined);
      client.on('close', () => this.#sockets.delete(client));
      client.resume();
      return;
    }
    const upstream = connect(this.#targetPort, '127.0.0.1');
    this.#upstreams.add(upstream);
    client.on('data', ({ length }: Buffer) => {
      this.#up += length;
    });
    upstream.on('data', ({ length }: Buffer) => {
      this.#down += length;
    });
    upstream.on('close', () => this.#upstreams.delete(upstream));
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.pipe(other);
      // Whatever ended one side ends the other.
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        if (!this.#silent.has(socket)) other.destroy();
      });
    }
  }
}
