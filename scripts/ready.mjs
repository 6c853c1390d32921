// Makes a checkout ready to run: dependencies, generated code, compiled code. Does only what is missing or out of date,
// says each thing that it does in one line on stderr, and costs a few milliseconds when there is nothing to do.
//   --no-compile  dependencies and generated code only        --clean  removes dist first
//   --clean-src   removes what is packed first, dist/src: the tests and the bench are compiled again only where that made a difference

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (path) => join(root, path);

const compiledFolders = ['src', 'test', 'bench'];
const generatedFolder = 'src/shared/wire/gen';
// Beside what they vouch for, so that removing node_modules or dist removes the stamp too.
const installStamp = at('node_modules/.bridged-state-installed');
const generateStamp = at(`${generatedFolder}/.stamp`);
const compileStamp = at('dist/.build/stamp');
const lockFile = at('.bridged-state-ready.lock');

function main() {
  const options = new Set(process.argv.slice(2));
  for (const option of options) {
    if (!['--clean', '--clean-src', '--no-compile'].includes(option))
      fail(`unknown option ${option}: use --clean, --clean-src or --no-compile`);
  }
  const release = takeLock();
  try {
    install();
    generate();
    if (options.has('--clean')) {
      say('removing dist');
      rmSync(at('dist'), { recursive: true, force: true });
    }
    if (options.has('--clean-src')) removeSources();
    if (!options.has('--no-compile')) compile();
  } finally {
    release();
  }
}

function install() {
  const wanted = hash(readFileSync(at('package-lock.json')));
  if (readStamp(installStamp) === wanted) return;
  if (!isInstalledByHand()) {
    say('installing dependencies (npm ci)');
    // A shell only where npm is a .cmd file, which cannot be started without one.
    run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], { shell: process.platform === 'win32' });
  }
  writeFileSync(installStamp, wanted);
}

/** Whether node_modules is what the lockfile says, as after an `npm install` that did not come through here. */
function isInstalledByHand() {
  const installedFile = at('node_modules/.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const locked = JSON.parse(readFileSync(at('package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  return Object.entries(locked).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true;
    const found = installed[path];
    if (found === undefined) return optional === true;
    return found.version === version && found.integrity === integrity && existsSync(at(path));
  });
}

function generate() {
  const wanted = hash(
    readFileSync(at('proto/bridge.proto')),
    readFileSync(at('scripts/generate.mjs')),
    readStamp(installStamp),
  );
  const outputs = ['bridge.js', 'bridge.d.ts'];
  if (readStamp(generateStamp) === wanted && outputs.every((file) => existsSync(at(`${generatedFolder}/${file}`))))
    return;
  say('generating the protobuf code');
  run(process.execPath, [at('scripts/generate.mjs')]);
  writeFileSync(generateStamp, wanted);
}

function compile() {
  const sources = compiledFolders.flatMap((folder) => filesBelow(folder)).filter((path) => /\.(c?ts|json)$/.test(path));
  const settings = readdirSync(root).filter((name) => /^(tsconfig.*|package-lock)\.json$/.test(name));
  // Times, not only contents: a file that was changed, compiled by hand and changed back has left its output behind.
  const wanted = hash(...[...sources, ...settings].map((path) => `${path} ${fingerprint(path)}\n`));
  const outputs = sources.flatMap(outputsOf);
  const isComplete = () => outputs.every((path) => existsSync(at(path)));
  if (readStamp(compileStamp) === wanted && isComplete()) return;

  rmSync(compileStamp, { force: true });
  removeOrphans(new Set(outputs));
  copyGenerated(sources);
  say('compiling (tsc -b)');
  tsc();
  if (!isComplete()) {
    // tsc trusts its build info and does not look whether the outputs are still there.
    say('compiling again, because outputs were missing');
    rmSync(at('dist/.build'), { recursive: true, force: true });
    tsc();
  }
  mkdirSync(dirname(compileStamp), { recursive: true });
  writeFileSync(compileStamp, wanted);
}

/** Of src what was compiled, and what tsc knows of it. */
function removeSources() {
  say('removing dist/src');
  rmSync(at('dist/src'), { recursive: true, force: true });
  rmSync(compileStamp, { force: true });
  for (const path of filesBelow('dist/.build')) {
    if (!/\/(test|bench)\.tsbuildinfo$/.test(path)) rmSync(at(path));
  }
}

function tsc() {
  run(process.execPath, [at('node_modules/typescript/bin/tsc'), '-b', root]);
}

function outputsOf(source) {
  if (source.startsWith(generatedFolder)) return [`dist/${source}`, `dist/${source.replace(/\.d\.ts$/, '.js')}`];
  const kind = /(?<!\.d)\.(c?)ts$/.exec(source);
  if (kind === null) return [];
  const [extension, c] = kind;
  return [`.${c}js`, `.d.${c}ts`, `.${c}js.map`].map((ending) => `dist/${source.slice(0, -extension.length)}${ending}`);
}

/** Outputs of deleted sources would still be run (tests) or packed, and tsc leaves them. */
function removeOrphans(outputs) {
  for (const folder of compiledFolders) {
    for (const path of filesBelow(`dist/${folder}`)) {
      if (!outputs.has(path)) {
        say(`removing ${path}, its source is gone`);
        rmSync(at(path));
      }
    }
  }
}

/** tsc copies no .js or .d.ts sources. */
function copyGenerated(sources) {
  for (const source of sources.filter((path) => path.startsWith(generatedFolder) && path.endsWith('.d.ts'))) {
    for (const path of [source, source.replace(/\.d\.ts$/, '.js')]) {
      mkdirSync(dirname(at(`dist/${path}`)), { recursive: true });
      writeFileSync(at(`dist/${path}`), readFileSync(at(path)));
    }
  }
}

function filesBelow(folder) {
  if (!existsSync(at(folder))) return [];
  return readdirSync(at(folder), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`]));
}

function fingerprint(path) {
  const { size, mtimeMs } = statSync(at(path));
  return `${size} ${mtimeMs}`;
}

/** One at a time in a checkout: two compilers would write the same files. A lock whose owner is gone is taken over. */
function takeLock() {
  const deadlineMs = Date.now() + 300_000;
  for (let isTold = false; ; isTold = true) {
    try {
      writeFileSync(lockFile, String(process.pid), { flag: 'wx' });
      return () => rmSync(lockFile, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const owner = Number(readStamp(lockFile));
    if (owner > 0 && !isRunning(owner)) rmSync(lockFile, { force: true });
    else if (Date.now() > deadlineMs)
      fail(`process ${owner} has held ${lockFile} for 5 minutes: remove it if that is wrong`);
    else {
      if (!isTold) say(`waiting for process ${owner}, which is doing the same`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function readStamp(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return '';
    throw error;
  }
}

function hash(...parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part);
  return sum.digest('hex');
}

/** stdout belongs to the command that runs after this one. */
function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  if (error) throw new Error(`${command} cannot be started`, { cause: error });
  if (status !== 0) throw new StepFailed(status ?? 1);
}

class StepFailed extends Error {
  constructor(exitCode) {
    super('a step failed and has said why');
    this.exitCode = exitCode;
  }
}

function say(sentence) {
  process.stderr.write(`ready: ${sentence}\n`);
}

function fail(sentence) {
  say(sentence);
  process.exit(2);
}

try {
  main();
} catch (error) {
  if (!(error instanceof StepFailed)) throw error;
  process.exitCode = error.exitCode;
}
