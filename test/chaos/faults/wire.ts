/** One connection through the proxy, both ways. Stalled: nothing is read, as behind a full link. Silenced: never again, as behind a dead one. */
import type { Socket } from 'node:net';

export class Wire {
  readonly #ways: readonly Way[];
  readonly #sockets: readonly Socket[];

  constructor(client: Socket, upstream: Socket, onClosed: () => void) {
    this.#sockets = [client, upstream];
    this.#ways = [new Way(client, upstream), new Way(upstream, client)];
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      socket.setNoDelay(true);
      // Whatever ends one side ends the other.
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        other.destroy();
        onClosed();
      });
    }
  }

  set delayMs(delayMs: number) {
    for (const way of this.#ways) way.delayMs = delayMs;
  }

  stall(): void {
    for (const way of this.#ways) way.stall();
  }

  flow(): void {
    for (const way of this.#ways) way.flow();
  }

  silence(): void {
    for (const way of this.#ways) way.silence();
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** From one socket to the other, in order. */
class Way {
  readonly #from: Socket;
  readonly #to: Socket;
  delayMs = 0;
  /** What is under way, in order: one timer, for the first of them. */
  readonly #delayed: { readonly chunk: Buffer; readonly dueMs: number }[] = [];
  #isStalled = false;
  #isSilent = false;
  #isFull = false;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on('data', (chunk: Buffer) => this.#handleChunk(chunk));
    to.on('drain', () => {
      this.#isFull = false;
      this.#steer();
    });
  }

  stall(): void {
    this.#isStalled = true;
    this.#steer();
  }

  flow(): void {
    this.#isStalled = false;
    this.#steer();
  }

  silence(): void {
    this.#isSilent = true;
    // Read on, so that the end of the other side is seen.
    this.#steer();
  }

  #handleChunk(chunk: Buffer): void {
    if (this.#isSilent) return;
    if (this.delayMs === 0 && this.#delayed.length === 0) {
      this.#pass(chunk);
      return;
    }
    this.#delayed.push({ chunk, dueMs: performance.now() + this.delayMs });
    if (this.#delayed.length === 1) this.#waitForFirst();
  }

  #waitForFirst(): void {
    const [first] = this.#delayed;
    if (first === undefined) return;
    setTimeout(
      () => {
        this.#delayed.shift();
        this.#pass(first.chunk);
        this.#waitForFirst();
      },
      Math.max(0, first.dueMs - performance.now()),
    );
  }

  #pass(chunk: Buffer): void {
    if (this.#isSilent || this.#to.destroyed) return;
    if (!this.#to.write(chunk)) {
      this.#isFull = true;
      this.#steer();
    }
  }

  #steer(): void {
    if (this.#isSilent || !(this.#isStalled || this.#isFull)) this.#from.resume();
    else this.#from.pause();
  }
}
