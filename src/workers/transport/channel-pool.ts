/**
 * grpc-js channels to one endpoint, each up to its stream limit. Path: connection, stream carrier -> [channel pool] -> HTTP/2.
 * Full: another stream opens another channel; HTTP/2 peers let streams above their own limit wait without a word.
 */
import type { ChannelCredentials, ChannelOptions } from '@grpc/grpc-js';
import { Client, connectivityState } from '@grpc/grpc-js';
import { UnavailableError } from '../../shared/errors.js';
import { dateNowMs } from '../../shared/platform-timers.js';
import type { BridgeConfig, TlsConfig } from '../../shared/port/commands.js';
import { systemClock } from '../../shared/system-clock.js';
import type { ConnectionFacts } from '../connection/liveness.js';
import { channelCredentials } from './channel-credentials.js';
import { explainFailure } from './connect-probe.js';
import { CancelBudget } from './stream-ending.js';

/** One connection: what is known of it, whatever it carries. Owner: its pool. */
export class PooledChannel implements ConnectionFacts {
  readonly client: Client;
  /** Streams open on it, muted ones too. */
  streams = 0;
  readonly cancels = new CancelBudget();
  wantedSinceMs = 0;
  lastWordAtMs: number;
  probedAtMs = 0;
  readonly #tls: TlsConfig | undefined;
  #explaining: Promise<UnavailableError> | undefined;
  #isClosed = false;
  /** When each call that is not answered was made, in that order. */
  readonly #asked = new Set<{ readonly atMs: number }>();
  /** How to end each read, and each change whose caller was told that its time is up. */
  readonly #kept = new Set<() => void>();

  constructor(client: Client, tls: TlsConfig | undefined, nowMs: number) {
    this.client = client;
    this.#tls = tls;
    this.lastWordAtMs = nowMs;
  }

  get askedAtMs(): number {
    for (const { atMs } of this.#asked) return atMs;
    return 0;
  }

  get isReady(): boolean {
    return !this.#isClosed && this.#state === connectivityState.READY;
  }

  get isBroken(): boolean {
    return (
      this.#isClosed ||
      this.#state === connectivityState.TRANSIENT_FAILURE ||
      this.#state === connectivityState.SHUTDOWN
    );
  }

  get #state(): connectivityState {
    return this.client.getChannel().getConnectivityState(false);
  }

  /** The peer said something on it. */
  handleWord(nowMs: number): void {
    this.lastWordAtMs = nowMs;
    this.probedAtMs = 0;
    this.wantedSinceMs = 0;
  }

  /** A call was made on it. Returns how to say that it was answered, or given up. */
  handleAsked(nowMs: number): () => void {
    const asked = { atMs: nowMs };
    this.#asked.add(asked);
    if (!this.isReady && this.wantedSinceMs === 0) this.wantedSinceMs = nowMs;
    return () => this.#asked.delete(asked);
  }

  /** A call that goes on until it is answered or the connection is given up. Returns how to say that it ended. */
  keep(giveUp: () => void): () => void {
    if (this.#isClosed) {
      giveUp();
      return () => undefined;
    }
    this.#kept.add(giveUp);
    return () => this.#kept.delete(giveUp);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // Calls outlive their client.
    for (const giveUp of this.#kept) giveUp();
    this.client.close();
  }

  /** Resolves when the connection stands. @throws UnavailableError on the first refusal, or after `timeoutMs`: a peer may accept and say nothing. */
  async connect(endpoint: string, timeoutMs: number): Promise<void> {
    const channel = this.client.getChannel();
    const deadline = dateNowMs() + timeoutMs;
    for (;;) {
      if (this.#isClosed) throw new UnavailableError(`the connection to ${endpoint} was given up and is made anew`);
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) {
        this.wantedSinceMs = 0;
        return;
      }
      if (this.wantedSinceMs === 0) this.wantedSinceMs = systemClock.nowMs();
      if (state === connectivityState.SHUTDOWN) throw new UnavailableError(`the connection to ${endpoint} was closed`);
      if (state === connectivityState.TRANSIENT_FAILURE) {
        throw await this.#explain(endpoint, Math.min(deadline - dateNowMs(), EXPLAIN_MS));
      }
      const changed = await new Promise<boolean>((resolve) => {
        channel.watchConnectivityState(state, deadline, (error) => resolve(error === undefined));
      });
      if (!changed) {
        throw new UnavailableError(
          `${endpoint} accepts no HTTP/2 connection within ${timeoutMs} ms: check that a bridge server is there`,
          { cause: Object.assign(new Error('no HTTP/2 settings came in time'), { code: 'ETIMEDOUT' }) },
        );
      }
    }
  }

  /** One explanation for all that fail at once. */
  #explain(endpoint: string, timeoutMs: number): Promise<UnavailableError> {
    this.#explaining ??= explainFailure(endpoint, this.#tls, timeoutMs).finally(() => (this.#explaining = undefined));
    return this.#explaining;
  }
}

export class ChannelPool {
  readonly endpoint: string;
  readonly #config: BridgeConfig;
  readonly #credentials: ChannelCredentials;
  #control: PooledChannel;
  #channels: PooledChannel[] = [];

  constructor(endpoint: string, config: BridgeConfig) {
    this.endpoint = endpoint;
    this.#config = config;
    this.#credentials = channelCredentials(config.tls);
    this.#control = this.#open(true);
  }

  /** Carries calls, and no streams. Owner: this pool. */
  get control(): PooledChannel {
    return this.#control;
  }

  /** Channels with streams, and the one for calls. */
  get size(): number {
    return this.#channels.length + 1;
  }

  get hasStreams(): boolean {
    return this.#channels.some((channel) => channel.streams > 0);
  }

  all(): PooledChannel[] {
    return [this.#control, ...this.#channels];
  }

  /** A channel with room for one more stream, counted at once; give it back with `release`. */
  lease(): PooledChannel {
    for (const channel of this.#channels) {
      if (channel.streams < this.#config.limits.streamsPerChannel && !channel.isBroken) return this.#take(channel);
    }
    const channel = this.#open(false);
    this.#channels.push(channel);
    return this.#take(channel);
  }

  release(channel: PooledChannel): void {
    channel.streams -= 1;
    // One is kept for the next watch; the others were for a rush that is over.
    if (channel.streams > 0 || (this.#channels.length === 1 && !channel.isBroken)) return;
    this.#remove(channel);
  }

  /** The connection answers no more: nothing is opened on it again. Its streams are their carrier's. */
  replace(channel: PooledChannel): void {
    if (channel === this.#control) {
      this.#control = this.#open(true);
      channel.close();
    } else this.#remove(channel);
  }

  close(): void {
    for (const channel of this.all()) channel.close();
  }

  #take(channel: PooledChannel): PooledChannel {
    channel.streams += 1;
    if (!channel.isReady && channel.wantedSinceMs === 0) channel.wantedSinceMs = systemClock.nowMs();
    return channel;
  }

  #remove(channel: PooledChannel): void {
    this.#channels = this.#channels.filter((other) => other !== channel);
    channel.close();
  }

  #open(isForCalls: boolean): PooledChannel {
    const { limits, tls } = this.#config;
    const options: ChannelOptions = {
      // Equal channels of one thread would share a connection, and with it its stream limit.
      'grpc.use_local_subchannel_pool': 1,
      // Of a call that the peer certainly did not look at, grpc-js knows so, and makes it again; streams do without its buffer.
      'grpc.enable_retries': isForCalls ? 1 : 0,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 5_000,
      // We look at sizes ourselves, and so know who refused; this only keeps memory.
      'grpc.max_send_message_length': -1,
      'grpc.max_receive_message_length': Math.min(2 * limits.maxMessageBytes, 2 ** 31 - 1),
      'grpc-node.flow_control_window': 1 << 20,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_channelz': 0,
    };
    const complete = /^([^:]+)\.(:\d+)$/.exec(this.endpoint);
    if (complete !== null) {
      // The point at the end is for DNS: neither certificates nor proxies have it.
      options['grpc.ssl_target_name_override'] = complete[1]!;
      options['grpc.default_authority'] = `${complete[1]}${complete[2]}`;
    }
    return new PooledChannel(new Client(this.endpoint, this.#credentials, options), tls, systemClock.nowMs());
  }
}

/** Time to find out why a connection failed, ms; only the words depend on it. */
const EXPLAIN_MS = 3_000;
