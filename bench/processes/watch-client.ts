/** What is measured, as the watcher process drives it: the product, or a baseline doing the same job. */
export type OnUpdate = (value: number, version: number, missed: number) => void;

export interface WatchClient {
  /** Resolves when it is registered, with what ends the watch. */
  watch(name: string, onUpdate: OnUpdate, onError: (error: Error) => void): Promise<() => Promise<void>>;
  /** All of them by one call, where the client has one; `place` is that of the name. */
  watchAll?(
    names: readonly string[],
    onUpdate: (place: number, value: number, version: number, missed: number) => void,
    onError: (error: Error) => void,
  ): Promise<() => Promise<void>>;
  /** One variable with one call. */
  set(name: string, value: number): Promise<unknown>;
  close(): Promise<void>;
}
