// Runs the compiled tests: all of them, or those whose path contains one of the given words (`npm test -- ring`).
// Arguments that begin with a dash go to node (`npm test -- ring --test-name-pattern=overflow`).

import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { pureOf, root, testsBelow } from './test-files.mjs';

const words = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const options = process.argv.slice(2).filter((argument) => argument.startsWith('-'));

const all = testsBelow('dist/test');
const chosen = all.filter(
  (path) => words.length === 0 || words.some((word) => path.slice('dist/test/'.length).includes(word)),
);
if (chosen.length === 0) {
  process.stderr.write(
    `test: none of ${all.length} test files has ${words.map((word) => `"${word}"`).join(' or ')} in its path\n`,
  );
  process.exit(1);
}

// The promises hold whatever carries the watches: without a word both carriers are tested, with one whichever the environment names.
// The contract goes over streams where a context has moved; what both carriers lead to (faults of it, and turns of the main thread) is
// asked once, and so is what names its carrier itself.
// Node 20 reads the file of this variable at the start of every process, 40 ms of CPU each; no test asks an authority but its own.
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;
const failed = run(words.length > 0 ? chosen : together(all), env);
const again =
  words.length > 0
    ? []
    : all.filter((path) =>
        /^dist\/test\/(promises\/(?!06-resumes-from-a-rev|09-sets-by-carrier|12|23)|faults\/(?!conditions|connecting|engine|large|link|order))/.test(
          path,
        ),
      );
const failedAgain = again.length > 0 && run(again, { ...env, BRIDGED_STATE_TRANSPORT: 'stream' });
process.exitCode = failed || failedAgain ? 1 : 0;

/** The same tests, those of pure modules as one file. */
function together(files) {
  const pure = new Set(pureOf(files));
  return ['dist/test/all-pure.js', ...files.filter((path) => !pure.has(path))];
}

/** Whether any failed. */
function run(files, env) {
  // A list of files, because Node 20 knows no globs and would run every file of a folder called test.
  // One more at a time than there are cores: most wait for processes of their own, and their deadlines are for a machine that is not swamped.
  const { status, signal } = spawnSync(
    process.execPath,
    [
      ...[
        '--require=./scripts/test-hooks.cjs',
        '--test',
        '--test-reporter=./scripts/test-reporter.mjs',
        '--test-timeout=120000',
        `--test-concurrency=${availableParallelism() + 1}`,
      ],
      ...[...options, ...files],
    ],
    { cwd: root, stdio: 'inherit', env },
  );
  if (signal !== null) process.stderr.write(`test: ended by ${signal}\n`);
  return status !== 0;
}
