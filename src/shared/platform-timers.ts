/**
 * The platform's timers and clocks as they were when this module was loaded. Path: [platform timers] -> whatever of ours waits or looks at a clock.
 * A test suite that puts fake ones in their place afterwards freezes its own code, and not our connections, polls and deadlines.
 */

export const setTimeout: typeof globalThis.setTimeout = globalThis.setTimeout;
export const clearTimeout: typeof globalThis.clearTimeout = globalThis.clearTimeout;
export const setInterval: typeof globalThis.setInterval = globalThis.setInterval;
export const clearInterval: typeof globalThis.clearInterval = globalThis.clearInterval;
export const setImmediate: typeof globalThis.setImmediate = globalThis.setImmediate;
export const clearImmediate: typeof globalThis.clearImmediate = globalThis.clearImmediate;
export const queueMicrotask: typeof globalThis.queueMicrotask = globalThis.queueMicrotask;

const { performance } = globalThis;

/** Whole ms since 1970, by the system's clock as it is set now. */
export const dateNowMs: () => number = Date.now;
/** Ms since `timeOriginMs`, with microseconds behind the point; nobody sets it. */
export const performanceNowMs: () => number = performance.now.bind(performance);
/** When the process began, ms since 1970, as the system's clock stood then. */
export const timeOriginMs: number = performance.timeOrigin;
export const eventLoopUtilization: typeof performance.eventLoopUtilization =
  performance.eventLoopUtilization.bind(performance);
