/** Watchers by name, for clients that give all messages to one place. Numbers the messages of a name from 2 where they have no version. */
export class WatchersByName {
  readonly #watchers = new Map<
    string,
    { version: number; readonly calls: ((value: number, version: number) => void)[] }
  >();

  add(name: string, call: (value: number, version: number) => void): void {
    const entry = this.#watchers.get(name);
    if (entry === undefined) this.#watchers.set(name, { version: 1, calls: [call] });
    else entry.calls.push(call);
  }

  /** The last watcher of a name takes the name along. */
  remove(name: string, call: (value: number, version: number) => void): boolean {
    const calls = this.#watchers.get(name)?.calls ?? [];
    const place = calls.indexOf(call);
    if (place >= 0) calls.splice(place, 1);
    if (calls.length > 0) return false;
    return this.#watchers.delete(name);
  }

  call(name: string, value: number): void {
    const entry = this.#watchers.get(name);
    if (entry === undefined) return;
    entry.version += 1;
    for (const call of entry.calls) call(value, entry.version);
  }
}
