/** A job for the product, once per carrier and number of workers, for plain grpc-js, and for the peers that can do it, with the ratios between them. */
import type { BenchOptions } from '../bench-options.js';
import type { PeerName } from '../peers/peer-programs.js';
import type { ClientChoice } from '../processes/open-watch-client.js';
import { peerOf } from '../processes/open-watch-client.js';
import type { Figure, Row } from '../report/row.js';
import { ratiosTo, withRatios } from '../report/row.js';
import type { Measured, Outcome } from './scenario.js';
import { measureInTurn } from './scenario.js';

/** Whom a scenario compares us with. */
export interface ComparedPeers {
  /** Those that can do the job. */
  readonly able: readonly PeerName[];
  /** Of these, those that `--quick` has time for. */
  readonly quick?: readonly PeerName[];
  /** Clients for which this case is too much are left out. */
  readonly fits?: (choice: ClientChoice) => boolean;
  /** What a client is measured as, where it can do the job in several ways. */
  readonly ways?: (choice: ClientChoice) => readonly ClientChoice[];
}

/** Rows of the product come first, then plain, then the peers that are installed. */
export async function compareClients(
  options: BenchOptions,
  title: string,
  figures: readonly Figure[],
  peers: ComparedPeers,
  measure: (choice: ClientChoice) => Promise<Measured>,
): Promise<Outcome> {
  const all: ClientChoice[] = [
    ...options.transports.flatMap((kind) => options.workers.map((workers) => ({ kind, workers }))),
    { kind: 'plain' },
    ...comparedPeers(options, peers).map((kind) => ({ kind })),
  ];
  const fitting = all.filter((choice) => peers.fits?.(choice) ?? true);
  const choices = peers.ways === undefined ? fitting : fitting.flatMap(peers.ways);
  const measured = await measureInTurn(
    options.runs,
    choices.map((choice) => () => (peerOf(choice) === undefined ? measure(choice) : spared(choice, measure))),
  );
  const rows = measured.flatMap(({ row }) => row ?? []);
  const ours = rows.filter(({ workers }) => workers !== undefined);
  const others = rows.filter(({ workers }) => workers === undefined);
  return {
    title,
    rows: withRatiosToOthers(ours, others, figures),
    problems: measured.flatMap(({ problems }) => problems),
  };
}

export function comparedPeers(options: BenchOptions, { able, quick = [] }: ComparedPeers): PeerName[] {
  const wanted = options.size === 'quick' && !options.arePeersNamed ? quick : able;
  return wanted.filter((peer) => options.peers.includes(peer));
}

function withRatiosToOthers(ours: readonly Row[], others: readonly Row[], figures: readonly Figure[]): Row[] {
  const compared = ours.map((row) =>
    others.reduce((known, other) => withRatios(known, other.transport, ratiosTo(row, other, figures)), row),
  );
  return [...compared, ...others];
}

/** A peer that fails is told and left out: what we measure of ourselves is worth having all the same. */
async function spared(choice: ClientChoice, measure: (choice: ClientChoice) => Promise<Measured>): Promise<Measured> {
  try {
    return await measure(choice);
  } catch (error) {
    process.stderr.write(`bench: ${choice.kind} is left out: ${error instanceof Error ? error.message : error}\n`);
    return { row: undefined, problems: [] };
  }
}
