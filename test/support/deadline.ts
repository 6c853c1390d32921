/** Waiting in tests: for an event, never for time, and never for ever. */

/** The promise's result, or an error that names what did not come within `ms`. */
export async function within<T>(ms: number, promise: PromiseLike<T>, what = 'it'): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves once `holds` does, asked again and again, less and less often; for what no event tells, such as a counter. */
export async function until(ms: number, holds: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + ms;
  for (let pauseMs = 1; !holds(); pauseMs = Math.min(2 * pauseMs, 16)) {
    if (performance.now() > deadlineMs) throw new Error(`${what} did not come true within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
