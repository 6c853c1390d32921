/**
 * Draws the plots of the page, in the browser: this file's code is put into the page as it is, beside uPlot, so it imports nothing. The
 * colours are the page's, read anew when the system goes from light to dark. A point has its value in the legend when it is pointed at.
 */
interface PlotData {
  readonly x: AxisData;
  readonly y: AxisData;
  readonly series: readonly {
    readonly name: string;
    readonly color: number;
    readonly points: readonly [number, number][];
  }[];
}

interface AxisData {
  readonly label: string;
  readonly isLog: boolean;
  readonly marks?: readonly [number, string][];
}

// What of a browser is used here: the project has the types of Node.
interface Element {
  readonly clientWidth: number;
  textContent: string | null;
  readonly dataset: { readonly to?: string };
  replaceChildren(): void;
  scrollIntoView(): void;
  addEventListener(event: 'click', listener: () => void): void;
}
declare const document: {
  readonly documentElement: Element;
  getElementById(id: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element>;
};
declare function getComputedStyle(element: Element): { getPropertyValue(name: string): string };
declare function matchMedia(query: string): { addEventListener(event: 'change', listener: () => void): void };
declare function addEventListener(event: 'resize', listener: () => void): void;
declare const uPlot: new (options: object, data: object, place: Element) => object;

// Colours from here on are those of others than us.
const PLAIN = 2;
const plots: readonly PlotData[] = JSON.parse(document.getElementById('plots')?.textContent ?? '[]');
drawAll();
for (const link of document.querySelectorAll('.to')) {
  link.addEventListener('click', () => document.getElementById(link.dataset.to ?? '')?.scrollIntoView());
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
addEventListener('resize', drawAll);

function drawAll(): void {
  let place = 0;
  for (const element of document.querySelectorAll('.plot')) {
    element.replaceChildren();
    draw(element, plots[place]!);
    place += 1;
  }
}

function draw(element: Element, { x, y, series }: PlotData): void {
  const xs = [...new Set(series.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  const columns = series.map(({ points }) => {
    const byX = new Map(points);
    return xs.map((at) => byX.get(at) ?? null);
  });
  const ys = columns.flat().filter((value) => value !== null);
  new uPlot(
    {
      width: element.clientWidth,
      height: 320,
      cursor: { drag: { x: false, y: false } },
      // The first entry is the axis below.
      legend: {
        markers: { fill: (_: object, place: number) => (place === 0 ? '' : colorOf(series[place - 1]!.color)) },
      },
      scales: {
        x: { time: false, distr: x.isLog ? 3 : 1, range: () => widened(Math.min(...xs), Math.max(...xs), x.isLog) },
        y: {
          distr: y.isLog ? 3 : 1,
          range: () => (y.isLog ? decades(Math.min(...ys), Math.max(...ys)) : [0, Math.max(...ys)]),
        },
      },
      axes: [axisOf(x, 28), { ...axisOf(y, 50), side: 3 }],
      series: [
        { label: x.label, value: (_: object, value: number | null) => markOf(x, value) },
        ...series.map(({ name, color }) => ({
          label: name,
          stroke: colorOf(color),
          width: 2,
          dash: color >= PLAIN ? [6, 4] : [],
          spanGaps: true,
          points: { show: true, size: 7, fill: colorOf(color) },
          value: (_: object, value: number | null) => (value === null ? '–' : figureOf(value)),
        })),
      ],
    },
    [xs, ...columns],
    element,
  );
}

function axisOf({ label, marks, isLog }: AxisData, size: number): object {
  const ink = variable('--ink');
  return {
    label,
    labelFont: '12px system-ui, sans-serif',
    font: '12px system-ui, sans-serif',
    stroke: ink,
    size,
    labelSize: 20,
    grid: { stroke: variable('--grid'), width: 1 },
    ticks: { stroke: variable('--grid'), width: 1, size: 4 },
    ...(marks !== undefined
      ? { splits: () => marks.map(([at]) => at), values: () => marks.map(([, text]) => text) }
      : { values: (_: object, splits: number[]) => splits.map(shortOf) }),
    // All of its marks are named, which uPlot would not do by itself.
    ...(isLog
      ? {
          splits: (_: object, __: number, least: number, most: number) => roundBetween(least, most),
          filter: (_: object, splits: number[]) => splits,
        }
      : {}),
  };
}

/** So that a point at the edge is whole. */
function widened(least: number, most: number, isLog: boolean): [number, number] {
  if (isLog) return [least / 1.4, most * 1.4];
  const margin = (most - least) * 0.05;
  return [least - margin, most + margin];
}

/** Whole decades, at least one. */
function decades(least: number, most: number): [number, number] {
  const low = Math.floor(Math.log10(least));
  return [10 ** low, 10 ** Math.max(low + 1, Math.ceil(Math.log10(most)))];
}

/** 1, 2 and 5 of each decade; over many decades the decades alone. */
function roundBetween(least: number, most: number): number[] {
  const steps = most / least > 2_000 ? [1] : [1, 2, 5];
  const round: number[] = [];
  for (let power = Math.floor(Math.log10(least)); 10 ** power <= most; power += 1) {
    for (const step of steps) {
      const value = Number((step * 10 ** power).toPrecision(1));
      if (value >= least && value <= most) round.push(value);
    }
  }
  return round;
}

function markOf({ marks }: AxisData, value: number | null): string {
  if (value === null) return '–';
  if (marks === undefined) return value.toLocaleString('en');
  const named = marks.find(([at]) => Math.abs(at - value) < 1e-9);
  // The axis of percentiles: nines.
  return named?.[1] ?? `p${Number((100 * (1 - 10 ** -value)).toFixed(3))}`;
}

function shortOf(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  return value >= 1e3 ? `${Number((value / 1e3).toPrecision(3))} k` : String(Number(value.toPrecision(3)));
}

function figureOf(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}

function colorOf(place: number): string {
  return variable(`--c${place}`) || variable('--ink');
}

function variable(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export {};
