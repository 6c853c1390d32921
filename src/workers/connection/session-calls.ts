/**
 * Unary calls of one state: each is tried again until its time is up, and once in a session that was joined anew. Path: unary calls -> [session calls] -> grpc call.
 * Slow: a call waits for a connection, and no longer than its time. Closed: no call begins, and what is under way fails as closed.
 */
import type { Deadlines } from '../../shared/deadlines.js';
import {
  ClosedError,
  DeadlineExceededError,
  SessionNotFoundError,
  UnavailableError,
  UnknownOutcomeError,
  VariablesNotFoundError,
} from '../../shared/errors.js';
import type { BridgeConfig } from '../../shared/port/commands.js';
import { systemClock } from '../../shared/system-clock.js';
import type { MethodName, RequestOf, ResponseOf } from '../../shared/wire/services.js';
import { codeOfSentence } from '../../shared/wire/status.js';
import type { Change } from '../calls/change.js';
import type { PooledChannel } from '../transport/channel-pool.js';
import { unaryCall } from '../transport/grpc-call.js';
import type { ConnectionView } from './connection-view.js';
import { RETRY_PAUSE_MS } from './connection-view.js';
import type { SessionContact } from './session-contact.js';

/** An answer, with the code of a refusal that came with `success = false`. */
export interface Answer<M extends MethodName> {
  readonly response: ResponseOf<M>;
  readonly errorCode: string | undefined;
}

export class SessionCalls {
  readonly #config: BridgeConfig;
  readonly #connection: ConnectionView;
  readonly #session: SessionContact;
  readonly #deadlines: Deadlines;
  /** A call on the channel was not answered. */
  readonly #doubt: (channel: PooledChannel) => void;

  constructor(
    config: BridgeConfig,
    connection: ConnectionView,
    session: SessionContact,
    deadlines: Deadlines,
    doubt: (channel: PooledChannel) => void,
  ) {
    this.#config = config;
    this.#connection = connection;
    this.#session = session;
    this.#deadlines = deadlines;
    this.#doubt = doubt;
  }

  /** @throws BridgeError; UnknownOutcomeError when a change may or may not have been made */
  async call<M extends MethodName>(
    method: M,
    request: RequestOf<M>,
    deadlineMs: number,
    change: Change | undefined,
  ): Promise<Answer<M>> {
    let hasRejoined = false;
    for (;;) {
      this.checkOpen();
      const { control } = this.#connection.pool;
      const askedAtMs = systemClock.nowMs();
      try {
        const answer = await this.#callOnce(method, request, deadlineMs, change);
        if (isRefusal(answer) && !hasRejoined && (await this.#mayLackSession(answer.response))) {
          throw SessionNotFoundError.of(this.#config.sessionId);
        }
        return answer;
      } catch (thrown) {
        let error = thrown;
        if (!hasRejoined && this.#isOfSession(error)) {
          // The server was restarted, or the session expired: it refused, so nothing was done and asking again is safe.
          try {
            const { pool } = this.#connection;
            await (error instanceof SessionNotFoundError ? this.#session.join(pool) : this.#session.ensure(pool));
            hasRejoined = true;
            continue;
          } catch (cause) {
            error = cause;
          }
        }
        // Nothing was heard on it since: later calls must not wait for it too, unless the server says that it lives.
        if (control.lastWordAtMs < askedAtMs && isSilence(error)) this.#doubt(control);
        const isTimeUp = deadlineMs - systemClock.nowMs() < RETRY_PAUSE_MS;
        if (!(error instanceof UnavailableError) || isTimeUp || this.#connection.stage !== 'open') {
          throw this.#asClosed(error, change !== undefined);
        }
        // Never sent, refused by a server that goes, or a read: tried again until the time is up, on the connection that is made meanwhile.
        if (this.#connection.isConnected) this.#connection.lose();
        await this.#deadlines.pause(RETRY_PAUSE_MS);
      }
    }
  }

  /** @throws ClosedError */
  checkOpen(): void {
    if (this.#connection.stage === 'closed') throw new ClosedError('the state was closed: open another');
  }

  async #callOnce<M extends MethodName>(
    method: M,
    request: RequestOf<M>,
    deadlineMs: number,
    change: Change | undefined,
  ): Promise<Answer<M>> {
    const { control, endpoint } = this.#connection.pool;
    await control.connect(endpoint, Math.max(1, deadlineMs - systemClock.nowMs()));
    const timeoutMs = deadlineMs - systemClock.nowMs();
    if (timeoutMs <= 0) throw new UnavailableError(`${method}: its time was up before it was sent: it was not made`);
    const limits = { timeoutMs, maxBytes: this.#session.facts.maxBytes };
    const answer = await unaryCall(control, method, request, this.#config, limits, change);
    if (answer.errorCode === 'SESSION_NOT_FOUND') throw SessionNotFoundError.of(this.#config.sessionId);
    return answer;
  }

  /** Or may be: a server that is not ours does not say whether it is the session that it did not find. It may be there again by now. */
  #isOfSession(error: unknown): boolean {
    if (error instanceof SessionNotFoundError) return true;
    return this.#session.facts.epoch === '' && error instanceof VariablesNotFoundError;
  }

  /** Of a refusal that has no code, of a server that is not ours. */
  async #mayLackSession(response: object): Promise<boolean> {
    if (this.#session.facts.epoch !== '') return false;
    const { errorMessage } = response as { readonly errorMessage?: string | null };
    return isNotFound(errorMessage ?? '') || !(await this.#session.isThere(this.#connection.pool.control));
  }

  #asClosed(error: unknown, isChange: boolean): unknown {
    const { stage } = this.#connection;
    if (stage !== 'open' && error instanceof UnavailableError) {
      return new ClosedError('the state was closed before the call was made: open another', { cause: error });
    }
    if (stage !== 'closed' || isChange) return error;
    return new ClosedError('the state was closed before the answer came', { cause: error });
  }
}

/** By `success = false`, without a code. */
function isRefusal<M extends MethodName>({ response, errorCode }: Answer<M>): boolean {
  return errorCode === undefined && (response as { readonly success?: boolean | null }).success === false;
}

function isNotFound(sentence: string): boolean {
  const code = codeOfSentence(sentence);
  return code === 'SESSION_NOT_FOUND' || code === 'VARIABLE_NOT_FOUND';
}

function isSilence(error: unknown): boolean {
  return error instanceof UnknownOutcomeError || error instanceof DeadlineExceededError;
}
