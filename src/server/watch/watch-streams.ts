/** All live watch streams, by session and by token, and the calls that carry them. Full: maxStreams refuses another. Closed: `endAll` has ended each. */
import { QuotaExceededError } from '../../shared/errors.js';
import type { Session } from '../session.js';
import type { WatchStream } from './stream-call.js';

export class WatchStreams {
  readonly #maxStreams: number;
  readonly #streams = new Map<Session, Set<WatchStream>>();
  readonly #byToken = new Map<Session, Map<string, WatchStream>>();
  readonly #idle: (() => void)[] = [];
  #size = 0;
  #calls = 0;

  constructor(maxStreams: number) {
    this.#maxStreams = maxStreams;
  }

  get size(): number {
    return this.#size;
  }

  /** Streams of one session. */
  streamsOf(session: Session): number {
    return this.#streams.get(session)?.size ?? 0;
  }

  /** @throws QuotaExceededError */
  checkQuota(): void {
    if (this.#size < this.#maxStreams) return;
    throw new QuotaExceededError(
      `the server holds its ${this.#maxStreams} watch streams: end some, or raise maxStreams`,
    );
  }

  add(stream: WatchStream): void {
    const { session, token } = stream;
    const streams = this.#streams.get(session);
    if (streams === undefined) this.#streams.set(session, new Set([stream]));
    else streams.add(stream);
    this.#size += 1;
    if (token === '') return;
    const tokens = this.#byToken.get(session);
    // The newest has the token: the one before it is the same watch on a connection that is lost.
    if (tokens === undefined) this.#byToken.set(session, new Map([[token, stream]]));
    else tokens.set(token, stream);
  }

  /** Once a stream. */
  remove(stream: WatchStream): void {
    const { session, token } = stream;
    const streams = this.#streams.get(session);
    if (streams?.delete(stream) !== true) return;
    if (streams.size === 0) this.#streams.delete(session);
    this.#size -= 1;
    if (token !== '') this.#forgetToken(stream, token);
  }

  find(session: Session, token: string): WatchStream | undefined {
    return this.#byToken.get(session)?.get(token);
  }

  /** Ends those that wait for variables of a session that is no more. */
  endSession(session: Session): void {
    for (const stream of [...(this.#streams.get(session) ?? [])]) stream.finish();
  }

  endAll(error: unknown): void {
    for (const streams of [...this.#streams.values()]) for (const stream of [...streams]) stream.fail(error);
  }

  handleCallBegun(): void {
    this.#calls += 1;
  }

  /** Its client has taken everything, the status too, or is gone. */
  handleCallEnded(): void {
    this.#calls -= 1;
    if (this.#calls === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** Resolves when no call is left: a stream has ended before its client has heard of it. */
  whenNoCalls(): Promise<void> {
    return this.#calls === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  #forgetToken(stream: WatchStream, token: string): void {
    const tokens = this.#byToken.get(stream.session);
    if (tokens?.get(token) !== stream) return;
    tokens.delete(token);
    if (tokens.size === 0) this.#byToken.delete(stream.session);
  }
}
