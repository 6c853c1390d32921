/** A stream job for the product, once per number of workers, and for plain grpc-js, with the ratios between them. */
import type { BenchOptions } from '../bench-options.js';
import type { ClientChoice } from '../processes/open-watch-client.js';
import type { Figure } from '../report/row.js';
import { ratiosTo, withRatios } from '../report/row.js';
import type { Measured, Outcome } from './scenario.js';
import { measureInTurn } from './scenario.js';

/** Rows of the product come first, then the plain one. */
export async function compareWithPlain(
  options: BenchOptions,
  title: string,
  figures: readonly Figure[],
  measure: (choice: ClientChoice) => Promise<Measured>,
): Promise<Outcome> {
  const choices: ClientChoice[] = [
    ...options.transports.flatMap((kind) => options.workers.map((workers) => ({ kind, workers }))),
    { kind: 'plain' },
  ];
  const measured = await measureInTurn(
    options.pairs,
    choices.map((choice) => () => measure(choice)),
  );
  const rows = measured.map(({ row }) => row);
  const plain = rows.pop()!;
  return {
    title,
    rows: [...rows.map((row) => withRatios(row, 'plain', ratiosTo(row, plain, figures))), plain],
    problems: measured.flatMap(({ problems }) => problems),
  };
}
