/** A job for the product, once per carrier and number of workers, for plain grpc-js, and for the peers that can do it, with the ratios between them. */
import type { BenchOptions } from '../bench-options.js';
import type { PeerName } from '../peers/peer-programs.js';
import type { ClientChoice } from '../processes/open-watch-client.js';
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
}

/** Rows of the product come first, then plain, then the peers that are installed. */
export async function compareClients(
  options: BenchOptions,
  title: string,
  figures: readonly Figure[],
  peers: ComparedPeers,
  measure: (choice: ClientChoice) => Promise<Measured>,
): Promise<Outcome> {
  const ours: ClientChoice[] = options.transports.flatMap((kind) =>
    options.workers.map((workers) => ({ kind, workers })),
  );
  const others: ClientChoice[] = [{ kind: 'plain' }, ...comparedPeers(options, peers).map((kind) => ({ kind }))];
  const measured = await measureInTurn(
    options.runs,
    [...ours, ...others].map((choice) => () => measure(choice)),
  );
  const rows = measured.map(({ row }) => row);
  return {
    title,
    rows: withRatiosToOthers(rows.slice(0, ours.length), rows.slice(ours.length), figures),
    problems: measured.flatMap(({ problems }) => problems),
  };
}

export function withRatiosToOthers(ours: readonly Row[], others: readonly Row[], figures: readonly Figure[]): Row[] {
  const compared = ours.map((row) =>
    others.reduce((known, other) => withRatios(known, other.transport, ratiosTo(row, other, figures)), row),
  );
  return [...compared, ...others];
}

export function comparedPeers(options: BenchOptions, { able, quick = [] }: ComparedPeers): PeerName[] {
  const wanted = options.size === 'quick' && !options.arePeersNamed ? quick : able;
  return wanted.filter((peer) => options.peers.includes(peer));
}
