/**
 * What a server says of itself and of our session, and how we come into it. Path: connection -> [session contact] -> grpc call.
 * One InitializeSession serves all that need it at once. A server that names no codes is asked by Heartbeat whether it has the session.
 */
import type { Metadata } from '@grpc/grpc-js';
import {
  DeadlineExceededError,
  errorFromWire,
  ProtocolError,
  UnavailableError,
  UnknownOutcomeError,
  UnsupportedError,
} from '../../shared/errors.js';
import type { BridgeConfig } from '../../shared/port/commands.js';
import { parseEndpointList } from '../../shared/wire/endpoint-list.js';
import {
  codeOfSentence,
  EPOCH_HEADER,
  MAX_MESSAGE_HEADER,
  SERVERS_HEADER,
  SESSION_TTL_HEADER,
} from '../../shared/wire/status.js';
import type { ChannelPool, PooledChannel } from '../transport/channel-pool.js';
import type { CallLimits } from '../transport/grpc-call.js';
import { headerOf, unaryCall } from '../transport/grpc-call.js';

export interface ServerFacts {
  /** '' when it says none: it isn't ours. */
  readonly epoch: string;
  /** Largest message that both ends take, bytes. */
  readonly maxBytes: number;
  /** Idle time after which it ends a session, ms; 0 = never, or unsaid. */
  readonly sessionTtlMs: number;
  /** Where the servers over the same state are reached, those first that shall serve the session; none where they do not say so. */
  readonly servers: readonly string[];
}

export class SessionContact {
  readonly #config: BridgeConfig;
  #facts: ServerFacts;
  /** A new channel asks for itself. */
  #joining: { readonly control: PooledChannel; readonly joined: Promise<void> } | undefined;

  constructor(config: BridgeConfig) {
    this.#config = config;
    this.#facts = { epoch: '', maxBytes: config.limits.maxMessageBytes, sessionTtlMs: 0, servers: [] };
  }

  /** As the server that was joined last said them. */
  get facts(): ServerFacts {
    return this.#facts;
  }

  /** The session is there afterwards. @throws BridgeError */
  join({ control, endpoint }: ChannelPool): Promise<void> {
    if (this.#joining?.control === control) return this.#joining.joined;
    const joined = this.#initialise(control, endpoint).finally(() => {
      if (this.#joining?.joined === joined) this.#joining = undefined;
    });
    this.#joining = { control, joined };
    return joined;
  }

  /** The session is there afterwards, whether or not it was. @throws BridgeError */
  async ensure(pool: ChannelPool): Promise<void> {
    if ((await this.#askWhetherThere(pool.control)) !== true) await this.join(pool);
  }

  /** True where the server does not say. @throws BridgeError when there is no answer */
  async isThere(channel: PooledChannel): Promise<boolean> {
    return (await this.#askWhetherThere(channel)) ?? true;
  }

  async #askWhetherThere(channel: PooledChannel): Promise<boolean | undefined> {
    const { sessionId } = this.#config;
    try {
      const { response } = await unaryCall(channel, 'Heartbeat', { sessionId }, this.#config, this.#limits, undefined);
      return response.sessionValid === true;
    } catch (error) {
      if (error instanceof UnsupportedError) return undefined;
      throw error;
    }
  }

  get #limits(): CallLimits {
    const { connectTimeoutMs, maxMessageBytes } = this.#config.limits;
    return { timeoutMs: connectTimeoutMs, maxBytes: maxMessageBytes };
  }

  async #initialise(control: PooledChannel, endpoint: string): Promise<void> {
    const { sessionId, limits } = this.#config;
    const request = { sessionId, withoutVariables: true };
    try {
      const answer = await unaryCall(control, 'InitializeSession', request, this.#config, this.#limits, undefined);
      const { response, errorCode, headers } = answer;
      // A server that does not join a session that exists refuses it: then it is joined.
      if (response.success !== true && !(errorCode === undefined && (await this.isThere(control)))) {
        const message = response.errorMessage || `session "${sessionId}" was refused`;
        throw errorFromWire({ code: errorCode ?? codeOfSentence(message), message });
      }
      this.#facts = factsOf(headers, limits.maxMessageBytes);
    } catch (error) {
      throw asContactError(error, endpoint);
    }
  }
}

/** What the first words with an endpoint mean, when they fail. */
function asContactError(error: unknown, endpoint: string): unknown {
  if (error instanceof UnsupportedError || error instanceof ProtocolError) {
    return new ProtocolError(`${endpoint} answers, but it is no bridge server (${error.message}): check the endpoint`, {
      cause: error,
    });
  }
  if (error instanceof UnknownOutcomeError || error instanceof DeadlineExceededError) {
    const sentence = `${endpoint} did not answer InitializeSession in time: check that it is a bridge server`;
    return new UnavailableError(sentence, { cause: error });
  }
  return error;
}

function factsOf(headers: Metadata | undefined, ownMaxBytes: number): ServerFacts {
  const number = (name: string): number => Number(headerOf(headers, name) ?? 0) || 0;
  const theirs = number(MAX_MESSAGE_HEADER);
  return {
    epoch: headerOf(headers, EPOCH_HEADER) ?? '',
    maxBytes: theirs > 0 ? Math.min(theirs, ownMaxBytes) : ownMaxBytes,
    sessionTtlMs: number(SESSION_TTL_HEADER),
    servers: parseEndpointList(headerOf(headers, SERVERS_HEADER) ?? ''),
  };
}
