/**
 * grpc-js channels to one endpoint, each up to its stream limit. Path: stream transport -> [channel pool] -> HTTP/2.
 * Full: another stream opens another channel; HTTP/2 peers let streams above their own limit wait without a word.
 */
import type { ChannelOptions } from '@grpc/grpc-js';
import { ChannelCredentials, Client, connectivityState, credentials } from '@grpc/grpc-js';
import { UnavailableError } from '../../shared/errors.js';
import type { BridgeConfig } from '../../shared/port/commands.js';

/** Cancels of streams that one connection may make: HTTP/2 servers cut it after a burst of 1,000, then 33 a second. */
const CANCEL_BURST = 400;
const CANCELS_PER_SECOND = 20;

export class PooledChannel {
  readonly client: Client;
  /** Streams open on it, muted ones too. */
  streams = 0;
  #cancels = CANCEL_BURST;
  #refilledAtMs = 0;

  constructor(client: Client) {
    this.client = client;
  }

  get isReady(): boolean {
    return this.client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  get isBroken(): boolean {
    const state = this.client.getChannel().getConnectivityState(false);
    return state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN;
  }

  /** Whether a stream may be cancelled now without putting the connection at risk; takes one from the budget if so. */
  takeCancel(nowMs: number): boolean {
    if (this.#refilledAtMs === 0) this.#refilledAtMs = nowMs;
    this.#cancels = Math.min(CANCEL_BURST, this.#cancels + ((nowMs - this.#refilledAtMs) / 1000) * CANCELS_PER_SECOND);
    this.#refilledAtMs = nowMs;
    if (this.#cancels < 1) return false;
    this.#cancels -= 1;
    return true;
  }

  /** Resolves when the connection stands. @throws UnavailableError on the first refusal, or after `timeoutMs`: a peer may accept and say nothing. */
  async connect(endpoint: string, timeoutMs: number): Promise<void> {
    const channel = this.client.getChannel();
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) return;
      if (state === connectivityState.SHUTDOWN) throw new UnavailableError(`the connection to ${endpoint} was closed`);
      if (state === connectivityState.TRANSIENT_FAILURE) {
        throw new UnavailableError(`no gRPC server answers at ${endpoint}: start it, or check the endpoint`);
      }
      const changed = await new Promise<boolean>((resolve) => {
        channel.watchConnectivityState(state, deadline, (error) => resolve(error === undefined));
      });
      if (!changed) {
        throw new UnavailableError(
          `${endpoint} accepts no HTTP/2 connection within ${timeoutMs} ms: check that a bridge server is there`,
        );
      }
    }
  }
}

export class ChannelPool {
  readonly endpoint: string;
  readonly #config: BridgeConfig;
  readonly #credentials: ChannelCredentials;
  /** Carries calls, and no streams. Owner: this pool. */
  readonly control: PooledChannel;
  readonly #channels: PooledChannel[] = [];
  /** Fast pings only towards a server that says it permits them: others throw out a client that pings often. */
  readonly #allowsPings: boolean;

  constructor(endpoint: string, config: BridgeConfig, allowsPings: boolean) {
    this.endpoint = endpoint;
    this.#config = config;
    this.#credentials = credentialsOf(config);
    this.#allowsPings = allowsPings;
    this.control = this.#open();
  }

  /** Channels with streams, and the one for calls. */
  get size(): number {
    return this.#channels.length + 1;
  }

  get streams(): number {
    let streams = 0;
    for (const channel of this.#channels) streams += channel.streams;
    return streams;
  }

  get hasStreams(): boolean {
    return this.#channels.some((channel) => channel.streams > 0);
  }

  /** A channel with room for one more stream, counted at once; give it back with `release`. */
  lease(): PooledChannel {
    for (const channel of this.#channels) {
      if (channel.streams < this.#config.limits.streamsPerChannel && !channel.isBroken) {
        channel.streams += 1;
        return channel;
      }
    }
    const channel = this.#open();
    channel.streams = 1;
    this.#channels.push(channel);
    return channel;
  }

  release(channel: PooledChannel): void {
    channel.streams -= 1;
    // One is kept for the next watch; the others were for a rush that is over.
    if (channel.streams > 0 || (this.#channels.length === 1 && !channel.isBroken)) return;
    const place = this.#channels.indexOf(channel);
    if (place < 0) return;
    this.#channels.splice(place, 1);
    channel.client.close();
  }

  close(): void {
    this.control.client.close();
    for (const channel of this.#channels) channel.client.close();
  }

  #open(): PooledChannel {
    const { limits, keepalive } = this.#config;
    const options: ChannelOptions = {
      // Equal channels of one thread would share a connection, and with it its stream limit.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 5_000,
      'grpc.max_send_message_length': limits.maxMessageBytes,
      'grpc.max_receive_message_length': limits.maxMessageBytes,
      'grpc-node.flow_control_window': 1 << 20,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_channelz': 0,
    };
    if (this.#allowsPings) {
      options['grpc.keepalive_time_ms'] = keepalive.timeMs;
      options['grpc.keepalive_timeout_ms'] = keepalive.timeoutMs;
    }
    return new PooledChannel(new Client(this.endpoint, this.#credentials, options));
  }
}

function credentialsOf(config: BridgeConfig): ChannelCredentials {
  const { tls } = config;
  if (tls === undefined) return credentials.createInsecure();
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  return ChannelCredentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert));
}
