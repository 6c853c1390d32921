/** What a peer's client does in a measurement, in the writer's process and in the watching one. Each is loaded only where it runs. */
import type { WatchClient } from '../processes/watch-client.js';

/** Sets in batches, as the writer sends them. */
export interface BatchSetter {
  /** JSON by name. `onAnswer` is called once, with how many were refused and why. */
  set(texts: ReadonlyMap<string, string>, onAnswer: (refused: number, failure: string | undefined) => void): void;
}

export type ReadTime = (text: string) => number;

export interface Peer {
  /** `readTime` says what time is in a value. */
  openWatchClient(port: number, readTime: ReadTime): Promise<WatchClient>;
  /** Makes the variables, where the peer has such a thing, each with its first value. */
  openSetter(port: number, names: readonly string[]): Promise<BatchSetter>;
}
