/** One operation of the product, alone. `run` makes `operations` of them: one takes less time than reading the clock. */
export interface Kernel {
  readonly name: string;
  readonly operations: number;
  readonly run: () => unknown;
  /** Another kernel that does the same in the usual way. */
  readonly baseline?: string;
}

export interface KernelResult {
  readonly name: string;
  readonly baseline: string | undefined;
  /** Of one operation; the percentiles are over runs. */
  readonly meanNs: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
}

/** Makes a kernel of one operation, given its number. What it returns is kept, so that the compiler cannot leave the work out. */
export function repeat(name: string, operation: (index: number) => unknown, baseline?: string): Kernel {
  const run = () => {
    let kept: unknown;
    for (let index = 0; index < OPERATIONS; index += 1) kept = operation(index);
    return kept;
  };
  return { name, operations: OPERATIONS, run, ...(baseline === undefined ? {} : { baseline }) };
}

const OPERATIONS = 1_000;

/** A time as large as a real one: V8 keeps small whole numbers in another way, and objects that have had both are slow to make. */
export const SET_AT_MS = 1_750_000_000_000.5;
