// A Node program for the Python tests: `BridgedState`, driven by lines of JSON. Path: tests -> stdin -> [node peer] -> stdout.
import { createInterface } from 'node:readline';
import { BridgedState } from '../../dist/src/main/index.js';

const [endpoint, sessionId] = process.argv.slice(2);
const state = await BridgedState.open({ endpoint, sessionId, workers: 1 });
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** JSON has no words for these. */
const plain = (value) =>
  typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
    ? { number: Object.is(value, -0) ? '-0' : String(value) }
    : typeof value === 'bigint'
      ? { bigint: String(value) }
      : value;
const fromPlain = (value) =>
  value?.number !== undefined ? Number(value.number) : value?.bigint !== undefined ? BigInt(value.bigint) : value;

const commands = {
  async register({ name, type, value }) {
    return { id: await state.registerVariable(name, type, fromPlain(value)) };
  },
  async set({ name, values, source }) {
    let version = 0;
    for (const value of values) version = await state.setVariable(name, fromPlain(value), source ? { source } : {});
    return { version };
  },
  /** What a call came to, by its method: what it returns, or the code that refuses it. */
  async call({ method, args }) {
    try {
      const result = await state[method](...args);
      return { result: result instanceof Map ? Object.fromEntries(result) : (result ?? null) };
    } catch ({ code, details }) {
      return { code, refused: Object.entries(details?.refused ?? {}).map(([name, { code }]) => [name, code]) };
    }
  },
  async get({ name }) {
    return { value: plain(await state.getVariable(name)) };
  },
  async watch({ names, includeInitial }) {
    await state.watchVariables(
      names,
      (identifier, old, value, { version, source }) =>
        say({ identifier, old: plain(old), value: plain(value), version, source }),
      { includeInitial: includeInitial ?? false },
    );
    return { watching: true };
  },
};

say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...rest } = JSON.parse(line);
  try {
    say(await commands[command](rest));
  } catch (error) {
    say({ error: String(error) });
  }
}
await state.close();
