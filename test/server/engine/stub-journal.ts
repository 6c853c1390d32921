/** A journal in memory that keeps when it is told to, or refuses; what it keeps outlives its engines. */
import type { EngineHost, Life } from '../../../src/server/engine/engine.js';
import type { Journal, Loaded, SnapshotPortion } from '../../../src/server/engine/journal.js';
import type { CommitRecord } from '../../../src/server/engine/records.js';
import { silentLogger } from '../../../src/shared/logger.js';

/** What a disk has. */
export class StubDisk {
  readonly commits: { readonly place: number; readonly commit: CommitRecord }[] = [];
  epoch = '';
  place = 0;
}

export class StubJournal implements Journal {
  readonly name = 'stub';
  readonly health = 'ready';
  readonly stats = { syncMs: { p50: 0, p99: 0, sum: 0, count: 0, atMost: [] }, bytes: 0, changes: 0 };
  onHealth = undefined;
  readonly disk: StubDisk;
  readonly #holds: boolean;
  readonly #held: (() => void)[] = [];
  #refusal: { readonly error: Error; readonly isKept: boolean } | undefined;
  #found: Promise<void> | undefined;

  /** `holds`: keeps only when `keep` is called. */
  constructor(disk = new StubDisk(), { holds = false }: { readonly holds?: boolean } = {}) {
    this.disk = disk;
    this.#holds = holds;
  }

  async open({ epoch }: { readonly epoch: string | undefined }): Promise<Life> {
    this.disk.epoch ||= epoch ?? 'none';
    return { epoch: this.disk.epoch, generation: 0 };
  }

  async load(handle: (kept: Loaded) => void): Promise<{ place: number; lastNumber: number }> {
    const ended = new Set(this.disk.commits.filter(({ commit }) => commit.isEnd).map(({ commit }) => commit.session));
    for (const { commit } of this.disk.commits) {
      const { begins: session } = commit;
      if (session === undefined || ended.has(session.session)) continue;
      handle({ kind: 'session', session, revision: 0, forgottenRevision: 0 });
    }
    for (const { place, commit } of this.disk.commits) handle({ kind: 'commit', place, commit });
    return { place: this.disk.place, lastNumber: 0 };
  }

  append(commits: readonly CommitRecord[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        const refusal = this.#refusal;
        this.#refusal = undefined;
        if (refusal === undefined || refusal.isKept) {
          this.disk.place += 1;
          for (const commit of commits) this.disk.commits.push({ place: this.disk.place, commit });
        }
        if (refusal === undefined) resolve();
        else reject(refusal.error);
      };
      if (this.#holds) this.#held.push(finish);
      else setImmediate(finish);
    });
  }

  /** Appends that wait. */
  get held(): number {
    return this.#held.length;
  }

  /** When one waits. */
  async asked(): Promise<void> {
    while (this.#held.length === 0) await new Promise((resolve) => setImmediate(resolve));
  }

  /** The one that waits, or the next that comes. */
  async keep(): Promise<void> {
    await this.asked();
    this.#held.shift()!();
    // The engine tells in the turn behind.
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** The next to be kept fails. `isKept`: it is kept all the same; `found`: when that can be said. */
  refuse(error: Error, { isKept = false, found }: { isKept?: boolean; found?: Promise<void> } = {}): void {
    this.#refusal = { error, isKept };
    this.#found = found;
  }

  async lastPlace(): Promise<number> {
    await this.#found;
    return this.disk.place;
  }

  async snapshot(_portion: SnapshotPortion): Promise<void> {
    // Everything stays in the log.
  }

  async cut(): Promise<void> {
    // The same.
  }

  async close(): Promise<void> {
    // Nothing is open.
  }
}

export function hostOf(more: Partial<EngineHost> = {}): EngineHost {
  let ids = 0;
  return {
    table: {
      maxVariables: 10_000,
      history: { maxAgeMs: 60_000, maxVersions: 100, maxSessionBytes: 1e9 },
      newId: () => {
        ids += 1;
        return `var_${ids}`;
      },
    },
    nowMs: () => 0,
    epoch: undefined,
    newEpoch: () => 'epoch_1',
    logger: silentLogger,
    handleHealth: () => undefined,
    ...more,
  };
}
