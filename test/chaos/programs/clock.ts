/** One clock for all threads of a life, and one way to name an error. */
import * as api from '../../../src/main/index.js';

/** Ms since 1970; the same in each thread, and it never goes back. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export interface ErrorName {
  readonly code: string;
  readonly message: string;
  /** One of the classes that the package exports, and so of docs/errors.md. */
  readonly isKnown: boolean;
  /** Of a batch that was refused in part: what was set. */
  readonly versions: Readonly<Record<string, number>>;
}

export function codeOf(error: unknown): ErrorName {
  if (!(error instanceof api.BridgeError)) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { code: 'NO_BRIDGE_ERROR', message, isKnown: false, versions: {} };
  }
  const { code, message, details } = error;
  const isKnown = error.constructor !== api.BridgeError && error.constructor.name in api;
  return { code, message, isKnown, versions: details.versions ?? {} };
}
