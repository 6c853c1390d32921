/** A link of nothing but grpc-js and the generated messages: what any language's client does. Rows are told as short sentences. */
import type { ClientDuplexStream, Metadata, StatusObject } from '@grpc/grpc-js';
import { Client, credentials } from '@grpc/grpc-js';
import { snakepit } from '../../src/shared/wire/gen/bridge.js';
import { LINK_PATH } from '../../src/shared/wire/services.js';
import { until, within } from '../support/deadline.js';

export type Up = snakepit.bridge.ILinkUp;
type Down = snakepit.bridge.LinkDown;

export class PlainLink {
  /** Undefined where it is another's, which others share. */
  readonly #client: Client | undefined;
  readonly call: ClientDuplexStream<Uint8Array, Buffer>;
  readonly ended: Promise<StatusObject>;
  readonly messages: Down[] = [];
  /** `registered 1`, `initial fan=2 to 1`, `change fan=3 to 1 before 20`, `kept ID to 7`, `answer 1`, `ended 1 VARIABLE_NOT_FOUND`, … */
  readonly rows: string[] = [];
  /** Of sets: a version, or the code of a refusal. */
  readonly outcomes: (number | string)[] = [];
  /** Versions told and missed. */
  versions = 0;
  missed = 0;
  readonly #missedOf = new Map<number, number>();
  readonly #kept = new Map<number, string>();
  isOver = false;
  #onWord: () => void = () => undefined;
  readonly #handles = new Map<number, { readonly feed: number; readonly name: string; version: number }>();

  /** `on`: a port, or a client whose connection it shares. */
  constructor(on: number | Client, metadata?: Metadata) {
    const client = typeof on === 'number' ? clientOf(on) : on;
    this.#client = typeof on === 'number' ? client : undefined;
    const pass = <T>(bytes: T): T => bytes;
    const args = metadata === undefined ? [] : [metadata];
    this.call = client.makeBidiStreamRequest(
      LINK_PATH,
      (bytes: Uint8Array) => Buffer.from(bytes),
      pass,
      ...(args as [Metadata]),
    );
    this.ended = new Promise((resolve) =>
      this.call.on('status', (status) => {
        this.isOver = true;
        this.#onWord();
        resolve(status);
      }),
    );
    this.call.on('error', () => undefined);
  }

  /** Reads from now on. */
  read(): this {
    this.call.on('data', (bytes: Buffer) => {
      const message = snakepit.bridge.LinkDown.decode(bytes);
      this.messages.push(message);
      this.#tell(message);
      this.#onWord();
    });
    return this;
  }

  missedOf(feed: number): number {
    return this.#missedOf.get(feed) ?? 0;
  }

  send(message: Up): void {
    this.sendBytes(snakepit.bridge.LinkUp.encode(message).finish());
  }

  sendBytes(bytes: Uint8Array): void {
    this.call.write(bytes);
  }

  hello(more: Up = {}, hello: snakepit.bridge.ILinkHello = {}): void {
    this.send({ hello: { sessionId: 's', ...hello }, ...more });
  }

  when(row: string): Promise<void> {
    return until(5_000, () => this.rows.includes(row), `"${row}" among ${this.rows.join(', ')}`);
  }

  /** Whether the question was answered before the link ended, and in time. */
  async whenAnswered(question: number, ms: number): Promise<boolean> {
    const row = `answer ${question}`;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onWord = () => {
        if (this.isOver || this.rows.includes(row)) resolve();
      };
      this.#onWord();
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    return this.rows.includes(row);
  }

  end(): Promise<StatusObject> {
    return within(5_000, this.ended, 'the end of the link');
  }

  close(): void {
    this.call.cancel();
    this.#client?.close();
  }

  #tell(message: Down): void {
    const places = new Map<string, number>();
    const take = <T>(name: string): T => {
      const place = places.get(name) ?? 0;
      places.set(name, place + 1);
      return (message as unknown as Record<string, T[]>)[name]![place]!;
    };
    let refused = 0;
    for (const version of message.setVersions ?? []) {
      if (version > 0) this.outcomes.push(version);
      else {
        this.outcomes.push(message.refusalCodes![refused]!);
        refused += 1;
      }
    }
    for (const kind of message.kinds ?? []) {
      const row = ROWS[kind & 7]!;
      if (row === 'heartbeat') {
        this.rows.push(row);
        continue;
      }
      const target = take<number>('targets');
      if (row === 'ended') {
        take('endMessages');
        this.rows.push(`ended ${target} ${take<number>('endStatuses')} ${take<string>('endCodes')}`.trim());
      } else if ((kind & 7) > 3) this.rows.push(`${row} ${target}`);
      else {
        const step = take<number>('versionSteps');
        if ((kind & 2048) === 0) this.#handles.get(target)!.version += step;
        else {
          const version = take<number>('announcedVersions');
          this.#handles.set(target, { feed: take('announcedFeeds'), name: take('announcedNames'), version });
        }
        const { feed, name, version } = this.#handles.get(target)!;
        this.versions += 1;
        if ((kind & 512) !== 0) {
          const missed = take<number>('missed');
          this.missed += missed;
          this.#missedOf.set(feed, this.missedOf(feed) + missed);
        }
        const before = (kind & 4096) === 0 ? '' : ` before ${valueIn((kind >> 13) & 7, take)}`;
        valueIn((kind >> 3) & 7, take);
        this.rows.push(`${row} ${name}=${version} to ${feed}${before}`);
      }
    }
    for (const target of message.keptTargets ?? []) {
      if (target % 2 === 1) this.#kept.set(target >> 1, take('keptIds'));
      this.rows.push(`kept ${this.#kept.get(target >> 1)} to ${take<number>('keptVersions')}`);
    }
    for (const answer of message.keptAnswers ?? []) this.rows.push(`answer ${answer}`);
  }
}

/** Numbers as they are, anything else by its column. */
function valueIn(form: number, take: <T>(name: string) => T): unknown {
  if (form === 1) return take('doubles');
  if (form === 2) return take('integers');
  if (form === 3 || form === 4) return form === 3;
  if (form === 5) return take('texts');
  if (form === 7) take('payloads');
  if (form >= 6) take('payloads');
  return form === 0 ? undefined : 'payload';
}

export function clientOf(port: number): Client {
  return new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
  });
}

export const watch = (feed: number, identifiers: readonly string[], flags = 0): Up => ({
  watchFeeds: [feed],
  watchFlags: [flags],
  watchIdentifierCounts: [identifiers.length],
  watchIdentifiers: [...identifiers],
  watchPatternCounts: [0],
});

const ROWS = ['change', 'initial', 'resync', 'deleted', 'registered', 'synced', 'heartbeat', 'ended'] as const;
