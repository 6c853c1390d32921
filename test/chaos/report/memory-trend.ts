/** Whether memory stays where it is: a line through the last two thirds of the samples. Pure. */

export interface MemorySample {
  readonly atMs: number;
  readonly bytes: number;
}

export interface MemoryTrend {
  /** Of the line, over the last two thirds. */
  readonly bytesPerMinute: number;
  readonly minutes: number;
  readonly firstBytes: number;
  readonly lastBytes: number;
}

/** Undefined with fewer than six samples: no line goes through them. */
export function memoryTrend(samples: readonly MemorySample[]): MemoryTrend | undefined {
  if (samples.length < 6) return undefined;
  const last = samples.slice(Math.floor(samples.length / 3));
  const times = last.map(({ atMs }) => atMs / 60_000);
  const sizes = last.map(({ bytes }) => bytes);
  const meanTime = mean(times);
  const meanSize = mean(sizes);
  const covariance = mean(times.map((time, place) => (time - meanTime) * (sizes[place]! - meanSize)));
  const variance = mean(times.map((time) => (time - meanTime) ** 2));
  return {
    bytesPerMinute: variance === 0 ? 0 : covariance / variance,
    minutes: times.at(-1)! - times[0]!,
    firstBytes: sizes[0]!,
    lastBytes: sizes.at(-1)!,
  };
}

export function trendLine(what: string, trend: MemoryTrend | undefined): string {
  if (trend === undefined) return `${what}: too few samples`;
  const { bytesPerMinute, minutes, firstBytes, lastBytes } = trend;
  const mb = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  const percent = ((100 * bytesPerMinute * minutes) / firstBytes).toFixed(1);
  return `${what}: ${mb(firstBytes)} to ${mb(lastBytes)} MB over the last ${minutes.toFixed(1)} min, ${mb(bytesPerMinute)} MB a minute (${percent} % in all)`;
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
