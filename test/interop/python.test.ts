/** Python and TypeScript on one session: a client made of the proto alone sets, watches and deletes what `BridgedState` watches and sets. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { BridgedState, OpaqueBinary } from '../../src/main/index.js';
import { BridgeProcess } from './bridge-process.js';
import { findPython, type PythonError, PythonProcess, type PythonTools, WHAT_TO_INSTALL } from './python-process.js';
import { RecordedChanges } from './recorded-changes.js';

const PUBLISHED = 'snakepit.bridge.BridgeService';
const SPECIFIED = 'snakepit.bridge.UnifiedBridge';

interface PythonValue {
  readonly type_url: string;
  /** As it travelled. */
  readonly json: string;
  /** As Python has it. */
  readonly python: string;
  readonly binary: { bytes: number; first: number; last: number; sum: number; base64?: string } | null;
}

interface PythonVariable extends PythonValue {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly version: number;
  readonly source: number;
  readonly metadata: Record<string, string>;
  readonly constraints: string;
}

interface PythonUpdate {
  readonly type: string;
  readonly variable_id: string;
  readonly variable: PythonVariable | null;
  readonly old: PythonValue | null;
  readonly source: string;
  readonly metadata: Record<string, string>;
  readonly missed: number;
  readonly epoch: string;
  readonly revision: number;
  readonly reason: string;
  readonly seconds: number;
}

interface PythonEnd {
  readonly ended: string;
  readonly sentence?: string;
  readonly code?: string | null;
}

interface Outcome {
  readonly success: boolean;
  readonly sentence: string;
  readonly code: string | null;
}

interface BatchOutcome {
  readonly success: boolean;
  readonly versions: Record<string, number>;
  readonly errors: Record<string, string>;
  readonly codes: Record<string, string>;
  readonly code: string | null;
}

const tools = findPython();
if (tools === undefined) {
  const isRequired = process.env.CI === 'true';
  test('Python with gRPC and protoc are there', { skip: isRequired ? false : WHAT_TO_INSTALL }, () => {
    assert.fail(WHAT_TO_INSTALL);
  });
} else {
  describe('a Python client that knows the proto alone', () => testPython(tools));
}

function testPython(tools: PythonTools): void {
  let server: BridgeProcess;
  let python: PythonProcess;
  let state: BridgedState;
  /** Python's client under the published service name. */
  let client: number;

  before(async () => {
    server = await BridgeProcess.start();
    python = new PythonProcess(tools);
    client = await python.open(server.endpoint, 'shared', PUBLISHED);
    state = await BridgedState.open({ endpoint: server.endpoint, sessionId: 'shared', workers: 1 });
  });

  after(async () => {
    await state?.close();
    await python?.close();
    await server?.close();
    tools.remove();
  });

  const run = <T>(name: string, args: Readonly<Record<string, unknown>>): Promise<T> => python.run(client, name, args);
  /** `json`: the value as JSON text, so that no digit of it is lost on the way to Python. */
  const registerInPython = async (name: string, type: string, json: string, more: object = {}): Promise<string> => {
    const answer = await run<Outcome & { id: string }>('register', { name, type, json, ...more });
    assert.equal(answer.success, true, answer.sentence);
    return answer.id;
  };
  const setInPython = async (name: string, type: string, json: string, more: object = {}): Promise<number> => {
    const answer = await run<Outcome & { version: number }>('set', { name, type, json, ...more });
    assert.equal(answer.success, true, answer.sentence);
    return answer.version;
  };
  const watchInPython = (names: string[], includesInitial = false) =>
    run<{ watch: number; headers: Record<string, string> }>('watch', { names, include_initial: includesInitial });
  const nextInPython = (watch: number) => run<PythonUpdate>('next_update', { watch });
  const watchHere = async (names: string[], options: Parameters<BridgedState['watchVariables']>[2] = {}) => {
    const changes = new RecordedChanges();
    const watch = await state.watchVariables(names, changes.watcher, options);
    return { watch, changes };
  };

  test('what Python registers TypeScript reads with its type, constraints and metadata', async () => {
    const id = await registerInPython('registered', 'float', '21.5', {
      constraints: '{"min": -40, "max": 85}',
      metadata: { unit: 'celsius', description: 'in the hall', ttl_ms: '3600000' },
    });
    const info = await state.getVariableInfo('registered');
    assert.equal(info.id, id);
    assert.equal(info.type, 'float');
    assert.equal(info.value, 21.5);
    assert.equal(info.version, 1);
    assert.deepEqual({ ...info.constraints }, { min: -40, max: 85 });
    // A published client has no fields for these two: its keys are its data.
    assert.deepEqual(info.metadata, { unit: 'celsius', description: 'in the hall', ttl_ms: '3600000' });
    assert.equal(info.description, '');
    assert.equal(info.ttlMs, 0);
  });

  test('what TypeScript registers Python reads with its type, constraints and metadata', async () => {
    const id = await state.registerVariable('offered', 'choice', 'eco', {
      constraints: { choices: ['eco', 'boost'] },
      metadata: { room: 'hall' },
      description: 'how hard it works',
    });
    const variable = await run<PythonVariable>('get', { name: 'offered' });
    assert.equal(variable.id, id);
    assert.equal(variable.type, 'choice');
    assert.equal(variable.python, "'eco'");
    assert.deepEqual(JSON.parse(variable.constraints), { choices: ['eco', 'boost'] });
    assert.deepEqual(variable.metadata, { room: 'hall' });
    const several = await run<{ variables: Record<string, PythonVariable>; missing: string[] }>('get_several', {
      names: ['offered', id, 'nowhere'],
    });
    assert.deepEqual(Object.keys(several.variables).sort(), ['offered', id].sort());
    assert.deepEqual(several.missing, ['nowhere']);
    assert.deepEqual(await run('list', { pattern: 'off*ed' }), ['offered']);
  });

  test('a watch of Python gets the present values first, then what TypeScript sets', async () => {
    const idOfFirst = await registerInPython('seen.first', 'float', '1');
    const idOfSecond = await registerInPython('seen.second', 'boolean', 'false');
    const { watch, headers } = await watchInPython(['seen.first', idOfSecond], true);
    assert.equal(headers['bridge-epoch'], server.epoch);
    assert.equal(headers['bridge-keepalive-ms'], '10000');
    const present = [await nextInPython(watch), await nextInPython(watch)];
    assert.deepEqual(
      present.map(({ type, variable }) => [type, variable?.name, variable?.python]),
      [
        ['initial_value', 'seen.first', '1.0'],
        ['initial_value', 'seen.second', 'False'],
      ],
    );

    const setAtSeconds = Math.floor(Date.now() / 1000);
    await state.setVariable('seen.first', 2.25, { source: 'thermostat', metadata: { reason: 'too cold' } });
    const update = await nextInPython(watch);
    assert.equal(update.type, 'value_change');
    assert.equal(update.variable_id, idOfFirst);
    assert.equal(update.variable?.version, 2);
    assert.equal(update.variable?.python, '2.25');
    assert.equal(update.old?.python, '1.0');
    assert.equal(update.source, 'thermostat');
    assert.deepEqual(update.metadata, { reason: 'too cold' });
    assert.equal(update.missed, 0);
    assert.equal(update.reason, '');
    assert.ok(Math.abs(update.seconds - setAtSeconds) <= 5, `${update.seconds} is not about ${setAtSeconds}`);

    await state.setVariable('seen.second', true);
    const next = await nextInPython(watch);
    assert.deepEqual([next.variable?.name, next.variable?.python, next.old?.python], ['seen.second', 'True', 'False']);
    // The published enum has a number for us.
    assert.deepEqual([next.source, next.variable?.source], ['typescript', 2]);
    assert.ok(next.revision > update.revision);
    await run('cancel', { watch });
  });

  test("a watch of Python without initial values is told the value at registration as the first update's old one", async () => {
    await registerInPython('quiet', 'integer', '7');
    const { watch } = await watchInPython(['quiet']);
    await state.setVariable('quiet', 8);
    const update = await nextInPython(watch);
    assert.deepEqual([update.type, update.old?.python, update.variable?.python], ['value_change', '7', '8']);
    await run('cancel', { watch });
  });

  test('a watch of TypeScript gets what Python sets, with the source and the metadata that Python names', async () => {
    await registerInPython('heard', 'float', '20');
    const { watch, changes } = await watchHere(['heard'], { includeInitial: true });
    const initial = await changes.next();
    assert.deepEqual([initial.newValue, initial.metadata.initial], [20, true]);

    const metadata = { source: 'python', model: 'kalman', step: '17' };
    assert.equal(await setInPython('heard', 'float', '20.5', { metadata }), 2);
    const change = await changes.next();
    assert.deepEqual([change.identifier, change.oldValue, change.newValue], ['heard', 20, 20.5]);
    assert.equal(change.metadata.source, 'python');
    assert.deepEqual(change.metadata.custom, { model: 'kalman', step: '17' });
    assert.deepEqual([change.metadata.version, change.metadata.missed], [2, 0]);
    assert.equal((await run<PythonVariable>('get', { name: 'heard' })).source, 1);

    // An equal value is no change: the next one that is told is 21.
    assert.equal(await setInPython('heard', 'float', '20.5'), 2);
    assert.equal(await setInPython('heard', 'float', '21'), 3);
    assert.deepEqual((await changes.next()).newValue, 21);
    await watch.stop();
  });

  test("Python's atomic batch reaches a watch of TypeScript under one revision", async () => {
    await registerInPython('batch.x', 'float', '0');
    await registerInPython('batch.y', 'float', '0');
    const { watch, changes } = await watchHere(['batch.x', 'batch.y'], { atomic: true });
    const outcome = await run<BatchOutcome>('set_several', {
      values: { 'batch.x': ['float', 1.5], 'batch.y': ['float', 2.5] },
      atomic: true,
      metadata: { source: 'python' },
    });
    assert.deepEqual([outcome.success, outcome.versions], [true, { 'batch.x': 2, 'batch.y': 2 }]);
    const both = [await changes.next(), await changes.next()];
    assert.deepEqual(
      new Map(both.map(({ identifier, newValue }) => [identifier, newValue])),
      new Map([
        ['batch.x', 1.5],
        ['batch.y', 2.5],
      ]),
    );
    assert.equal(both[0]?.metadata.revision, both[1]?.metadata.revision);
    await watch.stop();
  });

  test('a batch of Python with refused values says which and why, and is applied as far as it may be', async () => {
    await registerInPython('partly.good', 'float', '0');
    await registerInPython('partly.bounded', 'float', '0', { constraints: '{"max": 1}' });
    const values = { 'partly.good': ['float', 1], 'partly.bounded': ['float', 2], 'partly.nowhere': ['float', 3] };

    const atomic = await run<BatchOutcome>('set_several', { values, atomic: true });
    assert.deepEqual([atomic.success, atomic.versions, atomic.code], [false, {}, 'BATCH_REFUSED']);
    assert.equal(await state.getVariable('partly.good'), 0);

    const outcome = await run<BatchOutcome>('set_several', { values });
    assert.deepEqual([outcome.success, outcome.versions, outcome.code], [false, { 'partly.good': 2 }, 'BATCH_REFUSED']);
    assert.deepEqual(outcome.codes, {
      'partly.bounded': 'CONSTRAINT_VIOLATION',
      'partly.nowhere': 'VARIABLE_NOT_FOUND',
    });
    assert.deepEqual(Object.keys(outcome.errors).sort(), ['partly.bounded', 'partly.nowhere']);
    assert.equal(await state.getVariable('partly.good'), 1);
  });

  test('what Python deletes ends the watches of both, which are told why', async () => {
    const id = await registerInPython('leaving', 'string', '"here"');
    const { watch, changes } = await watchHere(['leaving']);
    const inPython = await watchInPython(['leaving']);
    const outcome = await run<Outcome>('delete', { name: 'leaving' });
    assert.equal(outcome.success, true, outcome.sentence);

    const change = await changes.next();
    assert.deepEqual([change.oldValue, change.newValue, change.metadata.deleted], ['here', undefined, 'deleted']);
    const update = await nextInPython(inPython.watch);
    assert.deepEqual([update.type, update.variable_id, update.reason], ['deleted', id, 'deleted']);
    assert.equal((await run<PythonEnd>('next_update', { watch: inPython.watch })).ended, 'OK');
    await watch.stop();
    assert.equal((await state.listWatchers()).length, 0);
  });

  test('an integer beyond 2^53 keeps its digits in both directions', async () => {
    await registerInPython('big', 'integer', '9007199254740993');
    assert.equal(await state.getVariable('big'), 9007199254740993n);
    const { watch, changes } = await watchHere(['big']);
    await setInPython('big', 'integer', '-123456789012345678901234567890');
    assert.equal((await changes.next()).newValue, -123456789012345678901234567890n);

    const inPython = await watchInPython(['big']);
    await state.setVariable('big', 18446744073709551615n);
    const update = await nextInPython(inPython.watch);
    assert.equal(update.variable?.python, '18446744073709551615');
    assert.equal(update.old?.python, '-123456789012345678901234567890');
    // Within 2^53 it is an ordinary number again.
    await setInPython('big', 'integer', '9007199254740991');
    assert.equal((await changes.next()).newValue, 18446744073709551615n);
    assert.equal((await changes.next()).newValue, 9007199254740991);
    await run('cancel', { watch: inPython.watch });
    await watch.stop();
  });

  test('NaN and the infinities travel as JSON strings in both directions', async () => {
    await registerInPython('odd', 'float', 'NaN');
    assert.equal((await run<PythonVariable>('get', { name: 'odd' })).json, '"NaN"');
    assert.equal(await state.getVariable('odd'), Number.NaN);
    const { watch, changes } = await watchHere(['odd']);
    await setInPython('odd', 'float', '-Infinity');
    const change = await changes.next();
    assert.deepEqual([change.oldValue, change.newValue], [Number.NaN, Number.NEGATIVE_INFINITY]);

    await state.setVariable('odd', Number.POSITIVE_INFINITY);
    assert.deepEqual(pick(await run<PythonVariable>('get', { name: 'odd' })), ['"Infinity"', 'inf']);
    await state.setVariable('odd', Number.NaN);
    assert.deepEqual(pick(await run<PythonVariable>('get', { name: 'odd' })), ['"NaN"', 'nan']);
    await watch.stop();
  });

  test('a tensor above 10,240 bytes travels in the binary field in both directions', async () => {
    const shape = [40, 50];
    const numbers = Array.from({ length: 2_000 }, (_, index) => index / 8);
    await registerInPython('large', 'tensor', JSON.stringify({ shape, data: numbers }));
    const stored = await run<PythonVariable>('get', { name: 'large' });
    assert.equal(stored.type_url, 'type.googleapis.com/snakepit.tensor.binary');
    assert.deepEqual(await state.getVariable('large'), { shape, data: Float64Array.from(numbers) });

    const { watch, changes } = await watchHere(['large']);
    const shifted = numbers.map((number) => number + 0.1);
    await setInPython('large', 'tensor', JSON.stringify({ shape, data: shifted }));
    assert.deepEqual((await changes.next()).newValue, { shape, data: Float64Array.from(shifted) });

    const inPython = await watchInPython(['large']);
    const floats = Float32Array.from({ length: 3_000 }, (_, index) => index + 0.5);
    await state.setVariable('large', { shape: [3, 1_000], data: floats });
    const update = await nextInPython(inPython.watch);
    assert.equal(update.variable?.type_url, 'type.googleapis.com/snakepit.tensor.binary');
    assert.deepEqual(JSON.parse(update.variable?.json ?? ''), { dtype: 'float32', shape: [3, 1_000] });
    assert.deepEqual(update.variable?.binary, { bytes: 12_000, first: 0.5, last: 2_999.5, sum: 4_500_000 });
    assert.equal(update.old?.binary?.bytes, 16_000);
    await run('cancel', { watch: inPython.watch });
    await watch.stop();
  });

  test('a small tensor travels as JSON, nested or flat', async () => {
    await registerInPython('small', 'tensor', '{"shape": [2, 2], "data": [1, 2, 3, 4]}');
    assert.deepEqual(await state.getVariable('small'), { shape: [2, 2], data: Float64Array.of(1, 2, 3, 4) });
    await run('set_json', { name: 'small', type: 'tensor', text: '{"shape": [2, 2], "data": [[4, 3], [2, 1]]}' });
    assert.deepEqual(await state.getVariable('small'), { shape: [2, 2], data: Float64Array.of(4, 3, 2, 1) });
    await state.setVariable('small', { shape: [2, 2], data: Float64Array.of(5, 6, 7, 8) });
    const variable = await run<PythonVariable>('get', { name: 'small' });
    assert.equal(variable.type_url, 'type.googleapis.com/snakepit.tensor');
    assert.deepEqual(JSON.parse(variable.json), { shape: [2, 2], data: [5, 6, 7, 8] });
  });

  test('pickled bytes are carried as they came, never unpickled here, and come back the same', async () => {
    const numbers = [1.5, 2.5, 3.5];
    await registerInPython('pickled', 'embedding', JSON.stringify([0]));
    const { watch, changes } = await watchHere(['pickled']);
    for (const saysSo of [true, false]) {
      const outcome = await run<Outcome>('set_pickled', {
        name: 'pickled',
        type: 'embedding',
        value: saysSo ? numbers : [...numbers, 4.5],
        says_so: saysSo,
      });
      assert.equal(outcome.success, true, outcome.sentence);
      const { newValue } = await changes.next();
      assert.ok(newValue instanceof OpaqueBinary);
      // A pickle begins with its protocol: 0x80, 4.
      assert.deepEqual([...newValue.bytes.subarray(0, 2)], [0x80, 4]);
      assert.equal(JSON.parse(newValue.header).dtype, 'float64');
    }
    const carried = await state.getVariable('pickled');
    await state.setVariable('pickled', [0]);
    await state.setVariable('pickled', carried);
    assert.deepEqual(await run('unpickle', { name: 'pickled' }), [...numbers, 4.5]);
    await watch.stop();
  });

  test('text of any script keeps its characters in names, values and metadata', async () => {
    const name = 'température/温度 🌡';
    const text = 'Grüße, 世界 🌍\u2028"\\\n';
    await registerInPython(name, 'string', JSON.stringify('leer'));
    const { watch, changes } = await watchHere([name]);
    await setInPython(name, 'string', JSON.stringify(text), { metadata: { source: 'Ölfühler', ort: 'Küche 🍳' } });
    const change = await changes.next();
    assert.deepEqual([change.identifier, change.oldValue, change.newValue], [name, 'leer', text]);
    assert.deepEqual([change.metadata.source, change.metadata.custom], ['Ölfühler', { ort: 'Küche 🍳' }]);

    await state.setVariable(name, `${text}!`, { source: 'café' });
    const variable = await run<PythonVariable>('get', { name });
    assert.equal(JSON.parse(variable.json), `${text}!`);
    assert.equal(variable.name, name);
    await watch.stop();
  });

  test('both service names reach the same session', async () => {
    const other = await python.open(server.endpoint, 'shared', SPECIFIED);
    await registerInPython('one.session', 'integer', '1');
    assert.equal(await python.run(other, 'ping', { message: 'hello' }), 'pong: hello');
    const { watch } = await python.run<{ watch: number }>(other, 'watch', {
      names: ['one.session'],
      include_initial: true,
    });
    const initial = await python.run<PythonUpdate>(other, 'next_update', { watch });
    assert.deepEqual([initial.type, initial.variable?.python], ['initial_value', '1']);
    await setInPython('one.session', 'integer', '2');
    const update = await python.run<PythonUpdate>(other, 'next_update', { watch });
    assert.deepEqual([update.type, update.variable?.python], ['value_change', '2']);
    await python.run(other, 'cancel', { watch });
  });

  test('what has `success` says a refusal there, with the code in the bridge-error trailer', async () => {
    await registerInPython('strict', 'integer', '5', { constraints: '{"min": 0}' });
    const refusals: [name: string, args: object, code: string][] = [
      ['register', { name: 'strict', type: 'integer', json: '5' }, 'ALREADY_EXISTS'],
      ['register', { name: 'untyped', type: 'decimal', json: '5' }, 'INVALID_TYPE'],
      ['register', { name: '', type: 'float', json: '5' }, 'INVALID_NAME'],
      ['register', { name: 'x', type: 'float', json: '5', constraints: '{"min": 2, "max": 1}' }, 'INVALID_CONSTRAINT'],
      ['set', { name: 'nowhere', type: 'float', json: '5' }, 'VARIABLE_NOT_FOUND'],
      ['set', { name: 'strict', type: 'string', json: '"five"' }, 'INVALID_VALUE'],
      ['set', { name: 'strict', type: 'integer', json: '-1' }, 'CONSTRAINT_VIOLATION'],
      ['set', { name: 'strict', type: 'integer', json: '6', expected_version: 4 }, 'VERSION_CONFLICT'],
      ['delete', { name: 'nowhere' }, 'VARIABLE_NOT_FOUND'],
    ];
    for (const [name, args, code] of refusals) {
      const { success, sentence, code: said } = await run<Outcome>(name, { ...args });
      assert.deepEqual([success, said], [false, code], sentence);
      assert.notEqual(sentence, '');
    }
    assert.match((await run<Outcome>('delete', { name: 'nowhere' })).sentence, /^Variable not found: nowhere/);
    assert.equal(await state.getVariable('strict'), 5);
  });

  test('what has no `success` fails with a status, with the code in the bridge-error trailer', async () => {
    await assert.rejects(run('get', { name: 'nowhere' }), (error: PythonError) => {
      assert.deepEqual([error.status, error.code], ['NOT_FOUND', 'VARIABLE_NOT_FOUND']);
      assert.match(error.message, /Variable not found: nowhere/);
      return true;
    });
    const { watch } = await watchInPython(['strict', 'nowhere', 'nor.there']);
    const end = await run<PythonEnd>('next_update', { watch });
    assert.deepEqual([end.ended, end.code], ['NOT_FOUND', 'VARIABLE_NOT_FOUND']);
    assert.match(end.sentence ?? '', /^Variable not found: nowhere, nor\.there/);
  });

  test('a call that is not of this contract is UNIMPLEMENTED', async () => {
    await assert.rejects(run('call_unknown', { method: 'ExecuteTool' }), (error: PythonError) => {
      assert.equal(error.status, 'UNIMPLEMENTED');
      return true;
    });
  });
}

const pick = ({ json, python }: PythonVariable): string[] => [json, python];
