/** The client of the link that docs/link-clients.md shows: the page holds the file's text, and it watches and sets at a server of ours. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { BridgedState } from '../../src/main/index.js';
import { blocksOf, joined, readPage } from '../docs/pages.js';
import { RunningProgram } from '../docs/programs.js';
import { BridgeProcess } from './bridge-process.js';
import { findPython, ROOT, WHAT_TO_INSTALL } from './python-process.js';

const PROGRAM = join(ROOT, 'test/interop/python-link-client.py');
const blocks = blocksOf(readPage('docs/link-clients.md'));

test('the page shows the program as the file has it, in about 40 lines', () => {
  const program = readFileSync(PROGRAM, 'utf8');
  assert.equal(joined(blocks, 'python'), program);
  assert.ok(program.trim().split('\n').length <= 46);
});

test('a client of the link in plain gRPC watches and sets', async (t) => {
  const python = findPython();
  if (python === undefined) {
    if (process.env.CI === 'true') assert.fail(WHAT_TO_INSTALL);
    t.skip(WHAT_TO_INSTALL);
    return;
  }
  const server = await BridgeProcess.start();
  const state = await BridgedState.open({ endpoint: server.endpoint, sessionId: 'house' });
  const environment = { PYTHONPATH: python.generated, PYTHONIOENCODING: 'utf-8' };
  const start = (...args: string[]) =>
    new RunningProgram(python.interpreter, [PROGRAM, server.endpoint, 'house', ...args], environment);
  try {
    await state.registerVariable('temperature', 'float', 20.5);
    await state.registerVariable('fan', 'string', 'off');
    await state.registerVariable('picture', 'tensor', { shape: [60, 60], data: new Array(3600).fill(0.5) });

    const client = start('temperature', 'fan', '22.25');
    const lines: (string | undefined)[] = [];
    // Its own update and the outcome of its set may come in one message or in two.
    for (let count = 0; count < 4; count += 1) lines.push(await client.line());
    await state.setVariable('fan', 'on', { source: 'wall', metadata: { floor: '1' } });
    lines.push(await client.line());
    const said = joined(blocks, 'text').trim().split('\n');
    assert.deepEqual(lines.map(withoutSource).sort(), said.map(withoutSource).sort());
    assert.equal(lines[4], said[4]);
    assert.equal(await state.getVariable('temperature'), 22.25);

    await state.updateVariables({ fan: '💡', temperature: -0 }, { atomic: true });
    const batch = [await client.line(), await client.line()];
    assert.match(batch[0] ?? '', /^change fan 3 "\\ud83d\\udca1" /);
    assert.match(batch[1] ?? '', /^change temperature 3 -0\.0 /);
    await state.deleteVariable('fan');
    assert.match((await client.line()) ?? '', /^deleted fan 4 null /);
    await state.deleteVariable('temperature');
    assert.match((await client.line()) ?? '', /^deleted temperature 4 null /);
    assert.equal(await client.line(), 'ended: 0  ');
    assert.equal(await client.output(), '');

    const refused = start('picture', 'picture', '"no tensor"');
    assert.match((await refused.line()) ?? '', /^initial picture 1 .*bytes/);
    assert.match((await refused.line()) ?? '', /^refused: INVALID_VALUE: /);
    await refused.end();

    const nobody = start('nobody', 'picture', '1');
    assert.match((await nobody.line()) ?? '', /^ended: 5 VARIABLE_NOT_FOUND .*nobody/);
    assert.equal(await nobody.output(), '');
  } finally {
    await state.close();
    await server.close();
    python.remove();
  }
});

/** Who registered is said in the state's own words. */
function withoutSource(line: string | undefined): string {
  return (line ?? '').replace(/^(initial .* source=)\S*/, '$1');
}
