/** A peer's client by its name. Each is loaded only where it is measured: a checkout without it loses nothing else. */
import type { Peer } from './peer.js';
import type { PeerName } from './peer-programs.js';

export async function loadPeer(name: PeerName): Promise<Peer> {
  switch (name) {
    case 'redis':
      return (await import('./redis.js')).redis;
    case 'nats':
      return (await import('./nats.js')).nats;
    case 'nats-kv':
      return (await import('./nats-kv.js')).natsKv;
    case 'etcd':
      return (await import('./etcd.js')).etcd;
  }
}
