/** The recipes of docs/bundling.md: built with esbuild as they stand there, and run against a server, with a worker. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BridgeServer } from '../../src/server/index.js';
import { startBridgeServer } from '../../src/server/index.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const run = promisify(execFile);

const APP = `
import { BridgedState } from 'bridged-state';
const [endpoint, workers, workerUrl] = process.argv.slice(2);
try {
  const state = await BridgedState.open({ endpoint, workers: Number(workers), ...(workerUrl ? { workerUrl } : {}) });
  const name = 'v' + process.pid;
  await state.registerVariable(name, 'integer', 1);
  const heard = new Promise((resolve) => void state.watchVariables(name, (_, old, value) => resolve([old, value])).then(() => state.setVariable(name, 2n ** 60n)));
  console.log(String(await heard), state.workers);
  await state.close();
} catch (error) {
  console.log(error.code + ': ' + error.message);
}
`;

function recipe(name: string): string {
  const page = readFileSync(join(root, 'docs/bundling.md'), 'utf8');
  const [, block] = new RegExp(`<!-- recipe: ${name} -->\n\n((?:    .*\n|\n)+)`).exec(page) ?? [];
  assert.ok(block !== undefined, `docs/bundling.md has no recipe ${name}`);
  return block.replace(/^ {4}/gm, '');
}

describe('a bundle', () => {
  let server: BridgeServer;
  let folder: string;
  let beside: Promise<string> | undefined;

  before(async () => {
    server = await startBridgeServer({ port: 0 });
    folder = mkdtempSync(join(tmpdir(), 'bridged-state-bundling-'));
  });

  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function build(name: string): Promise<string> {
    const project = join(folder, name);
    mkdirSync(join(project, 'node_modules'), { recursive: true });
    symlinkSync(root, join(project, 'node_modules/bridged-state'));
    symlinkSync(join(root, 'node_modules/esbuild'), join(project, 'node_modules/esbuild'));
    writeFileSync(join(project, 'app.js'), APP);
    writeFileSync(join(project, 'build.mjs'), recipe(name));
    await run(process.execPath, ['build.mjs'], { cwd: project });
    return project;
  }

  /** Once, for whichever test is first. */
  function buildBeside(): Promise<string> {
    beside ??= build('beside');
    return beside;
  }

  /** In a folder where nothing can be found by chance. */
  function alone(project: string, ...without: string[]): string {
    const place = mkdtempSync(join(folder, 'alone-'));
    cpSync(join(project, 'out'), place, { recursive: true });
    for (const file of without) rmSync(join(place, file));
    return place;
  }

  async function say(file: string, ...args: string[]): Promise<string> {
    const { stdout, stderr } = await run(process.execPath, [file, `127.0.0.1:${server.port}`, ...args], {
      timeout: 30_000,
    });
    assert.equal(stderr, '');
    return stdout.trim();
  }

  test('that leaves the library out runs with a worker of the package', async () => {
    const project = await build('external');
    assert.equal(await say(join(project, 'out/app.mjs'), '1'), '1,1152921504606846976 1');
  });

  test('of everything runs without node_modules, with a worker, without, and with a worker file elsewhere', async () => {
    const project = await buildBeside();
    const place = alone(project);
    assert.deepEqual(readdirSync(place).sort(), ['app.js', 'bridged-state-worker.js', 'package.json', 'worker.js']);
    assert.equal(await say(join(place, 'app.js'), '1'), '1,1152921504606846976 1');
    assert.equal(await say(join(place, 'app.js'), '0'), '1,1152921504606846976 0');
    const elsewhere = alone(project, 'bridged-state-worker.js');
    const given = join(place, 'bridged-state-worker.js');
    assert.equal(await say(join(elsewhere, 'app.js'), '1', given), '1,1152921504606846976 1');
  });

  test('without a file of the recipe is told which, in one sentence', async () => {
    const project = await buildBeside();
    const missing = await say(join(alone(project, 'bridged-state-worker.js'), 'app.js'), '1');
    assert.match(
      missing,
      /^WORKER_FAILED: the workers' code is not there: \S+bridged-state-worker\.js: .*docs\/bundling\.md/,
    );
    const noStarter = await say(join(alone(project, 'worker.js'), 'app.js'), '1');
    assert.match(noStarter, /^WORKER_FAILED: the workers' code is not there: \S+\/worker\.js: /);
    const wrong = await say(join(alone(project), 'app.js'), '1', '/nowhere/worker.mjs');
    assert.match(wrong, /^WORKER_FAILED: the workers' code is not there: \/nowhere\/worker\.mjs/);
    assert.match(
      await say(join(alone(project), 'app.js'), '1', 'worker.mjs'),
      /^INVALID_OPTIONS: workerUrl: give the file URL/,
    );
  });
});
