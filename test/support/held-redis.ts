/** A wire between a server and its Redis by which a test holds back what the logs say: the server is behind, and goes on answering. */
import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

export class HeldRedis implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** By which logs are read. */
  readonly #tails = new Set<Socket>();
  #isHeld = false;

  private constructor(path: string) {
    this.#server = createServer((down) => this.#pass(down, connect(path)));
  }

  /** `path`: of the socket of Redis. Resolves when it listens. */
  static async start(path: string): Promise<HeldRedis> {
    const held = new HeldRedis(path);
    held.#server.listen(0, '127.0.0.1');
    await once(held.#server, 'listening');
    return held;
  }

  /** For the engine, with a prefix behind a slash. */
  get url(): string {
    return `redis://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  hold(): void {
    this.#isHeld = true;
    for (const tail of this.#tails) tail.pause();
  }

  release(): void {
    this.#isHeld = false;
    for (const tail of this.#tails) tail.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(down: Socket, up: Socket): void {
    for (const socket of [down, up]) {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    down.on('data', (bytes) => {
      if (bytes.includes('xread')) {
        this.#tails.add(up);
        if (this.#isHeld) up.pause();
      }
      up.write(bytes);
    });
    up.on('data', (bytes) => down.write(bytes));
    down.on('close', () => up.destroy());
    up.on('close', () => {
      this.#tails.delete(up);
      down.destroy();
    });
  }
}
