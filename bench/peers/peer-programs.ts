/**
 * Servers of others that can do our job, as the bench starts them: alone, on loopback, keeping nothing beyond the run.
 * Each is measured at its lightest: what is said here and in docs/performance.md favours it where there was a choice.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export const PEER_NAMES = ['redis', 'nats', 'nats-kv', 'etcd'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

/** What a server is given: two free ports and a folder that is removed after the run. */
export interface PeerPlace {
  readonly port: number;
  readonly sparePort: number;
  readonly folder: string;
}

export interface PeerProgram {
  readonly program: string;
  /** What of Debian brings it. */
  readonly aptPackage: string;
  args(place: PeerPlace): readonly string[];
}

const nats: PeerProgram = {
  program: 'nats-server',
  aptPackage: 'nats-server',
  args: ({ port }) => ['--addr', '127.0.0.1', '--port', String(port)],
};

export const PEER_PROGRAMS: Readonly<Record<PeerName, PeerProgram>> = {
  redis: {
    program: 'redis-server',
    aptPackage: 'redis-server',
    args: ({ port, folder }) => [
      ...['--bind', '127.0.0.1', '--port', String(port), '--dir', folder],
      // Nothing goes to a disk, as with our memory engine; slow subscribers are never cut.
      ...['--save', '', '--appendonly', 'no', '--client-output-buffer-limit', 'pubsub 0 0 0'],
    ],
  },
  nats,
  'nats-kv': {
    ...nats,
    args: (place) => [...nats.args(place), '--jetstream', '--store_dir', place.folder],
  },
  etcd: {
    program: 'etcd',
    aptPackage: 'etcd-server',
    args: ({ port, sparePort, folder }) => [
      ...['--data-dir', folder, '--log-level', 'fatal', '--max-txn-ops', '1024'],
      ...['--listen-client-urls', `http://127.0.0.1:${port}`, '--advertise-client-urls', `http://127.0.0.1:${port}`],
      ...['--listen-peer-urls', `http://127.0.0.1:${sparePort}`],
      ...['--initial-advertise-peer-urls', `http://127.0.0.1:${sparePort}`],
      ...['--initial-cluster', `default=http://127.0.0.1:${sparePort}`],
      ...['--quota-backend-bytes', String(8 * 2 ** 30)],
    ],
  },
};

/** Its path, or undefined when it is not installed. Debian puts servers where a user's PATH may not reach. */
export function findProgram(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/usr/local/bin'];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

export function isInstalled(peer: PeerName): boolean {
  return findProgram(PEER_PROGRAMS[peer].program) !== undefined;
}

/** For who asked for a peer that is not there. */
export function missingPeerText(peer: PeerName): string {
  const { program, aptPackage } = PEER_PROGRAMS[peer];
  return `${peer} is left out, because ${program} is not installed: apt-get install ${aptPackage}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Not there, or not ours to run: the next folder.
    return false;
  }
}
