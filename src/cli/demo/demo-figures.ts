/** How the demo writes figures, and what it says in words, whatever the width of its screen. Path: demo view -> [demo figures] -> demo screen. */
import type { DemoView, Paint } from './demo-view.js';

/** What became of the server in the middle. */
export function demoCrash({ atMs, awayMs, isSameEpoch }: NonNullable<DemoView['crash']>): string {
  const epoch = isSameEpoch ? 'the same epoch' : 'another epoch';
  const at = `${Math.round(atMs / 100) / 10} s`;
  return awayMs === undefined
    ? `the watching process' server killed after ${at}, on at the other: ${epoch}`
    : `server killed after ${at}, listening again ${Math.round(awayMs)} ms later: ${epoch}`;
}

/** A sentence in lines that fit, each behind a space; a word that is too long has a line of its own. */
export function wrapped(sentence: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of sentence.split(' ')) {
    if (line !== '' && 1 + line.length + 1 + word.length > columns) {
      lines.push(` ${line}`);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, ` ${line}`];
}

/** As wide as `cells`, and six more for the figure. */
export function bar(utilization: number, cells: number, paint: Paint): string {
  const full = Math.min(cells, Math.round(utilization * cells));
  const style = utilization > 0.8 ? 'red' : utilization > 0.5 ? 'yellow' : 'green';
  return `${paint(style, '█'.repeat(full))}${paint('dim', '░'.repeat(cells - full))} ${right(percent(utilization), 5)}`;
}

/** The last `most`, each as high as its share of the highest. */
export function sparkline(values: readonly number[], most: number): string {
  const last = values.slice(-most);
  const highest = Math.max(...last);
  return last.map((value) => SPARK[Math.round((value / highest) * (SPARK.length - 1))]).join('');
}

export function timeOf({ elapsedMs, seconds }: DemoView): string {
  const elapsed = `${Math.round(elapsedMs / 1000)} s`;
  return seconds === undefined ? `${elapsed}, Ctrl-C ends it` : `${elapsed} of ${seconds}`;
}

export const count = (number: number): string => Math.round(number).toLocaleString('en-US');
export const percent = (share: number): string => `${Math.round(share * 100)} %`;
export const ms = (value: number | undefined): string =>
  value === undefined ? '-' : value.toFixed(value < 10 ? 2 : 1);
export const right = (text: string, width: number): string => text.padStart(width);

const SPARK = '▁▂▃▄▅▆▇█';
