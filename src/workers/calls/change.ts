/** A change on its way to the server, as whoever carries it sees it. Path: changes -> [change] -> unary calls -> connection. */

export interface Change {
  /** When its caller is told that its time is up, ms. */
  readonly deadlineMs: number;
  /** Its caller is told before it is known what becomes of it: those behind it wait until `settled` resolves. */
  readonly keepPlace: (settled: Promise<void>) => void;
}
