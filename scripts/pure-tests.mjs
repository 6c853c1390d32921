// The tests of all pure modules, in one process: most take a few milliseconds, and a process of their own takes 300.

import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { pureOf, root, testsBelow } from './test-files.mjs';

// The first test is waited for by all others: a file's tests need the constants at its end.
let startOthers;
const read = new Promise((resolve) => (startOthers = resolve));
test('the tests of pure modules are read', () => read);
for (const path of pureOf(testsBelow('dist/test'))) await import(pathToFileURL(join(root, path)));
startOthers();
