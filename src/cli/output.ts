/**
 * stdout, line by line. Path: command -> [output] -> terminal, file or pipe.
 * Slow: a pipe that is not read blocks this thread, and the library conflates what it cannot hand over. Closed: what comes
 * later is dropped, and `closed` aborts, by which a command that goes on for ever ends; `… | head -1` is no failure.
 */
import type { Writable } from 'node:stream';
import { styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];

/** process.stdout, or what stands in for it. */
export type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number };

export class Output {
  readonly isTerminal: boolean;
  /** Why writing failed, unless the reader just went away. */
  failure: Error | undefined;
  readonly #stream: Terminal;
  readonly #closed = new AbortController();

  constructor(stream: Terminal) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY === true;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') this.failure ??= error;
      this.#closed.abort();
    });
  }

  /** Aborts when nobody reads any more. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Of the terminal as it is now; 80 where it is none, or does not say. */
  get columns(): number {
    return this.#stream.columns || 80;
  }

  line(text: string): void {
    if (!this.closed.aborted) this.#stream.write(`${text}\n`);
  }

  /** Coloured where somebody looks at it; NO_COLOR is respected. */
  paint(style: Style, text: string): string {
    return this.isTerminal && !process.env.NO_COLOR ? styleText(style, text) : text;
  }
}

/** Columns as wide as their widest cell. The last one is not padded. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  return rows.map((row) =>
    row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column]!))).join('  '),
  );
}

/** For tables and live lines; JSON and `get` print all of it. */
export function shorten(text: string, mostCharacters: number): string {
  return text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters - 1)}…`;
}
