/** The connection, as its parts see it: what is the present one changes with each attempt, so that it is asked for. */
import type { Carrier } from '../transport/carrier.js';
import type { ChannelPool } from '../transport/channel-pool.js';

/** Before what failed with a connection is tried again, ms. */
export const RETRY_PAUSE_MS = 50;

export interface ConnectionView {
  readonly pool: ChannelPool;
  readonly carrier: Carrier;
  /** `draining`: what is under way is answered, nothing is tried again. */
  readonly stage: 'open' | 'draining' | 'closed';
  /** The session was joined on it, and it was not given up since. */
  readonly isConnected: boolean;
  /** It does not stand: it is made again by its backoff. */
  lose(): void;
}
