/** What became of the frames of a run. */
export interface FuzzReport {
  readonly frames: number;
  readonly links: number;
  /** How links ended, by the code that they said. */
  readonly ends: Readonly<Record<string, number>>;
  /** What must not be. */
  readonly findings: readonly string[];
}
