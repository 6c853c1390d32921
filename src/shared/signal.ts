/** Abort signals by what they can do: those of another realm, of jsdom or of a polyfill are no instances of this realm's class. */

export interface Signal {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(name: 'abort', listener: () => void): unknown;
  removeEventListener(name: 'abort', listener: () => void): unknown;
}

export function isSignal(input: unknown): input is Signal {
  if (typeof input !== 'object' || input === null) return false;
  const { aborted, addEventListener, removeEventListener } = input as Partial<Signal>;
  return (
    typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function'
  );
}
