// Prints what the code knows into docs/options.md, docs/errors.md and docs/api.md, and by python/scripts/print_api.py into docs/api-python.md, between the marks `<!-- printed: NAME -->`
// and `<!-- end of NAME -->`; what stands outside them is written by hand. Reads dist: run `npm run build` first.
//   --check  changes nothing, and fails where a page is not what would be printed

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const fromDist = (path) => import(new URL(`../dist/src/${path}`, import.meta.url).href);
const declarations = (path) => readFileSync(join(root, 'dist/src', path), 'utf8');

async function main() {
  const options = process.argv.slice(2);
  for (const option of options) if (option !== '--check') throw new WrongDocs(`unknown option ${option}: use --check`);
  const printed = { ...(await optionTables()), ...(await errorTables()), ...apiPages() };
  const unused = new Set(Object.keys(printed));
  const stale = [];
  for (const page of ['docs/options.md', 'docs/errors.md', 'docs/api.md']) {
    const before = readFileSync(join(root, page), 'utf8');
    const after = fill(page, before, printed, unused);
    if (after === before) continue;
    stale.push(page);
    if (!options.includes('--check')) writeFileSync(join(root, page), after);
  }
  if (unused.size > 0) throw new WrongDocs(`no page has a place for ${[...unused].join(', ')}`);
  printPython(options);
  if (stale.length === 0) return;
  if (options.includes('--check')) {
    throw new WrongDocs(`${stale.join(', ')}: not what the code says now: run node scripts/print-docs.mjs`);
  }
  process.stdout.write(`printed ${stale.join(', ')}\n`);
}

/** Any Python of 3.9 or later: it reads the sources as syntax, and imports nothing. */
function printPython(options) {
  const python = ['/usr/bin/python3', 'python3'].find((command) => spawnSync(command, ['-V']).status === 0);
  if (python === undefined) {
    const remedy = 'docs/api-python.md needs python3: apt-get install python3';
    if (process.env.CI === 'true') throw new WrongDocs(remedy);
    process.stderr.write(`print-docs: left alone: ${remedy}\n`);
    return;
  }
  const script = join(root, 'python/scripts/print_api.py');
  const { status, stdout, stderr } = spawnSync(python, ['-B', script, ...options], { encoding: 'utf8' });
  if (status !== 0) throw new WrongDocs(stderr.trim());
  process.stdout.write(stdout);
}

function fill(page, text, printed, unused) {
  return text.replace(/(<!-- printed: (\S+) -->\n)[\s\S]*?(<!-- end of \2 -->)/g, (_, begin, name, end) => {
    if (printed[name] === undefined) throw new WrongDocs(`${page} asks for ${name}, which nobody prints`);
    unused.delete(name);
    return `${begin}\n${printed[name].trim()}\n\n${end}`;
  });
}

// --- options

async function optionTables() {
  const { StateOptionsSchema, PoolOptionsSchema, WatchOptionsSchema } = await fromDist('shared/options.js');
  const bridged = membersOf(declarationOf('main/bridged-state.d.ts', 'BridgedStateOptions'));
  return {
    'state-options': optionTable([
      ...rowsOf(StateOptionsSchema),
      ...bridged.map(({ name, doc }) => ({ name, what: doc, default: '', range: 'object' })),
    ]),
    'pool-options': optionTable(rowsOf(PoolOptionsSchema)),
    'watch-options': optionTable(rowsOf(WatchOptionsSchema)),
    'server-options': optionTable(await serverRows()),
    'local-options': optionTable(
      membersOf(declarationOf('main/local-state.d.ts', 'LocalStateOptions')).map(documentedRow),
    ),
  };
}

function optionTable(rows) {
  const lines = rows.map((row) => [code(row.name), row.what, row.default, row.range]);
  return table(['option', 'what', 'default', 'range'], lines);
}

/** A row for each option of a valibot object; those of an object inside follow it, with its name before theirs. */
function rowsOf(schema, prefix = '') {
  return Object.entries(schema.entries).flatMap(([key, entry]) => {
    const name = `${prefix}${key}`;
    const kind = partsOf(entry.wrapped ?? entry);
    const inner = kind.schema.type === 'union' ? kind.schema.options.map(partsOf).find(isObject) : kind;
    const { what, documented } = splitDoc(kind.description ?? DESCRIBED_HERE[key] ?? '');
    const row = {
      name,
      what,
      default: isObject(inner) && isEmptyObject(entry.default) ? '' : defaultText(entry.default, documented),
      range: rangeText(kind),
    };
    if (what === '') throw new WrongDocs(`option ${name} has no description in its schema`);
    return isObject(inner) ? [row, ...rowsOf(inner.schema, `${name}.`)] : [row];
  });
}

/** Options whose schema is used twice and described at one of the places. */
const DESCRIBED_HERE = { logger: 'Where the library says what it did.' };

/** The schema at the bottom of pipes and optionals, the actions on the way, and the description nearest to the top. */
function partsOf(schema) {
  if (schema.type === 'optional') return partsOf(schema.wrapped);
  if (schema.pipe === undefined) return { schema, actions: [], description: undefined };
  const [first, ...actions] = schema.pipe;
  const below = partsOf(first);
  const described = actions.find(({ type }) => type === 'description');
  return {
    schema: below.schema,
    actions: [...below.actions, ...actions],
    description: described?.description ?? below.description,
  };
}

const isObject = (kind) => kind?.schema.type === 'strict_object';
const isEmptyObject = (value) => typeof value === 'object' && value !== null && Object.keys(value).length === 0;

/** `documented`: what the description says where the schema has none. */
function defaultText(value, documented = '') {
  if (value === undefined) return documented;
  if (typeof value === 'function') return 'silent';
  return typeof value === 'number' ? numberText(value) : code(String(value));
}

function rangeText({ schema, actions }) {
  switch (schema.type) {
    case 'number': {
      const bound = (type) => actions.find((action) => action.type === type)?.requirement;
      const [least, most] = [bound('min_value'), bound('max_value')].map(numberText);
      return `${actions.some(({ type }) => type === 'integer') ? '' : 'fraction, '}${least} to ${most}`;
    }
    case 'picklist':
      return schema.options.map(code).join(' ');
    case 'literal':
      return code(schema.literal);
    case 'union':
      return [...new Set(schema.options.map((option) => rangeText(partsOf(option))))].join(' or ');
    case 'strict_object':
    case 'instance':
      return 'object';
    case 'boolean':
      return '`true` `false`';
    case 'string': {
      const most = actions.find(({ type }) => type === 'max_length')?.requirement;
      return most === undefined ? 'text' : `text of at most ${numberText(most)} characters`;
    }
    case 'array':
      return 'list';
    case 'custom':
      return customText(schema, actions);
    default:
      throw new WrongDocs(`a schema of type ${schema.type}: teach print-docs to say its range`);
  }
}

/** A check of our own says what it wants by its sentence. */
function customText(schema, actions) {
  if (actions.some(({ type }) => type === 'transform')) return 'condition';
  const [, wanted] = /^give an? (\w+)/.exec(String(schema.message)) ?? [];
  return wanted === 'Worker' ? 'object' : (wanted ?? 'object');
}

/** The server's schema has no descriptions: they are the comments of its interface, and the defaults what an empty object is parsed to. */
async function serverRows() {
  const { parseServerOptions } = await fromDist('server/server-options.js');
  const [parsed, again] = [parseServerOptions({}), parseServerOptions({})];
  const rows = membersOf(declarationOf('server/server-options.d.ts', 'BridgeServerOptions'));
  return rows.flatMap((member) => {
    const inner = /\{([\s\S]*)\}/.exec(member.text)?.[1];
    const nested = inner === undefined || member.name === 'tls' ? [] : membersOf(inner);
    return [
      serverRow(member.name, member.doc, parsed[member.name], again[member.name]),
      ...nested.map(({ name, doc }) => serverRow(`${member.name}.${name}`, doc, parsed[member.name][name])),
    ];
  });
}

function serverRow(name, doc, value, again = value) {
  const { what, documented, range } = splitDoc(doc);
  const isPlain = ['number', 'string', 'boolean'].includes(typeof value);
  if (typeof value === 'number' && Number(documented.replaceAll(',', '').split(' ')[0]) !== value) {
    throw new WrongDocs(`server option ${name}: its comment says default "${documented}", but it is ${value}`);
  }
  const isFresh = isPlain && value !== again;
  return { name, what, default: isPlain && !isFresh ? defaultText(value) : documented, range };
}

function documentedRow({ name, doc }) {
  const { what, documented, range } = splitDoc(doc === '' ? DESCRIBED_HERE[name] : doc);
  return { name, what, default: documented, range };
}

/** `Silence, ms, 100 to 200. Default 150. More.` as what it is, its default and its range. */
function splitDoc(doc) {
  const [, documented = ''] = /Default:? (.+?)(?:\.(?=\s|$)|; |$)/.exec(doc) ?? [];
  const [, range = ''] = /, ([\d^, -]+ to [\d^, -]+\d)(?!\d|,\d| of)/.exec(doc) ?? [];
  const without = doc.replace(/\.?\s*Default:? .+?(\.(?=\s|$)|; |$)/, (_, end) => (end.startsWith('.') ? '.' : '. '));
  const what = range === '' ? without : without.replace(`, ${range}`, '');
  return { what: what.replace(/\. ([a-z0-9])/g, (_, letter) => `. ${letter.toUpperCase()}`).trim(), documented, range };
}

// --- errors

async function errorTables() {
  const { ERROR_CLASSES } = await fromDist('shared/errors.js');
  const { STATUS, statusOfCode } = await fromDist('shared/wire/status.js');
  const statusName = (code) => Object.keys(STATUS).find((name) => STATUS[name] === statusOfCode(code));
  const source = 'shared/errors.d.ts';
  const rows = ERROR_CLASSES.map((errorClass) => {
    const { code: errorCode } = new errorClass('');
    const remedy = WHAT_TO_DO[errorCode];
    if (remedy === undefined) throw new WrongDocs(`${errorCode} is new: say in print-docs what to do about it`);
    const { doc } = declarationOf(source, errorClass.name);
    const travels = NEVER_ON_THE_WIRE.has(errorCode) ? 'never sent' : statusName(errorCode);
    return [code(errorClass.name), code(errorCode), travels, doc, remedy];
  });
  return { errors: table(['class', 'code', 'gRPC status', 'when', 'what to do'], rows) };
}

/** Made in the client's process, and staying there. */
const NEVER_ON_THE_WIRE = new Set([
  ...['INVALID_OPTIONS', 'PROTOCOL', 'CLOSED'],
  ...['BUFFER_OVERFLOW', 'WATCHER_FAILED', 'WORKER_FAILED'],
]);

const WHAT_TO_DO = {
  INVALID_NAME: 'Use another name.',
  INVALID_TYPE: 'Use one of the ten types, or the type that the variable has.',
  INVALID_VALUE: 'Convert the value yourself: nothing is converted for you.',
  INVALID_CONSTRAINT: 'Repair the constraints; the sentence names the key.',
  CONSTRAINT_VIOLATION: 'Give a value that the constraints allow; `getVariableInfo` shows them.',
  INVALID_OPTIONS: 'The sentence names the option and what it takes: [options.md](options.md).',
  INVALID_ARGUMENT: 'Repair the call.',
  VARIABLE_NOT_FOUND:
    "Register it first, or watch it with `missing: 'wait'`; `error.identifiers` names each missing one.",
  SESSION_NOT_FOUND: 'Call InitializeSession again. `BridgedState` does so by itself, once a call.',
  WATCH_NOT_FOUND: 'Nothing: it has ended already.',
  VERSION_NOT_FOUND: '`history` says which versions are kept.',
  ALREADY_EXISTS: 'Set it instead, or take what is there: `Variables.define` does.',
  VERSION_CONFLICT: 'Read the variable again, decide again, set again.',
  BATCH_REFUSED: 'Look at `error.details.refused`. Without `atomic` the others are set: `error.details.versions`.',
  QUOTA_EXCEEDED: 'Wait for your earlier calls, hold fewer, or raise the limit that the sentence names.',
  MESSAGE_TOO_LARGE: 'Split the value, or raise `maxMessageBytes` at both ends.',
  UNAUTHENTICATED: 'Give `token`, or the right one.',
  PERMISSION_DENIED:
    'Use the token of that session, or ask its operator. The server says it whether the session is there or not.',
  UNAVAILABLE: 'Start the server or check the endpoint. Running watches wait by themselves; a call may be made again.',
  DEADLINE_EXCEEDED: 'Try again; raise `limits.callTimeoutMs` or `limits.openTimeoutMs` if the server is just slow.',
  LOST_SETS: 'Set again what has to hold; `--ack replica` or `disk` lets nothing that is acknowledged be lost.',
  UNKNOWN_OUTCOME: 'Read the variable before you set it again, or set with `expectedVersion`.',
  PROTOCOL: 'Check that a bridge server is at the endpoint.',
  UNSUPPORTED: 'Do without, or use a server that has it.',
  CLOSED: 'Open another state or pool.',
  ABORTED: 'Nothing: you ended it, and `error.cause` is the reason of the signal. On the wire: resume by versions.',
  BUFFER_OVERFLOW: "Do less in the watcher, raise `bufferLimit`, or choose `overflow: 'conflate'`.",
  SLOW_STREAM: 'Read faster or watch less. `BridgedState` resumes by itself.',
  WATCHER_FAILED: 'Repair your watcher or filter: `error.cause` is what it threw. The watch goes on.',
  WORKER_FAILED: 'Look at `error.cause` and the log; the sentence says whether it did not start or died too often.',
  STORAGE_FULL: 'Free some of the disk of the server, or delete variables: it goes on by itself.',
  ENGINE_UNAVAILABLE: 'Try again: nothing was done. At a start the sentence says what is missing.',
  ENGINE_IN_USE: 'Stop the other server, or give this one another folder.',
  ENGINE_FORMAT: 'Start it with the version that wrote the folder, or give it another one.',
  INTERNAL: 'Report it, with the sentence and the cause.',
};

// --- api

function apiPages() {
  return {
    'api-main': apiOf('main/index.d.ts', MAIN_PAGE),
    'api-server': apiOf('server/index.d.ts', {}),
    'api-testing': apiOf('testing/index.d.ts', {}),
  };
}

/** Members worth a page of classes that also serve other files of ours. */
const MAIN_PAGE = {
  BridgedState: ['open', 'sessionId', 'workers', 'workerStats', 'unref'],
  LocalState: ['constructor'],
  Context: ['constructor', 'isBridged', 'ensureBridged'],
  WorkerPool: ['open', 'workers', 'restartWorker', 'unref', 'close'],
};

/** Names whose declaration is a schema, with the page that prints it better. */
const PRINTED_ELSEWHERE = {
  WorkerPoolOptions: 'a worker pool',
  WatchOptions: 'a watch',
  BridgedStateOptions: 'a bridged state',
  LocalStateOptions: 'a local state',
  BridgeServerOptions: 'the server',
};

/** Types that say little without another declaration that is not exported. */
const SAID_BY = {
  VariableType: ['shared/values/variable-type.d.ts', 'VARIABLE_TYPES'],
  VariableValue: ['shared/values/variable-type.d.ts', 'ValueOfType'],
  VariableInput: ['shared/values/variable-type.d.ts', 'InputOfType'],
  WatchState: ['shared/port/stream-states.d.ts', 'StreamStateName'],
};

function apiOf(index, chosenMembers) {
  const exported = exportsOf(index).sort((a, b) => (a.name < b.name ? -1 : 1));
  const errors = exported.filter(({ source }) => source.endsWith('errors.d.ts'));
  const others = exported.filter(({ source }) => !source.endsWith('errors.d.ts'));
  const found = others.map((entry) => ({ ...entry, ...declarationOf(entry.source, entry.declared) }));
  const values = found.filter(({ kind }) => kind === 'class' || kind === 'function');
  const types = found.filter((entry) => !values.includes(entry));
  const sections = [...values, ...types].map((entry) => section(entry, chosenMembers[entry.name]));
  if (errors.length > 0) {
    const names = errors.map(({ name }) => code(name)).join(' ');
    sections.push(`### Errors\n\n${names}: [errors.md](errors.md) says when, and what to do.`);
  }
  return sections.join('\n\n');
}

function section({ name, doc, text, kind }, chosenMembers) {
  const heading = `### ${name}\n\n${doc === '' ? '' : `${doc.replace('@throws', 'Throws')}\n\n`}`;
  const elsewhere = PRINTED_ELSEWHERE[name];
  if (elsewhere !== undefined) {
    const anchor = `options-of-${elsewhere.replaceAll(' ', '-')}`;
    return `${heading}Its fields are the [options of ${elsewhere}](options.md#${anchor}).`;
  }
  const [source, declared] = SAID_BY[name] ?? [];
  const said = source === undefined ? '' : `\n${unindented(declarationOf(source, declared).text)}`;
  return `${heading}\`\`\`ts\n${kind === 'class' ? classText(name, text, chosenMembers) : unindented(text)}${said}\n\`\`\``;
}

/** Its members, or the chosen ones, without what is private. */
function classText(name, text, chosenMembers) {
  const [head] = text.split('\n');
  const members = membersOf(text).filter(({ name: member, text: body }) =>
    chosenMembers === undefined ? !/^\s*(#private|private )/.test(body) : chosenMembers.includes(member),
  );
  const missing = (chosenMembers ?? []).filter((member) => !members.some((one) => one.name === member));
  if (missing.length > 0) throw new WrongDocs(`${name} has no ${missing.join(', ')} any more`);
  // What it implements besides is our own business.
  const signature = head.replace(/ implements StateProvider, .*\{$/, ' implements StateProvider {');
  const body = members.map(({ comment, text: member }) => `${comment}${member}`).join('\n');
  return unindented([signature, body, '}'].join('\n'));
}

const unindented = (text) => text.replace(/^(?: {4})+/gm, (spaces) => ' '.repeat(spaces.length / 2)).trim();

// --- reading declarations as tsc writes them

/** What an index offers: its name, the name that it was declared with, and the file that declares it. */
function exportsOf(index) {
  const lists = declarations(index).matchAll(/^export (?:type )?\{([^}]*)\} from '([^']*)';/gm);
  return [...lists].flatMap(([, names, from]) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => {
        const [declared, given = declared] = name.split(' as ');
        return { name: given, declared, source: normalize(join(dirname(index), from.replace(/\.js$/, '.d.ts'))) };
      }),
  );
}

/** A declaration at the top of a file, with the comment before it. */
function declarationOf(source, name) {
  const text = declarations(source);
  const begin = new RegExp(
    `^(?:export )?(?:declare )?(?:abstract )?(class|interface|type|function|const) ${name}\\b`,
    'm',
  ).exec(text);
  if (begin === null) throw new WrongDocs(`${source} declares no ${name}`);
  const rest = text.slice(begin.index);
  // A body ends at a brace in the first column; a line of its own ends by itself.
  const isBody = begin[1] === 'class' || begin[1] === 'interface';
  const end = isBody ? /^\}|\{\s*\}$/m : /;$(?!\n[ }])/m;
  const found = end.exec(rest);
  if (found === null) throw new WrongDocs(`${source}: the declaration of ${name} has no end`);
  const body = rest.slice(0, found.index + found[0].length).replace(/^export declare |^export |^declare /, '');
  return { kind: begin[1], text: body, doc: sentences(commentBefore(text, begin.index)) };
}

/** Members of an interface or class body, each with its comment. */
function membersOf(declaration) {
  const text = typeof declaration === 'string' ? declaration : declaration.text;
  const lines = text.split('\n');
  const indent = Math.min(...lines.filter((line) => /^ +\S/.test(line)).map((line) => line.search(/\S/)));
  const members = [];
  let comment = [];
  let body = [];
  for (const line of lines) {
    const depth = line.search(/\S/);
    if (depth < indent) continue;
    const isComment = body.length === 0 && /^\s*(\/\*\*|\*)/.test(line);
    if (isComment) comment.push(line);
    else body.push(line);
    if (isComment || depth > indent || !line.trimEnd().endsWith(';')) continue;
    members.push(memberOf(comment, body));
    comment = [];
    body = [];
  }
  return members;
}

function memberOf(comment, body) {
  const text = body.join('\n');
  const [, name = ''] = /^\s*(?:static |readonly |get |private |async )*(\[?[\w.#]+)/.exec(text) ?? [];
  const commentText = comment.length === 0 ? '' : `${comment.join('\n')}\n`;
  return { name, text, comment: commentText, doc: sentences(commentText) };
}

function commentBefore(text, index) {
  const before = text.slice(0, index);
  return before.endsWith('*/\n') ? before.slice(before.lastIndexOf('/**')) : '';
}

function sentences(comment) {
  return comment
    .replace(/^\s*\/\*\*|\*\/\s*$/g, '')
    .replace(/^\s*\* ?/gm, '')
    .replace(/\s+/g, ' ')
    .trim();
}

// --- Markdown

function table(heading, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(heading), `|${heading.map(() => '---|').join('')}`, ...rows.map(line)].join('\n');
}

const code = (text) => `\`${text}\``;

function numberText(value) {
  if (value === Number.MAX_SAFE_INTEGER) return '2^53 - 1';
  return value === 2 ** 31 - 1 ? '2^31 - 1' : value.toLocaleString('en-US');
}

class WrongDocs extends Error {}

try {
  await main();
} catch (error) {
  if (!(error instanceof WrongDocs)) throw error;
  process.stderr.write(`print-docs: ${error.message}\n`);
  process.exitCode = 1;
}
