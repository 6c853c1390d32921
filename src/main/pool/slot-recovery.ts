/**
 * After a worker died: what becomes of the commands that it had not answered, and from where its watches go on.
 * Path: slot client -> [slot recovery] -> the next worker of the slot.
 */
import type { BridgeError } from '../../shared/errors.js';
import { UnknownOutcomeError, WorkerError } from '../../shared/errors.js';
import type { Command, ResumePoint } from '../../shared/port/commands.js';
import { changesState } from '../../shared/port/commands.js';
import { toPortValue } from '../../shared/port/port-value.js';
import type { VariablePosition } from '../watch/dispatched-watch.js';

export type Fate =
  /** Sent again to the next worker: it changes nothing, or was not begun. */
  | { readonly name: 'repeat' }
  /** Done by the death itself. */
  | { readonly name: 'done' }
  | { readonly name: 'failed'; readonly error: BridgeError };

export function fateOf(command: Command): Fate {
  switch (command.kind) {
    case 'attach':
    case 'open':
    case 'opens':
    case 'stats':
      return { name: 'repeat' };
    case 'call':
      if (!changesState(command.call)) return { name: 'repeat' };
      return {
        name: 'failed',
        error: lostWithWorker(command.call.name),
      };
    case 'sets':
      return { name: 'failed', error: lostWithWorker('set') };
    case 'detach':
    case 'close':
    case 'drop':
    case 'stop':
    case 'grant':
    case 'cells':
      return { name: 'done' };
    default:
      return command satisfies never;
  }
}

export function lostWithWorker(name: string): UnknownOutcomeError {
  return new UnknownOutcomeError(
    `${name}: its worker died before the answer came: it may or may not have been made, so read before you repeat it`,
  );
}

/** Where each variable of a watch goes on; undefined for one that nothing has come for. */
export function resumePoints(
  positions: readonly VariablePosition[],
  hasCondition: boolean,
): (ResumePoint | undefined)[] {
  return positions.map(({ lastVersion, epoch, variableId, lastValue }) => {
    if (lastVersion === 0) return undefined;
    const isPeeked = typeof lastValue === 'number' || typeof lastValue === 'boolean';
    const last = (hasCondition || isPeeked) && lastValue !== undefined ? toPortValue(lastValue) : undefined;
    return { version: lastVersion, epoch, variableId, last };
  });
}

/** Deaths in a row, each within `withinMs` of its start, after which a slot is given up. */
export interface CrashLimits {
  readonly deaths: number;
  readonly withinMs: number;
}

export const CRASH_LIMITS: CrashLimits = { deaths: 5, withinMs: 10_000 };

/** Counts deaths that follow each other too fast: a worker that cannot live must not be made for ever. */
export class CrashCounter {
  readonly #limits: CrashLimits;
  #startedAtMs = 0;
  #deaths = 0;

  constructor(limits: CrashLimits = CRASH_LIMITS) {
    this.#limits = limits;
  }

  handleStart(nowMs: number): void {
    this.#startedAtMs = nowMs;
  }

  /** The error that ends the slot, or undefined when it may be made again. */
  handleDeath(nowMs: number, cause: unknown): WorkerError | undefined {
    this.#deaths = nowMs - this.#startedAtMs < this.#limits.withinMs ? this.#deaths + 1 : 1;
    if (this.#deaths < this.#limits.deaths) return undefined;
    return new WorkerError(
      `a worker died ${this.#deaths} times, each within ${this.#limits.withinMs} ms of its start: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}
