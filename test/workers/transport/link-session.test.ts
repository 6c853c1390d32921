import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import type { BridgeError } from '../../../src/shared/errors.js';
import { ProtocolError } from '../../../src/shared/errors.js';
import { EMPTY_METADATA } from '../../../src/shared/values/metadata.js';
import {
  heartbeatMsOf,
  helloOf,
  keptQuestionOf,
  LINK_UP,
  unwatchedOf,
  watchesOf,
} from '../../../src/shared/wire/link-request.js';
import { ROW } from '../../../src/shared/wire/link-row.js';
import type { LinkUpdate } from '../../../src/shared/wire/link-writer.js';
import { encodeWelcome, LinkWriter } from '../../../src/shared/wire/link-writer.js';
import { UpdateMessage, updateValue } from '../../../src/shared/wire/update-message.js';
import { SetQueue } from '../../../src/workers/calls/set-queue.js';
import type { CarriedFeed } from '../../../src/workers/transport/carrier.js';
import { LinkSession } from '../../../src/workers/transport/link-session.js';
import type { FeedRequest } from '../../../src/workers/watch/resume-request.js';

/** Notes what it is told. */
class NotingFeed implements CarriedFeed {
  readonly hasBeenLive = false;
  readonly subject = 'a feed';
  readonly heartbeatMs: number;
  readonly staleAfterMs: number;
  readonly updates: UpdateMessage[] = [];
  readonly told: string[] = [];

  constructor(heartbeatMs = 0) {
    this.heartbeatMs = heartbeatMs;
    this.staleAfterMs = 3 * heartbeatMs;
  }

  request(): FeedRequest {
    throw new Error('its carrier asks');
  }
  handleOpening(): void {
    throw new Error('its carrier says');
  }
  handleMessage(): void {
    throw new Error('streams do');
  }
  handleRegistered(epoch: string, _: number, isAskedThere: boolean): void {
    this.told.push(`registered ${epoch}${isAskedThere ? ', asked there' : ''}`);
  }
  handleUpdate(update: UpdateMessage): void {
    // It is its carrier's again afterwards.
    this.updates.push(Object.assign(new UpdateMessage(), update));
  }
  handleKept(variableId: string, version: number): void {
    this.told.push(`kept ${variableId} to ${version}`);
  }
  handleEpoch(epoch: string): void {
    this.told.push(`epoch ${epoch}`);
  }
  handleTrouble({ code }: BridgeError): void {
    this.told.push(`trouble ${code}`);
  }

  handlePosition(epoch: string, revision: number): void {
    this.told.push(`at ${revision} of ${epoch}`);
  }
  handleMark(kind: string): void {
    this.told.push(kind);
  }
  handleWord(): void {
    this.told.push('word');
  }
  get values(): unknown[] {
    return this.updates.map((update) => [update.name, update.version, updateValue(update)]);
  }
}

const request = (...identifiers: string[]): FeedRequest => ({
  identifiers,
  patterns: [],
  resume: undefined,
  resumeEpoch: '',
  waitForMissing: false,
  wantsMark: true,
  unseenAreInitial: false,
  keepsBatches: false,
});
const MAX_BYTES = 4 << 20;
const HELLO = {
  sessionId: 's',
  maxBytes: 1_000,
  linkId: new Uint8Array(16),
  setsAnswered: 0,
  setsDone: 0,
  epoch: 'e1',
};
const WELCOME = {
  ...{ epoch: 'e1', heartbeatMs: 1, maxBytes: 1, asksConditions: true },
  ...{ setsContinue: false, setsMade: 0, setsLost: 0, lost: false },
};

let ended: [CarriedFeed, BridgeError, number, string, number][];
let registered: CarriedFeed[];
let draining: number[];
let servers: (readonly string[])[];
let session: LinkSession;
let writer: LinkWriter;

beforeEach(() => {
  ended = [];
  registered = [];
  draining = [];
  servers = [];
  session = new LinkSession(HELLO, new SetQueue(new Uint8Array(16)), {
    handleDraining: (spreadMs) => draining.push(spreadMs),
    handleServers: (said) => servers.push(said),
    handleRegistered: (feed) => registered.push(feed),
    handleEnded: (...end) => ended.push(end),
  });
  writer = new LinkWriter();
});

function read(bytes: Uint8Array) {
  const parts = [LINK_UP.decodeRequest(bytes)];
  const watches = [...watchesOf(parts)].filter((row) => row !== undefined);
  return { hello: helloOf(parts), watches, unwatched: [...unwatchedOf(parts)], heartbeatMs: heartbeatMsOf(parts) };
}

const asked = () => read(session.takeRequest(MAX_BYTES)!);
const hear = (nowMs = 100): void => session.handleMessage(writer.take(), nowMs);

/** A float of feed `feed` with its handle: announced where `name` is given. */
function say(handle: number, version: number, value: number, announced?: { feed: number; name: string }): void {
  const update: LinkUpdate = {
    row: ROW.CHANGE,
    handle,
    announcement:
      announced === undefined
        ? undefined
        : { ...announced, id: `id of ${announced.name}`, type: 'float', identifiers: undefined },
    version,
    versionBefore: version - 1,
    revision: version,
    timestamp: 1,
    source: 'test',
    custom: EMPTY_METADATA,
    missed: 0,
    reason: '',
    more: false,
  };
  writer.update(update, 'float', value, { encoded: undefined });
}

describe('what a link asks', () => {
  test('is one message a turn: a hello first, then what is watched and no longer watched', () => {
    const [a, b] = [new NotingFeed(), new NotingFeed()];
    session.open(a, request('a', 'b'));
    session.open(b, request('c'));
    session.close(b);
    const first = asked();
    assert.deepEqual(first.hello, HELLO);
    assert.deepEqual(
      first.watches.map(({ feed, identifiers }) => [feed, [...identifiers]]),
      [[1, ['a', 'b']]],
    );
    assert.deepEqual(first.unwatched, [], 'what was not asked for is not taken back');
    assert.equal(session.takeRequest(MAX_BYTES), undefined);
    session.close(a);
    const second = asked();
    assert.equal(second.hello, undefined);
    assert.deepEqual(second.unwatched, [1]);
  });

  test('names the least silence that a feed asks for, once', () => {
    session.open(new NotingFeed(500), request('a'));
    session.open(new NotingFeed(900), request('b'));
    assert.equal(asked().heartbeatMs, 500);
    session.open(new NotingFeed(900), request('c'));
    assert.equal(asked().heartbeatMs, 0);
  });

  test('is cut at 64 KB, and refused where one watch alone is too large', () => {
    const long = 'x'.repeat(200);
    for (let count = 0; count < 1_000; count += 1) session.open(new NotingFeed(), request(`${long}${count}`));
    let messages = 0;
    let rows = 0;
    for (let bytes = session.takeRequest(MAX_BYTES); bytes !== undefined; bytes = session.takeRequest(MAX_BYTES)) {
      assert.ok(bytes.length < 80_000);
      messages += 1;
      rows += read(bytes).watches.length;
    }
    assert.equal(rows, 1_000);
    assert.ok(messages < 8);
    const large = new NotingFeed();
    session.open(large, request(...Array.from({ length: 50 }, (_, index) => `${long}${index}`)));
    session.takeRequest(1_000);
    const [feed, error, , code] = ended[0]!;
    assert.deepEqual([feed, error.code, code], [large, 'MESSAGE_TOO_LARGE', 'MESSAGE_TOO_LARGE']);
    assert.equal(session.size, 1_000);
  });

  test('is never above what the server takes: its hello, what is watched and what is not any more', () => {
    const feeds = Array.from({ length: 500 }, () => new NotingFeed());
    for (const [place, feed] of feeds.entries()) session.open(feed, request(`${'x'.repeat(30)}${place}`));
    const sizes: number[] = [];
    const take = () => {
      for (let bytes = session.takeRequest(1_024); bytes !== undefined; bytes = session.takeRequest(1_024))
        sizes.push(bytes.length);
    };
    take();
    for (const feed of feeds) session.close(feed);
    take();
    assert.ok(Math.max(...sizes) <= 1_024);
    assert.ok(sizes.length < 120, 'and not one a watch');
  });
});

describe('what a link hears', () => {
  test('goes to the feed that its handle was announced for, with the version that its steps come to', () => {
    const [a, b] = [new NotingFeed(), new NotingFeed()];
    session.open(a, request('a'));
    session.open(b, request('b'));
    session.handleMessage(encodeWelcome(WELCOME), 90);
    assert.ok(session.isWelcome);
    writer.registered(1);
    writer.registered(2);
    say(0, 7, 1.5, { feed: 1, name: 'a' });
    say(1, 3, 2.5, { feed: 2, name: 'b' });
    say(0, 8, 3.5);
    writer.synced(1);
    hear();
    say(1, 4, 4.5);
    hear();
    assert.deepEqual(registered, [a, b]);
    assert.deepEqual(a.told, ['registered e1', 'synced']);
    assert.deepEqual(a.values, [
      ['a', 7, 1.5],
      ['a', 8, 3.5],
    ]);
    assert.deepEqual(b.values, [
      ['b', 3, 2.5],
      ['b', 4, 4.5],
    ]);
    assert.equal(session.liveForMs(a, 150), 50);
  });

  test('says what conditions kept out, to the feeds of the variable that have one, and answers who asks', () => {
    const [a, b, plain] = [new NotingFeed(), new NotingFeed(), new NotingFeed()];
    const condition = '{"gt":1}';
    session.open(a, { ...request('v'), condition });
    session.open(b, { ...request('v'), condition, resume: { 'id of v': 3 }, resumeEpoch: 'e1' });
    session.open(plain, request('v'));
    assert.deepEqual(
      asked().watches.map((row) => row.condition),
      [condition, condition, undefined],
    );
    assert.equal(session.askKept(), undefined, 'the server has not said that it asks conditions');
    session.handleMessage(encodeWelcome(WELCOME), 1);
    for (const feed of [1, 2, 3]) writer.registered(feed);
    for (const feed of [1, 3]) say(feed, 7, 1.5, { feed, name: 'v' });
    writer.kept(0, 'id of v', 9);
    hear();
    assert.equal(session.askKept(), 1);
    assert.deepEqual(keptQuestionOf([LINK_UP.decodeRequest(session.takeRequest(MAX_BYTES)!)]), 1);
    assert.equal(session.takeRequest(MAX_BYTES), undefined, 'once');
    session.close(a);
    writer.kept(0, undefined, 12);
    writer.keptAnswer(1);
    hear();
    assert.equal(session.keptAnswer, 1);
    assert.deepEqual(a.told, ['registered e1, asked there', 'kept id of v to 9']);
    assert.deepEqual(b.told, ['registered e1, asked there', 'kept id of v to 9', 'kept id of v to 12']);
    assert.deepEqual(plain.told, ['registered e1']);
  });

  test('of an older server says that it asks no condition', () => {
    const feed = new NotingFeed();
    session.open(feed, { ...request('v'), condition: '{"gt":1}' });
    session.handleMessage(encodeWelcome({ ...WELCOME, asksConditions: false }), 1);
    writer.registered(1);
    say(1, 7, 1.5, { feed: 1, name: 'v' });
    hear();
    assert.deepEqual(feed.told, ['registered e1']);
    assert.equal(session.askKept(), undefined);
  });

  test('is passed over for a feed that was closed, until its handle is given to another', () => {
    const [a, b] = [new NotingFeed(), new NotingFeed()];
    session.open(a, request('a'));
    say(0, 7, 1, { feed: 1, name: 'a' });
    hear();
    session.close(a);
    session.open(b, request('b'));
    say(0, 8, 2);
    say(1, 1, 2, { feed: 1, name: 'late' });
    say(1, 2, 2);
    writer.registered(1);
    writer.ended({ feed: 1, status: 5, code: 'VARIABLE_NOT_FOUND', message: 'gone' });
    say(0, 20, 3, { feed: 2, name: 'b' });
    say(0, 21, 4);
    hear();
    assert.equal(a.updates.length, 1);
    assert.deepEqual(b.values, [
      ['b', 20, 3],
      ['b', 21, 4],
    ]);
    assert.deepEqual([ended, registered], [[], []]);
  });

  test('ends a feed by the error that it names, and the link goes on', () => {
    const [a, b] = [new NotingFeed(), new NotingFeed()];
    session.open(a, request('a'));
    session.open(b, request('b'));
    writer.registered(1);
    hear(100);
    writer.ended({ feed: 1, status: 8, code: 'QUOTA_EXCEEDED', message: 'no room' });
    writer.ended({ feed: 2, status: 0, code: '', message: '' });
    hear(130);
    const [first, second] = ended;
    assert.deepEqual(
      [first![0], first![1].code, first![2], first![3], first![4]],
      [a, 'QUOTA_EXCEEDED', 8, 'QUOTA_EXCEEDED', 30],
    );
    assert.deepEqual([second![0], second![2], second![3], second![4]], [b, 0, '', 0]);
    assert.equal(session.size, 0);
  });

  test('is a word, after so long a silence that one may be stale, for the feeds that mind silence', () => {
    const [minding, other] = [new NotingFeed(100), new NotingFeed()];
    session.open(minding, request('a'));
    session.open(other, request('b'));
    writer.registered(1);
    writer.registered(2);
    hear(1_000);
    say(0, 1, 1, { feed: 2, name: 'b' });
    hear(1_299);
    assert.deepEqual(minding.told, ['registered ']);
    writer.heartbeat();
    hear(1_599);
    assert.equal(session.heardAtMs, 1_599);
    assert.deepEqual(minding.told, ['registered ', 'word']);
    assert.deepEqual(other.told, ['registered ']);
  });

  test('says where its feeds are when it ends', () => {
    const a = new NotingFeed();
    session.open(a, request('a'));
    session.handleMessage(encodeWelcome(WELCOME), 90);
    session.tellPosition();
    assert.deepEqual(a.told, []);
    for (const revision of [7, 9]) {
      writer.heartbeat();
      writer.position(revision);
      hear();
    }
    writer.heartbeat();
    hear();
    session.tellPosition();
    assert.deepEqual(a.told, ['at 9 of e1']);
  });

  test('may be that the server drains, behind everything else that it says', () => {
    const a = new NotingFeed();
    session.open(a, request('a'));
    writer.draining(250);
    say(0, 1, 1, { feed: 1, name: 'a' });
    hear();
    assert.deepEqual([draining, a.updates.length], [[250], 1]);
  });

  test('is refused when it cannot be read', () => {
    assert.throws(() => session.handleMessage(Uint8Array.of(0x12, 0xff), 0), ProtocolError);
  });
});

describe('feeds that ask for the same', () => {
  const plain: FeedRequest = { ...request('a'), wantsMark: false };
  const sessionOf = (...feeds: NotingFeed[]) => feeds.forEach((feed) => void session.open(feed, plain));

  test('are one row when they ask before it is registered, and hear all of it', () => {
    const [a, b, c] = [new NotingFeed(), new NotingFeed(), new NotingFeed()];
    sessionOf(a, b);
    assert.equal(asked().watches.length, 1);
    session.open(c, plain);
    assert.equal(session.takeRequest(MAX_BYTES), undefined);
    writer.registered(1);
    say(0, 7, 1, { feed: 1, name: 'a' });
    say(0, 8, 2);
    hear();
    assert.deepEqual(registered, [a, b, c]);
    for (const feed of [a, b, c]) {
      assert.deepEqual(feed.values, [
        ['a', 7, 1],
        ['a', 8, 2],
      ]);
    }
  });

  test('that come later have a row of their own until they are as far, and miss nothing meanwhile', () => {
    const [first, late] = [new NotingFeed(), new NotingFeed()];
    sessionOf(first);
    asked();
    writer.registered(1);
    say(0, 7, 1, { feed: 1, name: 'a' });
    hear();
    session.open(late, plain);
    assert.deepEqual(
      asked().watches.map(({ feed }) => feed),
      [2],
    );
    // The change came by the first row before the second one said where it begins.
    writer.registered(2);
    say(0, 8, 2);
    say(1, 7, 1, { feed: 2, name: 'a' });
    hear();
    assert.equal(session.takeRequest(MAX_BYTES), undefined, 'it is behind');
    say(1, 8, 2);
    hear();
    assert.deepEqual(asked().unwatched, [2]);
    say(1, 9, 3);
    say(0, 9, 3);
    hear();
    assert.deepEqual(late.values, [
      ['a', 7, 1],
      ['a', 8, 2],
      ['a', 9, 3],
    ]);
    assert.deepEqual(first.values, late.values);
  });

  test('keep their row until the last of them is closed, and end with it', () => {
    const [a, b, c] = [new NotingFeed(), new NotingFeed(), new NotingFeed()];
    sessionOf(a, b);
    asked();
    session.close(a);
    assert.equal(session.takeRequest(MAX_BYTES), undefined);
    writer.registered(1);
    say(0, 7, 1, { feed: 1, name: 'a' });
    hear();
    assert.equal(a.updates.length, 0);
    session.close(b);
    assert.deepEqual(asked().unwatched, [1]);
    session.open(c, plain);
    assert.equal(asked().watches.length, 1);
    writer.registered(2);
    writer.ended({ feed: 2, status: 8, code: 'QUOTA_EXCEEDED', message: 'no room' });
    hear();
    assert.deepEqual(
      ended.map(([feed]) => feed),
      [c],
    );
    assert.equal(session.size, 0);
  });

  test('are not joined across lives of a variable, nor where they ask for another thing', () => {
    const [first, late, atomic] = [new NotingFeed(), new NotingFeed(), new NotingFeed()];
    sessionOf(first);
    asked();
    writer.registered(1);
    say(0, 7, 1, { feed: 1, name: 'a' });
    hear();
    session.open(late, plain);
    session.open(atomic, { ...plain, keepsBatches: true });
    assert.equal(asked().watches.length, 2);
    writer.registered(2);
    say(1, 9, 3, { feed: 2, name: 'another life of a' });
    writer.registered(3);
    say(2, 9, 3, { feed: 3, name: 'a' });
    hear();
    assert.equal(session.takeRequest(MAX_BYTES), undefined);
  });
});

test('a link that goes on in another epoch tells its feeds, and hears where servers are', () => {
  const feed = new NotingFeed();
  session.open(feed, request('v'));
  asked();
  session.handleMessage(encodeWelcome(WELCOME), 1);
  writer.registered(1);
  hear();
  writer.epoch('e1~2');
  writer.servers(['a:1', 'b:2']);
  hear();
  assert.equal(session.epoch, 'e1~2');
  assert.equal(feed.told.at(-1), 'epoch e1~2');
  assert.deepEqual(servers, [['a:1', 'b:2']]);
});

test('sets of the link before that are lost are told to whoever watches', () => {
  const feed = new NotingFeed();
  session.open(feed, request('v'));
  asked();
  session.handleMessage(encodeWelcome({ ...WELCOME, lost: true }), 1);
  assert.equal(feed.told.at(-1), 'trouble LOST_SETS');
});
