import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseJson } from '../../src/shared/values/json.js';
import type { snakepit } from '../../src/shared/wire/gen/bridge.js';
import { LinkReader } from '../../src/shared/wire/link-reader.js';
import { helloOf, LINK_UP, unwatchedOf, watchesOf } from '../../src/shared/wire/link-request.js';
import { ROW } from '../../src/shared/wire/link-row.js';
import { LinkSetRows, SetNames } from '../../src/shared/wire/link-set-rows.js';
import { UpdateMessage, updateValue } from '../../src/shared/wire/update-message.js';
import { fillUpdate } from '../../src/workers/transport/link-update.js';
import type { Addressed } from '../../src/workers/transport/linked-feeds.js';
import { toldValue } from './told-value.js';
import { VECTOR_FILES, vectorText, vectorUrl } from './vector-files.js';

interface Step {
  readonly frame?: string;
  readonly unwatch?: number;
  readonly events?: readonly (Readonly<Record<string, unknown>> & { readonly event: string })[];
}

interface Asked {
  readonly name: string;
  readonly frame: string;
  readonly hello?: unknown;
  readonly watches: readonly Readonly<Record<string, unknown>>[];
  readonly unwatched: readonly number[];
  readonly sets: readonly Readonly<Record<string, unknown>>[];
}

const bytesOf = (frame: string): Uint8Array => Uint8Array.from(Buffer.from(frame, 'base64'));
const textOf = (name: string): string => readFileSync(vectorUrl(name), 'utf8');
const { down, up } = parseJson(textOf('link-frames.json')) as unknown as {
  readonly down: readonly { readonly name: string; readonly steps: readonly Step[] }[];
  readonly up: readonly Asked[];
};

describe('the vectors that every language reads', () => {
  for (const [name, make] of Object.entries(VECTOR_FILES)) {
    test(`${name} is what its maker makes now: run node dist/test/vectors-check/vector-files.js`, () => {
      assert.equal(textOf(name), vectorText(make()));
    });
  }

  for (const { name, steps } of down) {
    test(`frames down, read: ${name}`, () => {
      const handles = new Map<number, Addressed>();
      const closed = new Set<number>();
      for (const { frame, unwatch, events = [] } of steps) {
        if (unwatch !== undefined) closed.add(unwatch);
        if (frame === undefined) continue;
        const expected = events.filter(({ event }) => event === 'update');
        assert.deepEqual(updatesOf(bytesOf(frame), handles, closed), expected.map(heard));
      }
    });
  }

  for (const asked of up) {
    test(`frames up, read: ${asked.name}`, () => {
      const parts = [LINK_UP.decodeRequest(bytesOf(asked.frame))];
      const hello = helloOf(parts);
      const told = hello && { ...hello, linkId: Buffer.from(hello.linkId).toString('base64') };
      assert.deepEqual(told, asked.hello);
      assert.deepEqual([...unwatchedOf(parts)], asked.unwatched);
      const rows = [...watchesOf(parts)].filter((row) => row !== undefined);
      assert.deepEqual(
        rows.map(({ feed, identifiers, patterns, resume, fromRevision = null, condition = null }) => ({
          ...{ feed, identifiers: [...identifiers], patterns: [...patterns], fromRevision, condition },
          resume: resume === undefined ? null : { epoch: resume.epoch, seen: [...resume.seen] },
        })),
        asked.watches.map(({ feed, identifiers, patterns, resume, fromRevision, condition }) => ({
          ...{ feed, identifiers, patterns, fromRevision, condition, resume },
        })),
      );
      assert.deepEqual(setsOf(parts), asked.sets.map(plainSet));
    });
  }
});

/** What a client hears of it, without the bookkeeping of a feed. */
function updatesOf(bytes: Uint8Array, handles: Map<number, Addressed>, closed: ReadonlySet<number>): unknown[] {
  const updates: unknown[] = [];
  const reader = new LinkReader(bytes);
  while (reader.next()) {
    if (reader.row > ROW.DELETED) continue;
    const { announcement, target } = reader;
    const known = handles.get(target);
    if (announcement !== undefined) {
      handles.set(target, { linked: undefined as never, announcement, version: reader.announcedVersion });
    } else if (known !== undefined) known.version += reader.versionStep;
    const addressed = handles.get(target);
    if (addressed === undefined || closed.has(addressed.announcement.feed)) continue;
    const update = new UpdateMessage();
    fillUpdate(update, reader, { ...addressed, linked: { only: undefined } as never });
    const { variableId, name, version, missed, revision, source, more } = update;
    const value = update.updateType === 'deleted' ? null : toldValue(updateValue(update));
    updates.push({ id: variableId, name, version, missed, revision, source, more, value });
  }
  return updates;
}

function heard({
  id,
  name,
  version,
  missed,
  revision,
  source,
  more,
  value,
}: Readonly<Record<string, unknown>>): unknown {
  return { id, name, version, missed, revision, source, more, value };
}

function setsOf(parts: readonly snakepit.bridge.ILinkUp[]): unknown[] {
  const rows = new LinkSetRows(parts, new SetNames());
  const sets: unknown[] = [];
  while (rows.next()) {
    const { identifier, plain, source, custom, expectedVersion = 0, isFollowed } = rows;
    sets.push({ identifier, value: toldValue(plain), source, metadata: custom, expectedVersion, isFollowed });
  }
  return sets;
}

function plainSet({ kind: _, ...set }: Readonly<Record<string, unknown>>): unknown {
  return set;
}
