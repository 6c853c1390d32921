/**
 * The tests of all pure modules, in one process: most take a few milliseconds, and a process of their own takes 300. Named so that it is the
 * first: node runs files in the order of their paths, and it takes long: at the end one core would wait for it.
 */
import { test } from 'node:test';

interface TestFiles {
  testsBelow(folder: string): string[];
  pureOf(paths: readonly string[]): string[];
}

// It runs in dist/test.
const root = new URL('../../', import.meta.url);
const { pureOf, testsBelow } = (await import(new URL('scripts/test-files.mjs', root).href)) as TestFiles;

// The first test is waited for by all others: a file's tests need the constants at its end.
let startOthers: () => void = () => undefined;
const read = new Promise<void>((resolve) => {
  startOthers = resolve;
});
test('the tests of pure modules are read', () => read);
for (const path of pureOf(testsBelow('dist/test'))) await import(new URL(path, root).href);
startOthers();
