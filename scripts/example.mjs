// Runs one of examples/: starts a bridge server at a free port and the example's programs, each a process of its own, and
// ends when they have ended; one that fails, Ctrl-C or SIGTERM ends the others, by SIGTERM and five seconds later by SIGKILL.
// Exit code 0 when all ended with 0, else that of the first that failed; 2 wrong use, 3 Python or its packages are missing.
//   npm run example -- NAME [options]   the options go to each program; without a name the examples are listed
// PYTHON names the interpreter of programs in Python, where it is not the system's.
// What the programs are is in NAME/example.json: their files, in the order of their start, and how many seconds they may take.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const examples = join(root, 'examples');
const pythonNeeds = 'Python 3.9 or newer with gRPC and protobuf: apt-get install python3-grpcio python3-protobuf';
const graceMs = 5_000;
// The terminal's Ctrl-C comes to this process alone, which passes it on: else programs get it twice, and the server before them.
const ownGroup = process.platform !== 'win32';

const [name, ...options] = process.argv.slice(2);
const children = [];
let isEnding = false;
let isStopping = false;
// The exit code of the first that failed.
let failure;
process.exitCode = await main();

async function main() {
  const known = readdirSync(examples).filter((folder) => existsSync(join(examples, folder, 'example.json')));
  if (name === undefined || !known.includes(name)) {
    const what = name === undefined ? 'give the name of an example' : `there is no example ${name}`;
    process.stderr.write(`example: ${what}: npm run example -- ${known.join(' | ')}\n`);
    return 2;
  }
  const { programs, seconds } = JSON.parse(readFileSync(join(examples, name, 'example.json'), 'utf8'));
  const python = programs.some((program) => program.endsWith('.py')) ? findPython() : undefined;
  if (python === null) {
    process.stderr.write(
      `example: ${name} needs ${pythonNeeds} (tried ${interpreters().join(', ')}; PYTHON names another)\n`,
    );
    return 3;
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end());
  const deadline = seconds > 0 ? setTimeout(() => giveUp(seconds), seconds * 1_000) : undefined;
  try {
    const { server, endpoint } = await startServer();
    const width = Math.max(...programs.map((program) => program.length));
    // Ctrl-C may have come before there was anything to end.
    if (!isEnding) await Promise.all(programs.map((program) => run(program, endpoint, python, width)));
    await stop(server);
    return failure ?? 0;
  } catch (error) {
    process.stderr.write(`example: ${error.message}\n`);
    return 1;
  } finally {
    clearTimeout(deadline);
    for (const child of children) if (isRunning(child)) child.kill('SIGKILL');
  }
}

async function startServer() {
  const cli = join(root, 'dist/src/cli/main.js');
  const server = spawn(process.execPath, [cli, 'serve', '--port', '0', '--log-level', 'warn'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: ownGroup,
  });
  children.push(server);
  const ended = once(server, 'exit').then(([code, signal]) => {
    throw new Error(`the bridge server ended with ${code ?? signal} before it listened`);
  });
  ended.catch(() => undefined);
  const [line] = await Promise.race([once(createInterface({ input: server.stdout }), 'line'), ended]);
  server.once('exit', (code, signal) => {
    if (!isStopping) fail('the bridge server', code, signal);
  });
  return { server, endpoint: `127.0.0.1:${JSON.parse(line).port}` };
}

/** Resolves when the program has ended. Its lines go out behind its name. */
async function run(program, endpoint, python, width) {
  const command = program.endsWith('.py') ? [python, '-u'] : [process.execPath];
  const [interpreter, ...flags] = command;
  const path = [join(root, 'python'), process.env.PYTHONPATH ?? ''].filter((folder) => folder !== '').join(delimiter);
  const child = spawn(interpreter, [...flags, join(examples, name, program), '--endpoint', endpoint, ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: '1' },
    detached: ownGroup,
  });
  children.push(child);
  const label = programLabel(program, width);
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ]) {
    createInterface({ input: from }).on('line', (line) => to.write(`${label}${line}\n`));
  }
  const [code, signal] = await once(child, 'close');
  // What ended because it was asked to is no failure.
  if (code !== 0 && !(isEnding && signal !== null)) fail(program, code, signal);
}

/** One has failed, so the others are asked to end. */
function fail(what, code, signal) {
  process.stderr.write(`example: ${what} ended with ${code ?? signal}\n`);
  failure ??= code || 1;
  end();
}

function programLabel(program, width) {
  return `${program.replace(/\.\w+$/, '').padEnd(width - 2)}`;
}

function giveUp(seconds) {
  process.stderr.write(`example: ${name} did not end within ${seconds} s\n`);
  failure ??= 1;
  // Said already why they end.
  isEnding = isStopping = true;
  for (const child of children) child.kill('SIGKILL');
}

/** Asks the programs to end; the server, the first of the children, goes when they have gone. */
function end() {
  if (isEnding) return;
  isEnding = true;
  const endAll = (signal) => {
    for (const child of children.slice(1)) if (isRunning(child)) child.kill(signal);
  };
  endAll('SIGTERM');
  setTimeout(endAll, graceMs, 'SIGKILL').unref();
}

async function stop(server) {
  isStopping = true;
  if (!isRunning(server)) return;
  const exit = once(server, 'exit');
  server.kill('SIGTERM');
  await exit;
}

function isRunning(child) {
  return child.exitCode === null && child.signalCode === null;
}

/** Null where it or what it needs is missing. */
function findPython() {
  // Looked for, not imported: that takes half a second, and each program does it again.
  const needed =
    'import sys, importlib.util as u; sys.exit(sys.version_info < (3, 9) or not all(map(u.find_spec, ["grpc", "google.protobuf"])))';
  const has = (interpreter) => spawnSync(interpreter, ['-c', needed], { stdio: 'ignore' }).status === 0;
  return interpreters().find(has) ?? null;
}

function interpreters() {
  // The system's own first: a python3 that comes earlier on the PATH may lack the packages.
  return process.env.PYTHON ? [process.env.PYTHON] : ['/usr/bin/python3', 'python3'];
}
