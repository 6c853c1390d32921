/** Where a compiled module of the benchmarks is. Loaded at run time: the tests' TypeScript project does not reference theirs. */
export function benchModule(path: string): string {
  // Tests run in dist/test/bench.
  return new URL(`../../bench/${path}.js`, import.meta.url).href;
}
