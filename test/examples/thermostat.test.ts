/** The thermostat, whose two programs are of two languages: its end, judged from what it says; and how the runner ends its programs. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ExampleProcess, runExample } from './example-process.js';
import { NEEDS_PYTHON, PYTHON, WHAT_PYTHON_NEEDS } from './python.js';

test(
  'the thermostat keeps the room comfortable, switches each device only at its two lines, and does the same again',
  NEEDS_PYTHON,
  async () => {
    assert.ok(PYTHON !== undefined, WHAT_PYTHON_NEEDS);
    const { code, text } = await runExample('thermostat');
    assert.equal(code, 0, text);
    const again = await runExample('thermostat');
    assert.deepEqual(
      sorted(again.text),
      sorted(text),
      'the same room has the same two hours, however fast the machine is',
    );

    const [, low, high] = /room +stable: the last 30 readings are (\S+) to (\S+) degrees/.exec(text) ?? [];
    assert.ok(Number(low) >= 20 && Number(high) <= 23, text);
    // 120 minutes, and the temperature at the beginning.
    assert.match(text, /thermostat answered 121 readings, /);
    const comfortable = Number(/the last (\d+) readings were comfortable/.exec(text)?.[1]);
    assert.ok(comfortable >= 30 && comfortable <= 121, text);

    const switches = [...text.matchAll(/thermostat (\S+) degrees: (fan|heating) (on|off)/g)];
    assert.match(text, new RegExp(`switched ${switches.length} times`));
    for (const device of ['fan', 'heating']) {
      const own = switches.filter(([, , which]) => which === device);
      assert.ok(own.length >= 4, `${device} was switched ${own.length} times`);
      for (const [place, [line, degrees, , state]] of own.entries()) {
        assert.equal(state, place % 2 === 0 ? 'on' : 'off', line);
        const isWarm = Number(degrees) > 21.5;
        assert.equal(isWarm, (device === 'fan') === (state === 'on'), line);
      }
    }
  },
);

test('a room that is not comfortable yet is no success', NEEDS_PYTHON, async () => {
  assert.ok(PYTHON !== undefined, WHAT_PYTHON_NEEDS);
  const { code, text } = await runExample('thermostat', '--minutes', '5');
  assert.equal(code, 1, text);
  assert.match(text, /room +not stable: the last 5 readings are \S+ to \S+ degrees/);
  assert.match(text, /example: (room\.py|thermostat\.js) ended with 1/);
});

test('a program that fails ends the others, with its exit code', NEEDS_PYTHON, async () => {
  assert.ok(PYTHON !== undefined, WHAT_PYTHON_NEEDS);
  await using example = new ExampleProcess('thermostat', '--minutes', 'many');
  // What argparse ends with; the thermostat takes the option as it is, and would wait for a room for ever.
  assert.equal(await example.end(), 2, example.lines.join('\n'));
  assert.match(example.lines.join('\n'), /room +room\.py: error: argument --minutes: invalid int value: 'many'/);
  assert.match(example.lines.join('\n'), /example: room\.py ended with 2/);
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} in the middle leaves nothing running`, NEEDS_PYTHON, async () => {
    assert.ok(PYTHON !== undefined, WHAT_PYTHON_NEEDS);
    await using example = new ExampleProcess('thermostat', '--minutes', '1000000');
    await example.says(/after +30 minutes/);
    const programs = example.programs();
    assert.equal(programs.length, 3, 'a server and two programs');
    assert.equal(await example.interrupt(signal), 0, example.lines.join('\n'));
    for (const { pid, command } of programs) assert.ok(!isRunning(pid), `${command} goes on`);
    assert.doesNotMatch(example.lines.join('\n'), /Traceback|Error/);
  });
}

test('a program that does not end when it is asked to is killed', NEEDS_PYTHON, async () => {
  assert.ok(PYTHON !== undefined, WHAT_PYTHON_NEEDS);
  await using example = new ExampleProcess('thermostat', '--minutes', '1000000');
  await example.says(/after +30 minutes/);
  const programs = example.programs();
  process.kill(programs.find(({ command }) => /room\.py/.test(command))!.pid, 'SIGSTOP');
  assert.equal(await example.stop(), 0, example.lines.join('\n'));
  for (const { pid, command } of programs) assert.ok(!isRunning(pid), `${command} goes on`);
});

test('a program that is killed ends the others', NEEDS_PYTHON, async () => {
  assert.ok(PYTHON !== undefined, WHAT_PYTHON_NEEDS);
  for (const [victim, what] of [
    [/room\.py/, 'room.py'],
    [/thermostat\.js/, 'thermostat.js'],
    [/main\.js serve/, 'the bridge server'],
  ] as const) {
    await using example = new ExampleProcess('thermostat', '--minutes', '1000000');
    await example.says(/after +30 minutes/);
    const programs = example.programs();
    process.kill(programs.find(({ command }) => victim.test(command))!.pid, 'SIGKILL');
    assert.equal(await example.end(), 1, example.lines.join('\n'));
    assert.ok(example.lines.includes(`example: ${what} ended with SIGKILL`), example.lines.join('\n'));
    for (const { pid, command } of programs) assert.ok(!isRunning(pid), `${command} goes on`);
  }
});

test('without Python or its packages the runner says what to install, and ends with 3', async () => {
  for (const name of ['thermostat', 'optimiser']) {
    await using example = new ExampleProcess({ PYTHON: '/nowhere/python3' }, name);
    assert.equal(await example.end(), 3);
    assert.deepEqual(example.lines, [
      `example: ${name} needs Python 3.9 or newer with gRPC and protobuf: apt-get install python3-grpcio python3-protobuf ` +
        '(tried /nowhere/python3; PYTHON names another)',
    ]);
  }
});

/** The programs' lines come in an order of their own; sorting is stable, so those of one keep theirs. */
function sorted(text: string): string[] {
  return text.split('\n').sort((one, other) => Number(one > other) - Number(one < other));
}

function isRunning(pid: number): boolean {
  try {
    // One that has ended and is not reaped yet runs no more.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
