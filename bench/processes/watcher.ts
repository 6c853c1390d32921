/** The watching service of a measurement: the product, or a plain client, doing the same job in a process of its own. */
import { setTimeout as pause } from 'node:timers/promises';
import { answerParent } from './child-link.js';
import { MainThreadWork } from './main-thread-work.js';
import { nowUs } from './monotonic-clock.js';
import type { WatchPlace } from './open-watch-client.js';
import { openWatchClient } from './open-watch-client.js';
import type { SetLoopPlan } from './set-loop.js';
import { setInFlight } from './set-loop.js';
import type { RecordedPart } from './update-recorder.js';
import { UpdateRecorder } from './update-recorder.js';
import { measureMemory, measureUsage } from './usage.js';
import { variableName } from './variable-name.js';
import type { WatchClient } from './watch-client.js';

interface WatchPlan {
  readonly watches: number;
  readonly variables: number;
  readonly firstVariable?: number;
  /** The first watch's callback holds the main thread for so long, ms. */
  readonly slowMs?: number;
  /** One watch of all variables, each of which counts as one. */
  readonly byOneCall?: boolean;
}

let client: WatchClient | undefined;
let recorder: UpdateRecorder | undefined;
let stops: (() => Promise<void>)[] = [];
let errors = 0;
let firstError: string | undefined;

const calls = {
  connect: async (place: WatchPlace) => {
    client = await openWatchClient(place);
  },
  /** Watch w is on variable w modulo `variables`, counted from `firstVariable`. Resolves with the time until all of them were registered. */
  watch: async ({ watches, variables, firstVariable = 0, slowMs = 0, byOneCall = false }: WatchPlan) => {
    const recording = new UpdateRecorder(watches, variables, nowUs);
    recorder = recording;
    const startedUs = nowUs();
    if (byOneCall) {
      const names = Array.from({ length: variables }, (_, place) => variableName(firstVariable + place));
      stops.push(await client!.watchAll!(names, recording.handleUpdate.bind(recording), noteError));
      return { openMs: (nowUs() - startedUs) / 1_000 };
    }
    const opened = Array.from({ length: watches }, (_, watch) =>
      client!.watch(
        variableName(firstVariable + (watch % variables)),
        watch === 0 && slowMs > 0
          ? (value, version, missed) => {
              recording.handleUpdate(watch, value, version, missed);
              hold(slowMs);
            }
          : (value, version, missed) => recording.handleUpdate(watch, value, version, missed),
        noteError,
      ),
    );
    stops = stops.concat(await Promise.all(opened));
    return { openMs: (nowUs() - startedUs) / 1_000 };
  },
  unwatch: async (_: null) => {
    const startedUs = nowUs();
    const stopping = stops;
    stops = [];
    await Promise.all(stopping.map((stop) => stop()));
    return { stopMs: (nowUs() - startedUs) / 1_000 };
  },
  /** Says what counts and measures it. Resolves when that part is over; updates may still be on their way. */
  record: async ({ part, work }: { part: RecordedPart; work: boolean }) => {
    recorder!.begin(part);
    const mainThreadWork = work ? new MainThreadWork(part) : undefined;
    const usage = await measureUsage(part);
    return { usage, workUs: mainThreadWork?.stop() ?? 0 };
  },
  /** Resolves with the recording when all of `expected` is delivered or counted as missed, or nothing has come for two seconds. */
  settle: async ({ expected }: { expected: number }) => {
    const deadlineUs = nowUs() + SETTLE_US;
    let seen = -1;
    let seenAtUs = nowUs();
    for (;;) {
      const accounted = recorder!.accounted;
      if (accounted !== seen) [seen, seenAtUs] = [accounted, nowUs()];
      const isOver = accounted >= expected || nowUs() - seenAtUs > QUIET_US || nowUs() > deadlineUs;
      if (isOver) return { ...recorder!.read(), errors, firstError };
      await pause(20);
    }
  },
  sets: (plan: SetLoopPlan) => setInFlight(client!, plan),
  memory: (_: null) => measureMemory(),
  close: (_: null) => client!.close(),
};

export type WatcherCalls = typeof calls;

answerParent(calls);

function hold(ms: number): void {
  const untilUs = nowUs() + ms * 1_000;
  while (nowUs() < untilUs) {
    // A watcher of the user's that computes.
  }
}

function noteError(error: Error): void {
  errors += 1;
  firstError ??= String(error);
}

const QUIET_US = 2e6;
const SETTLE_US = 30e6;
