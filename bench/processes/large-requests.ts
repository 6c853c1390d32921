/** Requests that are as large as the server's defaults take them, or as much work: what one client can ask for at once. Bytes are made before the clock runs. */
import type { Client } from '@grpc/grpc-js';
import { snakepit } from '../../src/shared/wire/gen/bridge.js';
import { ASKS, FORM, ROW, ROW_MASK, SETS } from '../../src/shared/wire/link-row.js';
import type { MethodName, RequestOf } from '../../src/shared/wire/services.js';
import { LINK_PATH, METHODS } from '../../src/shared/wire/services.js';
import { callPlain, integerValue, pathOf } from '../baselines/plain-calls.js';
import { variableName } from './variable-name.js';

export interface LargeRequest {
  readonly summary: string;
  /** Variables that its session has. */
  readonly variables: number;
  readonly nameOf?: (variable: number) => string;
  /** What else it has. */
  prepare?(client: Client): Promise<void>;
  /** A request that was not made before: sends it, and resolves when it is answered, whatever with. */
  make(client: Client, round: number): () => Promise<void>;
}

export const SESSION = 'large';

export const LARGE_REQUESTS: readonly LargeRequest[] = [
  {
    summary: '20,000 sets in one call',
    variables: 20_000,
    make: (client, round) => unary(client, 'SetVariables', setsOf(20_000, round, false)),
  },
  {
    summary: '10,000 sets in one call, atomic',
    variables: 10_000,
    make: (client, round) => unary(client, 'SetVariables', setsOf(10_000, round, true)),
  },
  {
    summary: '40,000 sets in one call, atomic',
    variables: 40_000,
    make: (client, round) => unary(client, 'SetVariables', setsOf(40_000, round, true)),
  },
  {
    summary: '40,000 sets by a link, atomic',
    variables: 40_000,
    make: (client, round) => link(client, linkSetsOf(40_000, round), 40_000),
  },
  {
    summary: '40,000 values in one call',
    variables: 40_000,
    make: (client) =>
      unary(client, 'GetVariables', { sessionId: SESSION, variableIdentifiers: namesOf(40_000, variableName) }),
  },
  {
    summary: '40,000 watches by a link',
    variables: 40_000,
    make: (client) => link(client, watchesOf(40_000, 0), 40_000),
  },
  {
    summary: '16,000 watches by a link, a condition each',
    variables: 16_000,
    make: (client, round) => link(client, watchesOf(16_000, ASKS.CONDITION, round), 16_000),
  },
  {
    summary: '100 patterns over 2,000 names of 250 characters',
    variables: 2_000,
    nameOf: longName,
    make: (client) =>
      stream(client, { sessionId: SESSION, patterns: Array.from({ length: 100 }, (_, place) => hardPattern(place)) }),
  },
  {
    summary: '100,000 versions to resume from, of ids that are not there',
    variables: 1,
    make: (client) =>
      stream(client, {
        sessionId: SESSION,
        variableIdentifiers: [variableName(0)],
        resumeEpoch: 'another',
        resume: Object.fromEntries(namesOf(100_000, (place) => `var_${place}`).map((id) => [id, 1])),
      }),
  },
  {
    summary: 'a text of 16,000 characters against a hostile pattern',
    variables: 0,
    prepare: async (client) => {
      await callPlain(client, 'RegisterVariable', {
        sessionId: SESSION,
        name: 'guarded',
        type: 'string',
        initialValue: textValue('x'),
        constraintsJson: JSON.stringify({ pattern: '^(?:x|(?:(?:a|b)*a(?:a|b){300})c?)$' }),
      });
    },
    make: (client) =>
      unary(client, 'SetVariable', {
        sessionId: SESSION,
        variableIdentifier: 'guarded',
        value: textValue(randomText(16_000)),
      }),
  },
];

function namesOf(count: number, nameOf: (place: number) => string): string[] {
  return Array.from({ length: count }, (_, place) => nameOf(place));
}

function setsOf(sets: number, round: number, atomic: boolean): RequestOf<'SetVariables'> {
  const updates = Object.fromEntries(namesOf(sets, variableName).map((name) => [name, integerValue(round + 1)]));
  return { sessionId: SESSION, updates, atomic };
}

function linkSetsOf(sets: number, round: number): snakepit.bridge.ILinkUp {
  const kinds = Array<number>(sets).fill(FORM.INTEGER | SETS.NAME | SETS.MORE);
  kinds[sets - 1]! &= ~SETS.MORE;
  return {
    setKinds: kinds,
    setTargets: Array.from({ length: sets }, (_, place) => place),
    setNames: namesOf(sets, variableName),
    setIntegers: Array<number>(sets).fill(round + 1),
  };
}

function watchesOf(watches: number, flags: number, round = 0): snakepit.bridge.ILinkUp {
  return {
    watchFeeds: Array.from({ length: watches }, (_, place) => place + 1),
    watchFlags: Array<number>(watches).fill(flags),
    watchIdentifierCounts: Array<number>(watches).fill(1),
    watchIdentifiers: namesOf(watches, variableName),
    watchPatternCounts: Array<number>(watches).fill(0),
    // Each its own, and none asked before: nothing that was compiled is found again.
    watchConditions: flags === 0 ? [] : namesOf(watches, (place) => `{"gt":${round * watches + place}}`),
  };
}

function unary<M extends MethodName>(client: Client, name: M, request: RequestOf<M>): () => Promise<void> {
  const bytes = METHODS[name].encodeRequest(request as never) as Buffer;
  return () =>
    new Promise((resolve) => {
      // A refusal is an answer too.
      client.makeUnaryRequest(pathOf(name), pass, pass, bytes, () => resolve());
    });
}

/** Until the watch is registered, or refused. */
function stream(client: Client, request: RequestOf<'WatchVariables'>): () => Promise<void> {
  const bytes = METHODS.WatchVariables.encodeRequest(request) as Buffer;
  return () =>
    new Promise((resolve) => {
      const call = client.makeServerStreamRequest(pathOf('WatchVariables'), pass, pass, bytes);
      call.on('metadata', () => call.cancel());
      call.on('error', () => resolve());
      call.on('data', () => undefined);
    });
}

/** Until it is said of each of so many rows what became of it. */
function link(client: Client, message: snakepit.bridge.ILinkUp, rows: number): () => Promise<void> {
  const bytes = Buffer.from(snakepit.bridge.LinkUp.encode({ hello: { sessionId: SESSION }, ...message }).finish());
  return () =>
    new Promise((resolve) => {
      const call = client.makeBidiStreamRequest(LINK_PATH, pass, pass);
      let answered = 0;
      call.on('error', () => resolve());
      call.on('data', (down: Buffer) => {
        const { setVersions, kinds } = snakepit.bridge.LinkDown.decode(down);
        answered += setVersions.length + kinds.filter((kind) => ANSWERS.has(kind & ROW_MASK)).length;
        if (answered >= rows) call.cancel();
      });
      call.write(bytes);
    });
}

function pass(bytes: Buffer): Buffer {
  return bytes;
}

function textValue(text: string): { type_url: string; value: Uint8Array } {
  return { type_url: 'type.googleapis.com/snakepit.string', value: Buffer.from(JSON.stringify(text)) };
}

function randomText(length: number): string {
  let text = '';
  for (let seed = 12_345; text.length < length; seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff) {
    text += (seed >> 16) & 1 ? 'a' : 'b';
  }
  return text;
}

function longName(variable: number): string {
  return `${'ab'.repeat(120)}${variable}`.padEnd(250, 'a');
}

/** Wildcards that nearly match, and only nearly. */
function hardPattern(place: number): string {
  return `${'*a*b'.repeat(20)}*${place}c`;
}

const ANSWERS: ReadonlySet<number> = new Set([ROW.REGISTERED, ROW.ENDED]);
