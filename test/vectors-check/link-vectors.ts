/**
 * Frames of the link with what they say, both ways, as data. Path: src/shared/wire -> [link vectors] -> test/vectors/link-frames.json.
 * Frames down are played by a small server: it writes what it is told, and knows which of it a client is told.
 */
import { EMPTY_METADATA } from '../../src/shared/values/metadata.js';
import { typeUrlOf } from '../../src/shared/values/value-codec.js';
import type { VariableType, VariableValue } from '../../src/shared/values/variable-type.js';
import { OpaqueBinary } from '../../src/shared/values/variable-type.js';
import { ROW } from '../../src/shared/wire/link-row.js';
import type { LinkUpdate, Welcome } from '../../src/shared/wire/link-writer.js';
import { encodeWelcome, LinkWriter } from '../../src/shared/wire/link-writer.js';
import { dieOf } from './delivery-vectors.js';
import { linkUpVectors } from './link-up-vectors.js';
import { base64, toldValue } from './told-value.js';

const KINDS = { change: ROW.CHANGE, initial: ROW.INITIAL, resync: ROW.RESYNC, deleted: ROW.DELETED } as const;

interface Said {
  readonly kind?: keyof typeof KINDS;
  readonly value?: VariableValue;
  readonly before?: VariableValue;
  readonly version?: number;
  readonly revision?: number;
  readonly timestamp?: number;
  readonly source?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly missed?: number;
  readonly more?: boolean;
  readonly reason?: string;
  /** A client does not hear it. */
  readonly isMuted?: boolean;
}

interface Told {
  readonly handle: number;
  readonly feed: number;
  readonly id: string;
  readonly name: string;
  readonly type: VariableType;
  readonly identifiers: readonly string[] | undefined;
  version: number;
}

/** Writes rows of one link, and notes what they tell. */
class Teller {
  readonly #writer = new LinkWriter();
  #events: unknown[] = [];
  readonly steps: unknown[] = [];
  #revision = 100;
  #timestamp = 1_732_600_000_000.5;
  #source = '';

  watch(feed: number, options: Readonly<Record<string, unknown>> = {}): void {
    this.steps.push({ watch: feed, ...options });
  }

  unwatch(feed: number): void {
    this.steps.push({ unwatch: feed });
  }

  welcome(welcome: Welcome): void {
    const events = [{ event: 'welcome', ...welcome }];
    this.steps.push({ frame: base64(encodeWelcome(welcome)), events });
  }

  announce(told: Told, said: Said): void {
    this.#update(told, true, said);
  }

  say(told: Told, said: Said): void {
    this.#update(told, false, said);
  }

  mark(event: 'registered' | 'synced', feed: number, isMuted = false): void {
    this.#writer[event](feed);
    if (!isMuted) this.#events.push({ event, feed });
  }

  ended(feed: number, status: number, code: string, message: string): void {
    this.#writer.ended({ feed, status, code, message });
    this.#events.push({ event: 'ended', feed, status, code, message });
  }

  heartbeat(): void {
    this.#writer.heartbeat();
    this.#events.push({ event: 'heartbeat' });
  }

  kept(number: number, id: string | undefined, version: number, told: readonly { feed: number; id: string }[]): void {
    this.#writer.kept(number, id, version);
    for (const one of told) this.#events.push({ event: 'kept', ...one, version });
  }

  keptAnswer(question: number): void {
    this.#writer.keptAnswer(question);
    this.#events.push({ event: 'keptAnswer', question });
  }

  position(revision: number): void {
    this.#writer.position(revision);
    this.#events.push({ event: 'position', revision });
  }

  draining(spreadMs: number): void {
    this.#writer.draining(spreadMs);
    this.#events.push({ event: 'draining', spreadMs });
  }

  servers(endpoints: readonly string[]): void {
    this.#writer.servers(endpoints);
    this.#events.push({ event: 'servers', endpoints });
  }

  sets(outcomes: readonly (number | readonly [code: string, message: string])[]): void {
    this.steps.push({ sets: outcomes.length });
    for (const outcome of outcomes) {
      if (typeof outcome === 'number') {
        this.#writer.setDone(outcome);
        this.#events.push({ event: 'set', version: outcome });
      } else {
        this.#writer.setRefused(...outcome);
        this.#events.push({ event: 'set', version: 0, code: outcome[0], message: outcome[1] });
      }
    }
  }

  send(): void {
    this.steps.push({ frame: base64(this.#writer.take()), events: this.#events });
    this.#events = [];
  }

  #update(told: Told, isAnnounced: boolean, said: Said): void {
    const { kind = 'change', value, before, missed = 0, more = false, reason = '', metadata } = said;
    const versionBefore = told.version;
    told.version = said.version ?? told.version + 1 + missed;
    this.#revision = said.revision ?? this.#revision + 1;
    this.#timestamp = said.timestamp ?? this.#timestamp;
    this.#source = said.source ?? this.#source;
    const { handle, feed, id, name, type, identifiers, version } = told;
    const update: LinkUpdate = {
      row: KINDS[kind],
      handle,
      announcement: isAnnounced ? { feed, id, name, type, identifiers } : undefined,
      version,
      versionBefore,
      revision: this.#revision,
      timestamp: this.#timestamp,
      source: this.#source,
      custom: metadata ?? EMPTY_METADATA,
      missed,
      reason,
      more,
      before,
    };
    this.#writer.update(update, type, kind === 'deleted' ? undefined : value, { encoded: undefined });
    if (said.isMuted === true) return;
    this.#events.push({
      ...{
        event: 'update',
        feed,
        id,
        name,
        type,
        kind,
        version,
        value: toldValue(kind === 'deleted' ? undefined : value),
        missed,
        more,
      },
      ...{ revision: this.#revision, timestamp: this.#timestamp, source: this.#source, metadata: metadata ?? {} },
      ...(kind === 'deleted' ? { reason } : {}),
      ...(before === undefined ? {} : { before: toldValue(before) }),
      ...(identifiers === undefined ? {} : { identifiers }),
    });
  }
}

const WELCOME: Welcome = {
  epoch: 'e1',
  heartbeatMs: 30_000,
  maxBytes: 4_194_304,
  setsContinue: false,
  setsMade: 0,
  setsLost: 0,
  lost: false,
  asksConditions: true,
};

function variable(handle: number, name: string, type: VariableType, feed = 1, identifiers?: readonly string[]): Told {
  return { handle, feed, id: `var_${name}`, name, type, identifiers, version: 0 };
}

const VALUES: readonly (readonly [VariableType, readonly VariableValue[]])[] = [
  ['float', [21.5, Number.NaN, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, 3]],
  ['integer', [0, -1, 2_147_483_647, -2_147_483_648, 2_147_483_648, 9_007_199_254_740_991, 9_223_372_036_854_775_808n]],
  ['string', ['', 'a\u0000\n', 'Grüße 世界 😀', 'x'.repeat(100)]],
  ['boolean', [true, false]],
  ['choice', ['eco']],
  ['module', ['Foo.Bar']],
  ['embedding', [Float32Array.of(0.5, -0, Number.NaN), Float64Array.of(0.1), new Float64Array(0)]],
  ['embedding', [new OpaqueBinary('{"binary_format":"pickle"}', Uint8Array.of(0x80, 4, 0x4e))]],
  [
    'tensor',
    [
      { shape: [1, 2], data: Float32Array.of(1, -2.5) },
      { shape: [], data: Float64Array.of(7) },
    ],
  ],
  ['map', [{ a: [1, null, { b: true }], id: 9_007_199_254_740_993n }, {}]],
  ['list', [[1, 'two', [3.5]], []]],
];

function everyType(teller: Teller): void {
  teller.watch(1);
  teller.mark('registered', 1);
  for (const [place, [type, values]] of VALUES.entries()) {
    const told = variable(place, `${type} ${place}`, type);
    teller.announce(told, {
      kind: 'initial',
      value: values[0]!,
      version: 1 + place,
      timestamp: 1_732_600_000_000 + place,
    });
    for (const value of values.slice(1)) teller.say(told, { value });
  }
  teller.mark('synced', 1);
  teller.send();
}

function everyField(teller: Teller): void {
  teller.watch(1);
  teller.watch(2);
  const plain = variable(0, 'plain', 'integer');
  const byId = variable(7, 'by id', 'float', 2, ['var_by id', 'by id']);
  teller.mark('registered', 1);
  teller.mark('registered', 2);
  teller.announce(plain, {
    kind: 'initial',
    value: 1,
    version: 4_503_599_627_370_496,
    revision: 9_007_199_254_740_000,
  });
  teller.announce(byId, { kind: 'resync', value: 0.25, version: 3, missed: 2 });
  teller.say(plain, { value: 2, source: 'python', metadata: { unit: 'C', __proto__x: '', '': 'empty' } });
  teller.say(byId, { value: 0.5, missed: 4, source: '' });
  teller.say(plain, { value: 3, more: true, revision: 9_007_199_254_740_500 });
  teller.say(byId, { value: 0.75, more: true, revision: 9_007_199_254_740_500 });
  teller.say(plain, { value: 4, timestamp: 1_732_600_000_123.75, revision: 9_007_199_254_740_501 });
  teller.mark('synced', 2);
  teller.heartbeat();
  teller.position(9_007_199_254_740_501);
  teller.send();
  // The next message begins with a moment and without a source.
  teller.say(plain, { value: 5, source: 'somebody else' });
  teller.say(byId, { kind: 'deleted', reason: 'expired' });
  teller.send();
  teller.announce({ ...byId, version: 0 }, { value: 9, version: 1, kind: 'change' });
  teller.ended(1, 0, '', '');
  teller.ended(2, 8, 'MESSAGE_TOO_LARGE', 'an update is too large: raise max_bytes');
  teller.draining(17);
  teller.send();
  teller.servers(['10.0.0.1:50051', '[::1]:50052']);
  teller.send();
}

function passedOver(teller: Teller): void {
  teller.watch(1);
  teller.watch(2);
  const one = variable(1, 'one', 'float', 1);
  const two = variable(2, 'two', 'string', 2);
  teller.announce(one, { value: 1 });
  teller.announce(two, { value: 'a' });
  teller.send();
  teller.unwatch(2);
  // On its way when the client let go of it.
  const said = { isMuted: true, metadata: { a: 'b' }, missed: 1 };
  teller.say(two, { ...said, value: 'passed over' });
  teller.say(one, { value: 2 });
  teller.announce(variable(3, 'three', 'map', 2), { ...said, value: { a: 1 } });
  teller.say(variable(4, 'never announced', 'integer', 2), { ...said, value: 5 });
  teller.mark('synced', 2, true);
  // The handle stands for another variable of another feed now.
  teller.announce({ ...variable(2, 'other', 'integer', 1) }, { value: 6 });
  teller.say(one, { value: 3 });
  teller.send();
}

function conditions(teller: Teller): void {
  teller.watch(1, { condition: '{"crosses":30}' });
  teller.watch(2, { condition: '{"crosses":30}' });
  const one = variable(0, 'one', 'float', 1);
  const same = { ...variable(1, 'one', 'float', 2) };
  teller.announce(one, { kind: 'initial', value: 20, version: 5, before: 19 });
  teller.announce(same, { kind: 'initial', value: 20, version: 5 });
  teller.say(one, { value: 31, before: 29.5, version: 9 });
  teller.kept(0, 'var_one', 12, [
    { feed: 1, id: 'var_one' },
    { feed: 2, id: 'var_one' },
  ]);
  teller.kept(0, undefined, 13, [
    { feed: 1, id: 'var_one' },
    { feed: 2, id: 'var_one' },
  ]);
  teller.kept(1, 'nobody watches it', 3, []);
  teller.keptAnswer(4);
  teller.position(50);
  teller.send();
}

/** What rows can have, in any company. */
function thrown(teller: Teller): void {
  const die = dieOf(11);
  const feeds = [1, 2, 3];
  for (const feed of feeds) teller.watch(feed);
  const all = VALUES.map(([type, values], place) => ({
    told: variable(place * 3, `${type} ${place}`, type, feeds[place % 3]!),
    values,
    isThere: false,
  }));
  for (let message = 0; message < 4; message += 1) {
    for (let row = 0; row < 40; row += 1) {
      const one = all[die(all.length)]!;
      const said: Said = {
        value: one.values[die(one.values.length)]!,
        ...(die(3) === 0 ? { missed: die(5) } : {}),
        ...(die(4) === 0 ? { metadata: { [`key ${die(3)}`]: `value ${row}`, other: '' } } : {}),
        ...(die(4) === 0 ? { source: ['', 'python', 'Grüße 😀'][die(3)]! } : {}),
        ...(die(5) === 0 ? { more: true } : {}),
        ...(die(5) === 0 ? { before: one.values[die(one.values.length)]! } : {}),
        ...(die(6) === 0 ? { timestamp: 1_732_600_000_000 + die(100) / 4 } : {}),
      };
      if (one.isThere && die(12) === 0) {
        const { before: _, ...rest } = said;
        teller.say(one.told, { ...rest, kind: 'deleted', reason: ['deleted', 'session-ended'][die(2)]! });
        one.isThere = false;
      } else if (one.isThere && die(8) !== 0) {
        teller.say(one.told, { ...said, kind: die(9) === 0 ? 'resync' : 'change' });
      } else {
        teller.announce(one.told, { ...said, kind: die(2) === 0 ? 'initial' : 'resync' });
        one.isThere = true;
      }
      if (die(10) === 0) teller.heartbeat();
      if (die(10) === 0) teller.mark('synced', feeds[die(3)]!);
    }
    teller.send();
  }
}

function outcomes(teller: Teller): void {
  teller.sets([1, 9_007_199_254_740_990, ['VERSION_CONFLICT', 'variable "x" is at version 3'], 2]);
  teller.send();
  teller.sets([['BATCH_REFUSED', ''], 7]);
  teller.send();
}

function down(name: string, play: (teller: Teller) => void): unknown {
  const teller = new Teller();
  teller.welcome(WELCOME);
  play(teller);
  return { name, steps: teller.steps };
}

export function linkVectors(): unknown {
  return {
    about: `Frames of the link as TypeScript writes them. "down": the steps of a client, in order: feeds it watches and lets go of, sets it sends, and frames with the events that they tell, values as in values.json (${typeUrlOf('float')} and so on by "type"). "up": what is asked, and the LinkUp that says it; the order of its fields is free.`,
    down: [
      down('every type', everyType),
      down('every field', everyField),
      down('passed over', passedOver),
      down('conditions', conditions),
      down('outcomes of sets', outcomes),
      down('thrown', thrown),
    ],
    up: linkUpVectors(),
  };
}
