/**
 * Every command with its arguments, options and example. What a command does is in the file of its name, loaded only when it runs:
 * `get` shall not wait for a server, a logger and a live table to be read from disk.
 */
import { readFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { VARIABLE_TYPES } from '../shared/values/variable-type.js';
import type { BackupCommandOptions, RestoreCommandOptions } from './backup.js';
import type { ClientOptions } from './client.js';
import type { DemoCommandOptions } from './demo/demo.js';
import type { HistoryCommandOptions } from './history.js';
import type { Output } from './output.js';
import type { RegisterCommandOptions } from './register.js';
import type { ServeCommandOptions } from './serve.js';
import type { SetCommandOptions } from './set.js';
import type { TopCommandOptions } from './top.js';
import { oneLine } from './usage-error.js';
import type { WatchCommandOptions } from './watch.js';

/** @throws CommanderError after help, version or wrong use, which have been printed; and what the command throws */
export async function runCommand(args: readonly string[], output: Output, stderr: Writable): Promise<void> {
  await makeProgram(output, stderr).parseAsync([...args], { from: 'user' });
}

function makeProgram(output: Output, stderr: Writable): Command {
  const program = new Command('bridged-state')
    .description('Typed, versioned variables watched across processes: a bridge server and its client.')
    .version(readVersion(), '-V, --version')
    .exitOverride()
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => output.line(text.trimEnd()),
      writeErr: (text) => stderr.write(text),
      outputError: (text, write) => write(`${errorLine(text)}\n`),
    })
    .addHelpText(
      'after',
      example(
        'bridged-state demo',
        'bridged-state serve',
        'bridged-state register temperature float 21.5',
        'bridged-state watch temperature',
        'bridged-state set temperature 22',
      ),
    );
  addServerCommands(program, output);
  addClientCommands(program, output);
  return program;
}

function addServerCommands(program: Command, output: Output): void {
  command(program, 'serve', 'start a bridge server; prints one JSON line when it accepts', [
    'bridged-state serve --port 0 --admin-port 9464',
    'bridged-state serve --engine sqlite:./data',
    'bridged-state serve --engine redis://127.0.0.1:6379',
    'bridged-state serve --engine redis+sentinel://10.0.0.1,10.0.0.2,10.0.0.3/mymaster',
  ])
    .option('--host <HOST>', 'address to listen on; 0.0.0.0 for all', '127.0.0.1')
    .option('--port <N>', 'port; 0 picks one', wholeNumber(0, LAST_PORT), 50_051)
    .option(
      '--engine <ENGINE>',
      'what keeps the state: memory, sqlite:DIR to outlive the server, redis://[USER:PASSWORD@]HOST:PORT[/PREFIX] redis+sentinel://[USER:PASSWORD@]HOST:PORT,…/NAME[/PREFIX] or redis+cluster://HOST:PORT,… to share it with others',
      'memory',
    )
    .addOption(
      new Option(
        '--durability <WHEN>',
        'of sqlite: answer when it is on the disk (fsync), or when the system has it (os) (default: fsync)',
      ).choices(['fsync', 'os']),
    )
    .addOption(
      new Option(
        '--ack <WHO>',
        'of redis: answer when the primary has it, a replica too, or its disk (default: replica where there is one, else primary)',
      ).choices(['primary', 'replica', 'disk']),
    )
    .option(
      '--behind-ms <MS>',
      'of redis: how long it may be away until calls fail (default: 5000)',
      wholeNumber(100, 600_000),
    )
    .option(
      '--advertise <HOST:PORT>',
      'of redis: where clients reach this server; all servers tell it to theirs, who go on there when another fails',
    )
    .option(
      '--admin-port <N>',
      'HTTP port for /metrics, /healthz, /readyz, /sessions; 0 picks one',
      wholeNumber(0, LAST_PORT),
    )
    .option('--heartbeat-ms <N>', 'silence on a watch before a heartbeat (default: 30000)', wholeNumber(100, LAST_MS))
    .addOption(
      new Option('--log-level <LEVEL>', 'of the log on stderr, which is JSON lines')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .addOption(
      new Option('--token <TOKENS...>', 'tokens that open it (default: open to all who reach the port)')
        .env(TOKEN_VARIABLE)
        .argParser((token: string, before: readonly string[] = []) => [...before, nonEmpty(token)]),
    )
    .option('--tokens <FILE>', 'file of tokens: a line each, TOKEN [SESSION-PATTERN...], or a JSON list')
    .option('--tls-cert <FILE>', 'PEM certificate of this server: encrypts')
    .option('--tls-key <FILE>', 'PEM key of that certificate')
    .option('--tls-ca <FILE>', 'PEM authorities that clients need a certificate of')
    .addOption(new Option('--with-parent').hideHelp())
    .action(async (options: ServeCommandOptions) => (await import('./serve.js')).serve(options, output));

  command(program, 'demo', 'see it work: a server, a writer and a watching process, with a live table', [
    'bridged-state demo',
    'bridged-state demo --seconds 10 --rate 20000 --workers 2 --json',
  ])
    .option('--seconds <N>', 'end after so long (default: Ctrl-C, or 10 s without a terminal)', positiveNumber)
    .option('--watches <N>', 'variables, each with a watch of its own', wholeNumber(1, 100_000), 2_000)
    .option('--rate <N>', 'sets a second, over all variables', wholeNumber(1, 1_000_000), 5_000)
    .option('--workers <N>', 'worker threads of the watching process (default: cores - 1)', wholeNumber(0, 64))
    .option(
      '--engine <ENGINE>',
      'memory, sqlite (in a folder of its own), sqlite:DIR, redis (starts one), or its address: then a server is killed midway',
      'memory',
    )
    .option(
      '--servers <N>',
      'with redis: 2 is one for the writer and one for the watching process',
      wholeNumber(1, 2),
      1,
    )
    .option('--json', 'end with one JSON line on stdout; the table goes to stderr')
    .action(async (options: DemoCommandOptions) => (await import('./demo/demo.js')).demo(options, output));

  command(program, 'top', 'live view of a server that was started with --admin-port', [
    'bridged-state serve --admin-port 9464 &',
    'bridged-state top --admin 127.0.0.1:9464',
  ])
    .option('--admin <H:P>', 'its admin port', hostAndPort, '127.0.0.1:9464')
    .option('--seconds <N>', 'end after so long (default: Ctrl-C)', positiveNumber)
    .option('--json', 'one JSON line a second')
    .action(async (options: TopCommandOptions) => (await import('./top.js')).top(options, output));

  command(program, 'backup', 'copy what a server over sqlite keeps, while it runs', [
    'bridged-state backup state-monday.sqlite --admin 127.0.0.1:9464',
  ])
    .argument('<FILE>', 'file to write')
    .option('--admin <H:P>', 'its admin port', hostAndPort, '127.0.0.1:9464')
    .action(async (file: string, options: BackupCommandOptions) =>
      (await import('./backup.js')).backup(file, options, output),
    );

  command(program, 'restore', 'make a folder of a backup; watches of it are told resync', [
    'bridged-state restore state-monday.sqlite --engine sqlite:./data',
  ])
    .argument('<FILE>', 'what backup wrote')
    .requiredOption('--engine <ENGINE>', 'sqlite:DIR, a folder that holds no state')
    .action(async (file: string, options: RestoreCommandOptions) =>
      (await import('./backup.js')).restore(file, options, output),
    );

  for (const role of ['demo-writer', 'demo-watcher'] as const) {
    program.command(role, { hidden: true }).action(async () => {
      if (role === 'demo-writer') await (await import('./demo/demo-writer.js')).demoWriter();
      else await (await import('./demo/demo-watcher.js')).demoWatcher();
    });
  }
}

function addClientCommands(program: Command, output: Output): void {
  clientCommand(program, 'register', 'make a variable; prints its id', [
    'bridged-state register temperature float 21.5 --constraints \'{"min": -40, "max": 85}\'',
    'bridged-state register mode choice eco --constraints \'{"choices": ["eco", "boost"]}\'',
  ])
    .argument('<NAME>', 'name of the variable')
    .addArgument(new Argument('<TYPE>', 'what it holds').choices(VARIABLE_TYPES))
    .argument('<VALUE>', VALUE_HELP)
    .option('--constraints <JSON>', 'what values have to meet')
    .action(async (name: string, type: string, value: string, options: RegisterCommandOptions) =>
      (await import('./register.js')).register(name, type, value, options, output),
    );

  clientCommand(program, 'get', 'print values: one alone, several as NAME VALUE, with --json one object', [
    'bridged-state get temperature',
    'bridged-state get temperature mode --json',
  ])
    .argument('<NAMES...>', 'names or ids')
    .action(async (names: string[], options: ClientOptions) => (await import('./get.js')).get(names, options, output));

  clientCommand(program, 'set', 'set a variable; prints its version', [
    'bridged-state set temperature 22',
    'bridged-state set label -- -25%',
    'bridged-state set limits \'{"low": 1, "high": 12345678901234567890}\' --expected-version 3',
  ])
    .argument('<NAME>', 'name or id')
    .argument('<VALUE>', VALUE_HELP)
    .option('--expected-version <N>', 'set only if it is at this version', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option('--source <S>', 'who sets; watchers see it')
    .action(async (name: string, value: string, options: SetCommandOptions) =>
      (await import('./set.js')).set(name, value, options, output),
    );

  clientCommand(program, 'delete', 'delete a variable', ['bridged-state delete temperature'])
    .argument('<NAME>', 'name or id')
    .action(async (name: string, options: ClientOptions) =>
      (await import('./delete.js')).deleteVariable(name, options, output),
    );

  clientCommand(program, 'list', 'print the variables of the session', ["bridged-state list 'sensor.*'"])
    .argument('[PATTERN]', '* stands for any characters, ? for one (default: all)')
    .action(async (pattern: string | undefined, options: ClientOptions) =>
      (await import('./list.js')).list(pattern, options, output),
    );

  clientCommand(program, 'history', 'print the versions that are kept, oldest first', [
    'bridged-state history temperature --limit 5',
  ])
    .argument('<NAME>', 'name or id')
    .option('--limit <N>', 'the newest N of them (default: all)', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .action(async (name: string, options: HistoryCommandOptions) =>
      (await import('./history.js')).history(name, options, output),
    );

  clientCommand(program, 'rollback', "set an earlier version's value again; prints the new version", [
    'bridged-state rollback temperature 3',
  ])
    .argument('<NAME>', 'name or id')
    .argument('<VERSION>', 'version whose value it gets', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .action(async (name: string, version: number, options: ClientOptions) =>
      (await import('./rollback.js')).rollback(name, version, options, output),
    );

  clientCommand(program, 'watch', 'print every update as it comes', [
    'bridged-state watch temperature mode',
    "bridged-state watch 'sensor.*' --json --count 10",
  ])
    .argument('<NAMES...>', 'names, ids, or patterns with * and ?, also for variables that come later')
    .option('--count <N>', 'end after N updates', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option('--include-initial', 'begin with the present values')
    .addOption(
      new Option('--transport <KIND>', 'how updates travel').choices(['auto', 'link', 'stream']).default('auto'),
    )
    .addHelpText('after', WATCH_HELP)
    .action(async (names: string[], options: WatchCommandOptions) =>
      (await import('./watch.js')).watch(names, options, output),
    );
}

function clientCommand(program: Command, name: string, description: string, examples: readonly string[]): Command {
  return command(program, name, description, examples)
    .option('--endpoint <H:P>', 'the server', hostAndPort, '127.0.0.1:50051')
    .option('--session <S>', 'the session; made when it is not there', nonEmpty, 'default')
    .addOption(new Option('--token <T>', 'what opens the server, if it asks').env(TOKEN_VARIABLE).argParser(nonEmpty))
    .option('--tls', "encrypt, and trust the system's authorities")
    .option('--tls-ca <FILE>', 'encrypt, and trust the PEM authorities of this file')
    .option('--tls-cert <FILE>', 'PEM certificate that the server asks for')
    .option('--tls-key <FILE>', 'PEM key of that certificate')
    .option('--json', 'print JSON');
}

function command(program: Command, name: string, description: string, examples: readonly string[]): Command {
  return program
    .command(name)
    .description(description)
    .addHelpText('after', example(...examples));
}

function example(...lines: string[]): string {
  return `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}

/** Commander's sentence in one line, with a way on where it names none. */
function errorLine(text: string): string {
  const sentence = oneLine(text)
    .replace(/^error: /, '')
    .replace(/\.$/, '');
  return `bridged-state: ${sentence}${/\(Did you mean/.test(sentence) ? '' : ': see --help'}`;
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= least && number <= most) return number;
    const range = most === Number.MAX_SAFE_INTEGER ? `from ${least}` : `from ${least} to ${most}`;
    throw new InvalidArgumentError(`Give a whole number ${range}`);
  };
}

function positiveNumber(text: string): number {
  const number = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && number > 0 && number <= LAST_SECOND) return number;
  throw new InvalidArgumentError(`Give a number above 0, up to ${LAST_SECOND}`);
}

function hostAndPort(text: string): string {
  if (/^(?:[^\s:]+|\[[0-9a-fA-F:.]+\]):\d{1,5}$/.test(text) || /^unix:.+/.test(text)) return text;
  throw new InvalidArgumentError('Give HOST:PORT, such as 127.0.0.1:50051');
}

function nonEmpty(text: string): string {
  if (text !== '') return text;
  throw new InvalidArgumentError('Give at least one character');
}

function readVersion(): string {
  // dist/src/cli -> the package.
  const packageJson = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(packageJson) as { version: string }).version;
}

const LAST_PORT = 65_535;
const LAST_MS = 2 ** 31 - 1;
const LAST_SECOND = 2_000_000;

/** So that a token need not stand in the list of processes. */
const TOKEN_VARIABLE = 'BRIDGED_STATE_TOKEN';

const VALUE_HELP =
  'JSON; for string, choice and module any other text stands for itself (after -- if it begins with -)';

const WATCH_HELP = `
With --json the first line is {"event":"ready","ref":…}: a set made after it is seen. Then a line per update:
  {"identifier","old","new","version","missed","initial","resync","deleted","source","timestamp","receivedAtNs"}
timestamp is ms since 1970 by the server's clock, receivedAtNs is CLOCK_MONOTONIC of this machine in ns.
Of a variable that comes later and matches a pattern the first line has its present value, with "initial":true.`;
