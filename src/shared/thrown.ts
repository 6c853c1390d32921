/** What user code throws or returns, looked at without trusting it: it may be of another realm, a proxy, or nothing at all. */

/** What was thrown, in words. Never throws itself. */
export function sentenceOf(thrown: unknown): string {
  try {
    const message = isObject(thrown) ? (thrown as { message?: unknown }).message : undefined;
    return typeof message === 'string' ? message : String(thrown);
  } catch {
    return 'something that cannot be put into words';
  }
}

/** Tells, once, what a promise or another thenable rejects with; says whether it is one. Never throws, and nothing of it stays unhandled. */
export function followRejection(result: unknown, tell: (cause: unknown) => void): boolean {
  if (!isObject(result)) return false;
  let then: unknown;
  try {
    // Read once: it may be a getter.
    ({ then } = result as { then?: unknown });
  } catch (cause) {
    tell(cause);
    return true;
  }
  if (typeof then !== 'function') return false;
  const settle = then as (resolve: () => void, reject: (cause: unknown) => void) => unknown;
  // A promise of our own between: it settles once, follows one thenable into the next, and takes what `then` itself throws.
  new Promise((resolve, reject) => {
    const returned = settle.call(result, resolve as () => void, reject);
    // Where `then` is an async function, its failure is in the promise that it returns.
    if (isObject(returned)) Promise.resolve(returned).catch(reject);
  }).catch(tell);
  return true;
}

/** Calls it, and tells, once, what it throws or rejects with. Never throws. */
export function callUser(call: () => unknown, tell: (cause: unknown) => void): void {
  try {
    followRejection(call(), tell);
  } catch (cause) {
    tell(cause);
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
