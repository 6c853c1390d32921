/**
 * Is a connection alive? Asked at a steady pace of each. Path: connection's sweep -> [liveness] -> probe, or replacement.
 * A peer may accept and say nothing, or go silent without a word: every connection has a deadline for standing and one for answering.
 * Probes are calls, not HTTP/2 pings: no server and no proxy between counts them against us.
 */

export interface ConnectionFacts {
  /** HTTP/2 stands. */
  readonly isReady: boolean;
  /** Somebody waits for it to stand, since then; 0 = nobody. */
  readonly wantedSinceMs: number;
  /** When the peer was last heard on it. */
  readonly lastWordAtMs: number;
  /** When the oldest call that is not answered was made; 0 = none is. */
  readonly askedAtMs: number;
  /** When the probe that is under way was sent; 0 = none is. */
  readonly probedAtMs: number;
}

export interface LivenessLimits {
  readonly connectTimeoutMs: number;
  /** Silence before a probe. */
  readonly silenceMs: number;
  /** Time for an answer: of a call before it is doubted, of a probe before the connection is given up. */
  readonly answerMs: number;
}

export type Liveness = 'fine' | 'probe' | 'dead';

export function livenessOf(connection: ConnectionFacts, nowMs: number, limits: LivenessLimits): Liveness {
  const { isReady, wantedSinceMs, lastWordAtMs, askedAtMs, probedAtMs } = connection;
  if (!isReady) return wantedSinceMs !== 0 && nowMs - wantedSinceMs >= limits.connectTimeoutMs ? 'dead' : 'fine';
  if (probedAtMs !== 0) return nowMs - probedAtMs >= limits.answerMs ? 'dead' : 'fine';
  if (nowMs - lastWordAtMs >= limits.silenceMs) return 'probe';
  const isDoubted = askedAtMs !== 0 && nowMs - Math.max(askedAtMs, lastWordAtMs) >= limits.answerMs;
  return isDoubted ? 'probe' : 'fine';
}

/** How often to ask, ms. */
export function sweepMs({ connectTimeoutMs, silenceMs, answerMs }: LivenessLimits): number {
  return Math.min(1_000, Math.max(50, Math.min(connectTimeoutMs, silenceMs, answerMs) / 4));
}
