/** The Python package `bridged_state`: its types, and what is installed from its wheel and sdist. */
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { interpreterWith, needs, PACKAGE, run } from './python-tools.js';

const DEBIAN_BUILD = 'apt-get install mypy python3-build python3-setuptools python3-wheel python3-venv python3-pip';

const checker = interpreterWith('mypy');
test('its types hold under mypy --strict, and those of a program that uses it', needs(checker, DEBIAN_BUILD), () => {
  assert.ok(checker, DEBIAN_BUILD);
  const checked = ['bridged_state', 'tests/typed_program.py'];
  run(checker, ['-m', 'mypy', '--strict', '--cache-dir', '/dev/null', ...checked], PACKAGE);
});

const builder = interpreterWith('build', 'setuptools', 'wheel', 'venv', 'pip', 'grpc');
test('its wheel and its sdist install into a fresh environment', needs(builder, DEBIAN_BUILD), () => {
  assert.ok(builder, DEBIAN_BUILD);
  const folder = mkdtempSync(join(tmpdir(), 'bridged-state-wheel-'));
  try {
    // A copy: setuptools writes beside what it builds.
    const source = join(folder, 'source');
    cpSync(PACKAGE, source, { recursive: true, filter: (path) => !/__pycache__|\.egg-info|_cache$/.test(path) });
    run(builder, ['-m', 'build', '--no-isolation', '--outdir', join(folder, 'dist'), source], folder);
    const built = readdirSync(join(folder, 'dist')).sort();
    assert.equal(built.length, 2, built.join(', '));
    for (const [place, archive] of built.entries()) {
      const environment = join(folder, `venv${place}`);
      run(builder, ['-m', 'venv', '--without-pip', '--system-site-packages', environment], folder);
      const python = join(environment, 'bin/python');
      const install = ['install', '--quiet', '--no-deps', '--no-index', '--no-build-isolation'];
      run(builder, ['-m', 'pip', '--python', python, ...install, join(folder, 'dist', archive)], folder);
      const program =
        'import bridged_state, bridged_state.sync, os; folder = os.path.dirname(bridged_state.__file__); ' +
        'assert os.path.exists(os.path.join(folder, "py.typed")); print(folder, bridged_state.SessionContext.__name__)';
      const said = run(python, ['-c', program], folder);
      assert.ok(said.startsWith(environment) && said.trim().endsWith('SessionContext'), said);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
