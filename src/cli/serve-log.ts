/** The log of `serve`: JSON lines on stderr. Path: server -> [serve log] -> stderr. */
import { type Logger, pino } from 'pino';

const WITH_LEVEL = Symbol.for('pino.metadata');

/** Lines of a start that fails at once are dropped: the failure says all there is to say, in one line. What its user should see meanwhile ends that. */
export class HeldLog {
  /** So pino says of each line of which level it is. */
  readonly [WITH_LEVEL] = true;
  lastLevel = 0;
  // Synchronous: the last lines before an end are the ones that somebody will want.
  readonly #stderr = pino.destination({ dest: 2, sync: true });
  #held: string[] | undefined = [];

  write(line: string): void {
    if (this.lastLevel >= WARN) this.release();
    if (this.#held === undefined) this.#stderr.write(line);
    else this.#held.push(line);
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const line of held) this.#stderr.write(line);
  }
}

const WARN = pino.levels.values.warn!;

export function makeLogger(level: string, log: HeldLog): Logger {
  const options = {
    level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err },
  };
  return pino(options, log);
}
