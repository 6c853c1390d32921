import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { InvalidArgumentError } from '../../../src/shared/errors.js';
import type { LinkRequest, LinkUpMessage } from '../../../src/shared/wire/link-request.js';
import {
  encodeLinkRequest,
  heartbeatMsOf,
  helloOf,
  keptQuestionOf,
  LINK_UP,
  unwatchedOf,
  watchesOf,
} from '../../../src/shared/wire/link-request.js';
import { partsOf } from '../../../src/shared/wire/message-parts.js';

const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(fields, { noNullPrototype: true }) as fc.Arbitrary<T>;
const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const feed = fc.nat(0xffff_ffff);
const watch = record({
  feed,
  includesInitialValues: fc.boolean(),
  keepsBatches: fc.boolean(),
  waitsForMissing: fc.boolean(),
  wantsMark: fc.boolean(),
  unseenAreInitial: fc.boolean(),
  condition: fc.option(text, { nil: undefined }),
  fromRevision: fc.option(fc.maxSafeNat(), { nil: undefined }),
  identifiers: fc.uniqueArray(text, { maxLength: 4 }),
  patterns: fc.uniqueArray(text, { maxLength: 2 }),
  resume: fc.option(
    record({
      epoch: text,
      seen: fc.uniqueArray(fc.tuple(text, fc.maxSafeNat()), { maxLength: 3, selector: ([id]) => id }),
    }),
    {
      nil: undefined,
    },
  ),
});
const request = record({
  hello: fc.option(
    record({
      sessionId: text,
      maxBytes: fc.nat(2 ** 31 - 1),
      linkId: fc.uint8Array({ maxLength: 3 }),
      setsAnswered: fc.maxSafeNat(),
      setsDone: fc.nat(),
      epoch: text,
    }),
    {
      nil: undefined,
    },
  ),
  watches: fc.array(watch, { maxLength: 5 }),
  unwatched: fc.array(feed, { maxLength: 4 }),
  heartbeatMs: fc.nat(60_000),
  keptQuestion: fc.nat(0xffff_ffff),
});

function read(parts: readonly LinkUpMessage[]): LinkRequest {
  const watches = [...watchesOf(parts)]
    .filter((row) => row !== undefined)
    .map(({ identifiers, patterns, resume, ...row }) => ({
      ...row,
      identifiers: [...identifiers],
      patterns: [...patterns],
      resume: resume && { epoch: resume.epoch, seen: [...resume.seen] },
    }));
  const unwatched = [...unwatchedOf(parts)];
  const heartbeatMs = heartbeatMsOf(parts);
  return { hello: helloOf(parts), watches, unwatched, heartbeatMs, keptQuestion: keptQuestionOf(parts) };
}

describe('what is asked on the link', () => {
  test('is read as it was meant, in one part or in several', () => {
    fc.assert(
      fc.property(request, (asked) => {
        const bytes = encodeLinkRequest(asked);
        assert.deepEqual(read([LINK_UP.decodeRequest(bytes)]), asked);
        assert.deepEqual(read([...partsOf(bytes, 16)].map(LINK_UP.decodeRequest)), asked);
      }),
    );
  });

  test('is refused where its columns do not fit each other, or a version is none', () => {
    const bad = [
      { watchFeeds: [1] },
      {
        watchFeeds: [1],
        watchFlags: [0],
        watchIdentifierCounts: [2],
        watchIdentifiers: ['a'],
        watchPatternCounts: [0],
      },
      {
        ...{ watchFeeds: [1], watchFlags: [16], watchIdentifierCounts: [0], watchPatternCounts: [0] },
        ...{ resumeEpochs: ['e'], resumeCounts: [1], resumeIds: ['v'], resumeVersions: [1.5] },
      },
    ];
    for (const message of bad) assert.throws(() => read([message]), InvalidArgumentError);
  });
});
