/** Histories out of the log of a bucket: backwards, in portions, and no further than somebody may keep. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lineage } from '../../../../../src/server/engine/redis/format/lineage.js';
import { encodePayload, encodeRegistration } from '../../../../../src/server/engine/redis/format/payload.js';
import type { KeptVersion } from '../../../../../src/server/engine/redis/log/log-entry.js';
import type { Entry } from '../../../../../src/server/engine/redis/log/log-reader.js';
import { LogHistories } from '../../../../../src/server/engine/redis/sessions/log-histories.js';
import { SessionReplica } from '../../../../../src/server/engine/redis/sessions/session-replica.js';
import { silentLogger } from '../../../../../src/shared/logger.js';
import type { HistoryLimits } from '../../../../../src/shared/state/history.js';
import { DEFAULT_HISTORY_LIMITS } from '../../../../../src/shared/state/history.js';
import { hostOf } from '../../stub-journal.js';

test('versions before those beside the value are read from the log, each once, in portions that grow', async () => {
  const { histories, replica, versions, asked } = setup({ last: 1_000 });
  assert.deepEqual(versions(), range(985, 1_000));
  histories.add(0, replica);
  const reading = histories.whenRead(0)!;
  // Set right now, whatever the wall clock of this server says.
  replica.apply(commitOf(1_001), NOW_MS);
  await reading;
  assert.deepEqual(versions(), range(1, 1_001));
  assert.deepEqual(
    asked.map(([, most]) => most),
    [4, 16, 64, 256, 256, 256, 256],
  );
  assert.equal(histories.whenRead(0), undefined);
  const { historyBytes } = replica.table;
  histories.add(0, replica);
  assert.equal(histories.whenRead(0), undefined, 'nothing lacks any more');
  assert.equal(replica.table.historyBytes, historyBytes);
});

test('the log is read to what age, count and bytes let be kept, and no further', async () => {
  const read = async (limits: Partial<HistoryLimits>) => {
    const { histories, replica, versions, asked } = setup({ last: 1_000, limits });
    histories.add(0, replica);
    await histories.whenRead(0);
    return { kept: versions().length, upTo: asked.at(-1)?.[0] };
  };
  // Each version is a second older than the next.
  assert.deepEqual(await read({ maxAgeMs: 50_000 }), { kept: 51, upTo: 980 });
  const few = await read({ maxSessionBytes: 5_000 });
  assert.ok(few.kept > 16 && few.kept < 100 && few.upTo! > 900, `${few.kept} versions, up to ${few.upTo}`);
  assert.deepEqual((await read({ maxVersions: 40 })).kept, 40);
  assert.deepEqual(await read({ maxVersions: 16 }), { kept: 16, upTo: undefined });
});

test('an entry that cannot be taken ends the history there; of another life or session none is taken', async () => {
  const { histories, replica, versions, log } = setup({ last: 1_000 });
  log[900] = [Buffer.from('900-1'), [Buffer.from('of'), Buffer.from('somebody else')]];
  log[950] = entryOf(950, { session: 'another' });
  log.splice(950, 0, entryOf(950, { life: 0 }));
  histories.add(0, replica);
  await histories.whenRead(0);
  assert.deepEqual(versions(), range(951, 1_000));
});

test('Redis is asked again where it is away; where it refuses for good, it is said', async () => {
  const warnings: unknown[] = [];
  const { histories, replica, versions, failures } = setup({ last: 100, warnings });
  failures.push(new Error('Connection is closed.'), new Error('Connection is closed.'));
  histories.add(0, replica);
  await histories.whenRead(0);
  assert.deepEqual([versions(), warnings], [range(1, 100), []]);

  const denied = setup({ last: 100, warnings });
  denied.failures.push(Object.assign(new Error('NOPERM no'), { name: 'ReplyError' }));
  denied.histories.add(0, denied.replica);
  await denied.histories.whenRead(0);
  assert.deepEqual([denied.versions(), warnings.length], [range(85, 100), 1]);
});

test('what nobody waits for is read behind the start; a session that comes later, or is over, and a close', async () => {
  const { histories, replica, versions } = setup({ last: 100 });
  histories.add(0, replica);
  await histories.begin();
  assert.deepEqual(versions(), range(1, 100));

  const later = setup({ last: 100, histories });
  histories.add(1, later.replica);
  await histories.whenRead(1);
  assert.deepEqual(later.versions(), range(1, 100));

  const over = setup({ last: 100 });
  over.histories.add(0, over.replica);
  over.replica.abandon();
  await over.histories.whenRead(0);
  assert.deepEqual(over.versions(), range(85, 100));

  const closed = setup({ last: 100 });
  closed.histories.add(0, closed.replica);
  const reading = closed.histories.whenRead(0);
  closed.histories.close();
  await reading;
  await closed.histories.begin();
  assert.ok(closed.asked.length <= 1, `${closed.asked.length} portions`);
});

/** By the clock of the server, when it began. */
const NOW_MS = 5_000_000;

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

interface Setup {
  /** Version of its one variable. Each set is the entry of its number. */
  readonly last: number;
  readonly limits?: Partial<HistoryLimits>;
  readonly warnings?: unknown[];
  readonly histories?: LogHistories;
}

function setup({ last, limits, warnings = [], histories }: Setup) {
  const log: Entry[] = [undefined as never, ...range(1, last).map((version) => entryOf(version))];
  const asked: [upTo: number | undefined, most: number][] = [];
  const failures: Error[] = [];
  const readBefore = async (_: number, upTo: number | undefined, most: number): Promise<readonly Entry[]> => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
    asked.push([upTo, most]);
    const isBefore = ([id]: Entry): boolean => Number.parseInt(id.toString(), 10) <= (upTo ?? Number.POSITIVE_INFINITY);
    return log.slice(1).filter(isBefore).reverse().slice(0, most);
  };
  const logger = { ...silentLogger, warn: (about: unknown) => void warnings.push(about) };
  const table = { ...hostOf().table, history: { ...DEFAULT_HISTORY_LIMITS, maxAgeMs: 2_000_000, ...limits } };
  const kept = {
    ...{ life: 1, forgotten: 0, lineage: new Lineage(''), generation: 0, gone: [], revision: last, metadata: '' },
    ...{ createdAt: 0, readAt: 1_000 * last, variables: [variableOf(range(Math.max(1, last - 15), last))] },
  };
  const replica = new SessionReplica('s', kept, table, NOW_MS);
  const versions = (): number[] =>
    replica.table
      .findById('v')!
      .history.last(10_000)
      .map(({ version, value }) => {
        assert.equal(value, version);
        return version;
      });
  return { log, asked, failures, replica, versions, histories: histories ?? new LogHistories({ logger, readBefore }) };
}

function variableOf(versions: readonly number[]) {
  const registration = encodeRegistration({
    ...{ name: 'v', type: 'integer', constraints: {}, metadata: {}, description: '', ttlMs: 0, firstVersion: 1 },
  });
  return { id: 'v', place: 1, createdAt: 0, registration, versions: versions.map(versionOf) };
}

function versionOf(version: number): KeptVersion {
  return { version, revision: version, timestamp: version * 1_000, payload: payloadOf(version) };
}

function payloadOf(version: number): Buffer {
  return encodePayload('integer', version, '', {});
}

function commitOf(version: number) {
  const changes = [{ kind: 'set' as const, id: 'v', ...versionOf(version) }];
  const about = { sessionId: 's', life: 1, begins: false, ends: false, generation: 0 };
  return { ...about, before: version - 1, revision: version, timestamp: version * 1_000, changes };
}

/** As the script writes it. */
function entryOf(version: number, { session = 's', life = 1 } = {}): Entry {
  const header = Buffer.alloc(41);
  for (const [place, number] of [version - 1, version, version * 1_000, life, 0].entries())
    header.writeDoubleBE(number, 1 + 8 * place);
  const payload = payloadOf(version);
  const change = Buffer.alloc(1 + 2 + 1 + 16 + 4);
  change.writeUInt16BE(1, 1);
  change.write('v', 3);
  change.writeDoubleBE(version, 4);
  change.writeDoubleBE(version, 12);
  change.writeUInt32BE(payload.length, 20);
  const fields = ['s', session, 'h', header, 'm', '', 'c', Buffer.concat([change, payload])];
  return [Buffer.from(`${version}-1`), fields.map((field) => Buffer.from(field))];
}
