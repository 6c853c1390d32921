/** The suite of engines, over every engine, and the vectors of `decide`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Engine } from '../../src/server/index.js';
import { LocalEngine, MemoryEngine, SqliteJournal } from '../../src/server/index.js';
import { EngineTest } from '../../src/testing/engine-contract/engine-test.js';
import type { EngineSetup } from '../../src/testing/index.js';
import { describeEngine } from '../../src/testing/index.js';
import { StubDisk, StubJournal } from '../server/engine/stub-journal.js';
import { checkDecides } from '../vectors-check/decide-check.js';

const disks = new WeakMap<Engine, StubDisk>();
const over = (disk: StubDisk): Engine => {
  const engine = new LocalEngine(new StubJournal(disk));
  disks.set(engine, disk);
  return engine;
};

const root = mkdtempSync(join(tmpdir(), 'bridged-state-engines-'));
after(() => rmSync(root, { recursive: true, force: true }));

/** Engines over folders, and what can be done to them. */
const sqlites = new WeakMap<Engine, { readonly folder: string; readonly journal: SqliteJournal }>();
let folders = 0;
const overFolder = (folder: string): Engine => {
  const journal = new SqliteJournal(folder);
  // Snapshots all the time, so that every start joins one with the log.
  const engine = new LocalEngine(journal, { snapshotEveryMs: 20 });
  sqlites.set(engine, { folder, journal });
  return engine;
};

const SETUPS: Readonly<Record<string, EngineSetup>> = {
  memory: { create: () => new MemoryEngine() },
  'a journal that keeps later': {
    create: () => over(new StubDisk()),
    reopen: (engine) => over(disks.get(engine)!),
  },
  sqlite: {
    create: () => {
      folders += 1;
      return overFolder(join(root, `${folders}`));
    },
    reopen: (engine) => overFolder(sqlites.get(engine)!.folder),
    kill: (engine) => sqlites.get(engine)!.journal.kill(),
    pause: (engine, ms) => sqlites.get(engine)!.journal.pause(ms),
    fill: async (engine) => {
      const { journal } = sqlites.get(engine)!;
      await journal.limit(true);
      return () => journal.limit(false);
    },
  },
};

for (const [name, setup] of Object.entries(SETUPS)) {
  describeEngine(name, setup);

  test(`${name} decides as decide.json says`, () => EngineTest.run(setup, checkDecides));
}
