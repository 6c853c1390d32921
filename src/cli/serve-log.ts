/**
 * The log of `serve`: JSON lines on stderr. Path: server -> [serve log] -> pino -> stderr. Held until `release`: a start that fails at once says all
 * there is to say in one line. What its user should see meanwhile ends that. pino is loaded with the first line that goes out: no start waits for it.
 */
import { createRequire } from 'node:module';
import type { Logger } from '../shared/logger.js';

type Level = keyof Logger;

interface Line {
  readonly level: Level;
  readonly fields: object;
  readonly message: string;
  readonly at: Date;
}

export class ServeLog implements Logger {
  readonly #shown: ReadonlySet<Level>;
  #held: Line[] | undefined = [];
  #writer: ((line: Line) => void) | undefined;

  /** `level`: of the least that is shown, or `silent`. */
  constructor(level: string) {
    const least = LEVELS.indexOf(level as Level);
    this.#shown = new Set(least < 0 ? [] : LEVELS.slice(least));
  }

  debug(fields: object, message: string): void {
    this.#log('debug', fields, message);
  }

  info(fields: object, message: string): void {
    this.#log('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#log('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#log('error', fields, message);
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const line of held) this.#write(line);
  }

  #log(level: Level, fields: object, message: string): void {
    if (!this.#shown.has(level)) return;
    const line = { level, fields, message, at: new Date() };
    if (this.#held === undefined) this.#write(line);
    else {
      this.#held.push(line);
      if (level === 'warn' || level === 'error') this.release();
    }
  }

  #write(line: Line): void {
    this.#writer ??= makeWriter();
    this.#writer(line);
  }
}

function makeWriter(): (line: Line) => void {
  const { pino } = createRequire(import.meta.url)('pino') as typeof import('pino');
  let at = new Date();
  const options = {
    level: LEVELS[0],
    base: { pid: process.pid },
    timestamp: () => `,"time":"${at.toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: pino.stdSerializers.err },
  };
  // Synchronous: the last lines before an end are the ones that somebody will want.
  const logger = pino(options, pino.destination({ dest: 2, sync: true }));
  return (line) => {
    at = line.at;
    logger[line.level](line.fields, line.message);
  };
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
