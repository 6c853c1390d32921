/** What a client asks on a link, and the frames that say it. Path: src/shared/wire -> [link up vectors] -> test/vectors/link-frames.json. */
import { EMPTY_METADATA } from '../../src/shared/values/metadata.js';
import type { LinkHello, LinkWatchRow } from '../../src/shared/wire/link-request.js';
import { encodeLinkRequest } from '../../src/shared/wire/link-request.js';
import type { LinkSet } from '../../src/shared/wire/link-set-writer.js';
import { LinkSetWriter } from '../../src/shared/wire/link-set-writer.js';
import { concatBytes } from '../../src/shared/wire/update-message.js';
import { base64, toldValue } from './told-value.js';

const HELLO: LinkHello = {
  sessionId: 'house 😀',
  maxBytes: 4_194_304,
  linkId: Uint8Array.from({ length: 16 }, (_, place) => place * 16 + 1),
  setsAnswered: 0,
  setsDone: 0,
  epoch: 'e1',
};

const ROW_PLAIN: LinkWatchRow = {
  feed: 1,
  includesInitialValues: true,
  keepsBatches: false,
  waitsForMissing: false,
  wantsMark: true,
  unseenAreInitial: false,
  fromRevision: undefined,
  condition: undefined,
  identifiers: ['temperature'],
  patterns: [],
  resume: undefined,
};

const ROWS: readonly LinkWatchRow[] = [
  ROW_PLAIN,
  { ...ROW_PLAIN, feed: 2, keepsBatches: true, waitsForMissing: true, identifiers: ['a', 'b', 'Grüße 😀'] },
  { ...ROW_PLAIN, feed: 3, includesInitialValues: false, wantsMark: false, identifiers: [], patterns: ['room.*', '?'] },
  {
    ...ROW_PLAIN,
    feed: 6,
    unseenAreInitial: true,
    identifiers: [],
    patterns: ['room.*'],
    resume: { epoch: 'e1', seen: [] },
  },
  { ...ROW_PLAIN, feed: 4, fromRevision: 9_007_199_254_740_991 },
  {
    ...ROW_PLAIN,
    feed: 5,
    condition: '{"crosses":30}',
    resume: {
      epoch: 'e0',
      seen: [
        ['var_1', 3],
        ['var_2', 4_503_599_627_370_496],
      ],
    },
  },
  { ...ROW_PLAIN, feed: 4_294_967_295, identifiers: [], patterns: ['*'], resume: { epoch: 'e0', seen: [] } },
];

const SET: LinkSet = {
  identifier: 'fan',
  value: 1,
  source: '',
  metadata: EMPTY_METADATA,
  expectedVersion: 0,
  isFollowed: false,
};

const SETS: readonly LinkSet[] = [
  SET,
  { ...SET, value: 2_147_483_647 },
  { ...SET, value: 2_147_483_648, source: 'python' },
  { ...SET, value: -0, source: 'python', identifier: 'temperature' },
  { ...SET, value: Number.NaN, identifier: 'temperature', metadata: { unit: 'C', '': '' } },
  { ...SET, value: true, expectedVersion: 7 },
  { ...SET, value: false, identifier: 'switch 😀' },
  { ...SET, value: '', identifier: 'mode' },
  { ...SET, value: 'Grüße 😀\u0000', identifier: 'mode', expectedVersion: 9_007_199_254_740_990 },
  { ...SET, value: 1.5, isFollowed: true, source: 'batch', metadata: { batch: 'yes' } },
  { ...SET, value: 2.5, isFollowed: true, source: 'batch', identifier: 'temperature', expectedVersion: 3 },
  { ...SET, value: 'eco', source: 'batch', identifier: 'mode' },
];

function toldSet({ value, ...set }: LinkSet): unknown {
  // A whole double and an integer are told apart by other languages.
  const isDouble = typeof value === 'number' && (Object.is(value, -0) || !Number.isInteger(value));
  return { ...set, value: toldValue(value as number | boolean | string), kind: isDouble ? 'float' : typeof value };
}

function up(
  name: string,
  asked: Partial<Parameters<typeof encodeLinkRequest>[0]>,
  sets: readonly LinkSet[] = [],
): unknown {
  const request = { hello: undefined, watches: [], unwatched: [], heartbeatMs: 0, keptQuestion: 0, ...asked };
  const writer = new LinkSetWriter();
  for (const set of sets) writer.add(set);
  const asking = encodeLinkRequest(request);
  const { hello, ...rest } = request;
  return {
    name,
    ...(hello === undefined ? {} : { hello: { ...hello, linkId: base64(hello.linkId) } }),
    ...rest,
    watches: rest.watches.map(({ fromRevision = null, condition = null, resume = null, ...row }) => ({
      ...row,
      fromRevision,
      condition,
      resume,
    })),
    sets: sets.map(toldSet),
    frame: base64(sets.length === 0 ? asking : concatBytes(asking, writer.take(1, 0))),
  };
}

export function linkUpVectors(): unknown[] {
  return [
    up('hello', { hello: HELLO }),
    up('watches', { hello: HELLO, watches: ROWS }),
    up('unwatched, heartbeat, question', { unwatched: [3, 1, 4_294_967_295], heartbeatMs: 500, keptQuestion: 1 }),
    up('sets', {}, SETS),
    up('watches and sets', { hello: HELLO, watches: [ROW_PLAIN] }, [SET, { ...SET, value: 2 }]),
  ];
}
