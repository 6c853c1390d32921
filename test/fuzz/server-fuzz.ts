/**
 * Changed frames against a real server in a process of its own. Each is answered, by an error that ends its link or by going on; the server
 * lives, says no mistake of its own, and holds nothing afterwards.
 */
import { randomBytes } from 'node:crypto';
import type { BridgeServerMetrics } from '../../src/server/index.js';
import { EMPTY_METADATA } from '../../src/shared/values/metadata.js';
import { snakepit } from '../../src/shared/wire/gen/bridge.js';
import { LinkSetWriter } from '../../src/shared/wire/link-set-writer.js';
import { until } from '../../src/testing/within.js';
import { Random } from '../chaos/programs/random.js';
import { PlainClient } from '../server/plain-client.js';
import { clientOf, PlainLink } from '../server/plain-link.js';
import { ServerProcess } from '../support/server-process.js';
import { NAMES, recordCorpus, SESSION } from './corpus.js';
import type { MessageType } from './mutation.js';
import { mutated, mutatedColumns } from './mutation.js';
import type { FuzzReport } from './report.js';

export async function fuzzServer(seed: number, frames: number): Promise<FuzzReport> {
  const server = await ServerProcess.start(SERVER_OPTIONS, ['--expose-gc']);
  const client = new PlainClient(server.port);
  const findings: string[] = [];
  const ends: Record<string, number> = {};
  let made = 0;
  let links = 0;
  let halfRssBytes = 0;
  try {
    const up = (await recordCorpus(server.port)).up.map(withoutHello);
    const lane = async (number: number): Promise<void> => {
      const random = new Random(seed, number);
      const connection = clientOf(server.port);
      while (made < frames && findings.length < MOST_FINDINGS) {
        links += 1;
        const link = new PlainLink(connection).read();
        // Now and then as a client that has links already, and that of others.
        const linkId = random.one([
          Buffer.alloc(0),
          Buffer.alloc(0),
          randomBytes(16),
          Buffer.alloc(16, random.whole(0, 3)),
        ]);
        link.hello({}, { sessionId: SESSION, linkId });
        link.sendBytes(names());
        for (let question = 1; question <= FRAMES_A_LINK && !link.isOver; question += 1) {
          made += 1;
          const bytes = frameOf(up, random);
          link.sendBytes(bytes);
          link.send({ keptQuestion: question });
          const isAnswered = await link.whenAnswered(question, ANSWER_MS);
          if (isAnswered || link.isOver) continue;
          findings.push(`not answered: ${bytes.toString('hex')}`);
        }
        // Many cancelled calls end a connection.
        link.call.end();
        const { code, details, metadata } = await link.end();
        const said = String(metadata.get('bridge-error')[0] ?? `status ${code}`);
        ends[said] = (ends[said] ?? 0) + 1;
        if (!EXPECTED.has(said)) findings.push(`ended by ${said}: ${details}`);
        if (halfRssBytes === 0 && made > frames / 2) halfRssBytes = (await server.report()).rssBytes;
      }
      connection.close();
    };
    await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
    await client.call('Ping', { message: 'alive' });
    await until(async () => isIdle((await server.report()).metrics), 'nothing is left', 30_000);
    const { rssBytes } = await server.report();
    const grownMb = Math.round((rssBytes - halfRssBytes) / 2 ** 20);
    if (grownMb > MOST_GROWN_MB) findings.push(`the server grew by ${grownMb} MB over its second half`);
  } catch (error) {
    findings.push(server.child.exitCode === null ? String(error) : `the server ended: ${String(error)}`);
  } finally {
    client.close();
    await server.close();
  }
  return { frames: made, links, ends, findings };
}

/** As it was, changed as bytes, or changed as columns. */
function frameOf(up: readonly Uint8Array[], random: Random): Buffer {
  const bytes = random.one(up);
  if (random.chance(0.1)) return Buffer.from(bytes);
  return random.chance(0.4) ? mutated(bytes, up, random) : mutatedColumns(bytes, LINK_UP, random);
}

/** Sets that give the numbers of the corpus their names. */
function names(): Uint8Array {
  const writer = new LinkSetWriter();
  for (const identifier of [...NAMES, 'nobody', 'later']) {
    const set = { identifier, value: 1, source: '', metadata: EMPTY_METADATA, expectedVersion: 0, isFollowed: false };
    writer.add(set);
  }
  return writer.take(1, 0);
}

/** A second one ends a link before anything else is looked at. */
function withoutHello(bytes: Uint8Array): Uint8Array {
  const { hello: _, ...rest } = LINK_UP.decode(bytes) as snakepit.bridge.LinkUp;
  return LINK_UP.encode(rest).finish();
}

function isIdle({ streams, observers, links }: BridgeServerMetrics): boolean {
  return streams + observers + links === 0;
}

const LINK_UP: MessageType = snakepit.bridge.LinkUp;
/** What was asked for wrongly, or is not there; never a mistake of the server. */
const EXPECTED: ReadonlySet<string> = new Set([
  'INVALID_ARGUMENT',
  'SESSION_NOT_FOUND',
  'ABORTED',
  'QUOTA_EXCEEDED',
  'MESSAGE_TOO_LARGE',
  'status 0',
]);
const SERVER_OPTIONS = { history: { maxVersions: 50, maxSessionBytes: 1_000_000 }, heartbeatMs: 60_000 };
const LANES = 16;
const FRAMES_A_LINK = 16;
const ANSWER_MS = 10_000;
const MOST_FINDINGS = 20;
const MOST_GROWN_MB = 64;
