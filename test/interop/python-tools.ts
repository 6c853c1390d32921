/** Interpreters with what a test needs, and programs that they run for the Python package. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { INTERPRETERS, ROOT } from './python-process.js';

export const PACKAGE = join(ROOT, 'python');
// Less than a file may take.
const TESTS_MS = 115_000;
const DEBIAN = 'apt-get install python3-grpcio python3-protobuf python3-pytest';

/** The first interpreter with these modules. */
export function interpreterWith(...modules: string[]): string | undefined {
  return INTERPRETERS.find(
    (candidate) => spawnSync(candidate, ['-c', `import ${modules.join(', ')}`], { stdio: 'ignore' }).status === 0,
  );
}

/** What the command printed. @throws AssertionError that shows all of it when it failed */
export function run(command: string, args: readonly string[], cwd: string, timeout = TESTS_MS): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    ...{ cwd, timeout, encoding: 'utf8', maxBuffer: 1 << 26 },
    env: {
      ...process.env,
      ...{ BRIDGED_STATE_NODE: process.execPath, PYTHONDONTWRITEBYTECODE: '1', PYTHONIOENCODING: 'utf-8' },
    },
  });
  assert.equal(status, 0, `${command} ${args.join(' ')}: ${error?.message ?? `exit ${status}`}\n${stdout}\n${stderr}`);
  return stdout;
}

/** Skipped without it on a developer's machine; in CI a failure. */
export function needs(found: string | undefined, remedy: string): { skip: string | false } {
  return {
    skip: found === undefined && process.env.CI !== 'true' ? `what it needs is not installed: ${remedy}` : false,
  };
}

/** Those of the ways to a server, as pytest chooses by `-k`. */
export const WAYS = '(tls or endpoints or credentials)';

/** A test that runs those tests of the package whose names pytest chooses by `-k`: three files share them, because one alone takes too long. */
export function testPackage(chosen: string): void {
  const tester = interpreterWith('grpc', 'google.protobuf', 'pytest');
  test(`the tests of the Python package pass: ${chosen}`, needs(tester, DEBIAN), (t) => {
    assert.ok(tester, DEBIAN);
    const said = run(tester, ['-m', 'pytest', '-q', '--tb=short', '-p', 'no:cacheprovider', '-k', chosen], PACKAGE);
    t.diagnostic(said.trim().split('\n').at(-1) ?? '');
  });
}
