/** Sets within one process, in bursts: first all sets of a burst, then the notifications that they caused. */
import { EventEmitter } from 'node:events';
import { LocalState } from '../../src/main/index.js';
import { nowUs } from './monotonic-clock.js';

export interface SetCost {
  /** Of the call itself. */
  readonly setUs: number;
  /** From there until the watcher has been called. */
  readonly notifyUs: number;
}

export async function measureLocalSets(seconds: number): Promise<SetCost> {
  await using state = new LocalState();
  let told = 0;
  await state.registerVariable('fan', 'float', 0);
  await state.watchVariables('fan', () => {
    told += 1;
  });
  const failures: unknown[] = [];
  const cost = await inBursts(
    seconds,
    (value) => {
      state.setVariable('fan', value).catch((error: unknown) => failures.push(error));
    },
    async (sets) => {
      while (told < sets) await new Promise((resolve) => setImmediate(resolve));
    },
  );
  if (failures.length > 0) throw new Error(`${failures.length} sets failed`, { cause: failures[0] });
  return cost;
}

/** What one would write without a library: a Map and an emitter. */
export async function measureEmitterSets(seconds: number): Promise<SetCost> {
  const values = new Map<string, number>();
  const emitter = new EventEmitter();
  let told = 0;
  emitter.on('fan', () => {
    told += 1;
  });
  const pending: [number | undefined, number][] = [];
  const cost = await inBursts(
    seconds,
    (value) => {
      pending.push([values.get('fan'), value]);
      values.set('fan', value);
    },
    async () => {
      for (const [old, value] of pending) emitter.emit('fan', 'fan', old, value);
      pending.length = 0;
    },
  );
  if (told === 0) throw new Error('the emitter told nobody');
  return cost;
}

async function inBursts(
  seconds: number,
  set: (value: number) => void,
  notified: (sets: number) => Promise<void>,
): Promise<SetCost> {
  let [sets, setUs, notifyUs, counted] = [0, 0, 0, 0];
  const countFromUs = nowUs() + WARMUP_US;
  const untilUs = countFromUs + seconds * 1e6;
  for (let startedUs = nowUs(); startedUs < untilUs; startedUs = nowUs()) {
    for (let left = BURST; left > 0; left -= 1) {
      sets += 1;
      set(sets);
    }
    const setAtUs = nowUs();
    await notified(sets);
    if (startedUs < countFromUs) continue;
    setUs += setAtUs - startedUs;
    notifyUs += nowUs() - setAtUs;
    counted += BURST;
  }
  return { setUs: setUs / counted, notifyUs: notifyUs / counted };
}

/** Below a watch's bufferLimit of 1024: nothing is conflated. */
const BURST = 500;
const WARMUP_US = 300_000;
