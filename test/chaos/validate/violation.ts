/** What the judge says: a broken promise, and where it shows. */
export interface Violation {
  /** Name of the rule, which begins with the number of its promise in docs/guarantees.md where it has one. */
  readonly rule: string;
  readonly sentence: string;
}
