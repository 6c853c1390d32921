/**
 * Changed frames of a server against what a client reads them with: the reader, the session and the feeds of a link. Whatever they are, they are
 * read or refused by ProtocolError, in a time that their size allows, and nothing grows but with what is watched.
 */
import { performance } from 'node:perf_hooks';
import type { Update } from '../../src/shared/delivery/update.js';
import { BridgeError, ProtocolError } from '../../src/shared/errors.js';
import type { SubscriptionOptions } from '../../src/shared/port/commands.js';
import { FoundHandles } from '../../src/shared/port/handles.js';
import { snakepit } from '../../src/shared/wire/gen/bridge.js';
import { SetQueue } from '../../src/workers/calls/set-queue.js';
import { LinkSession } from '../../src/workers/transport/link-session.js';
import type { FeedSink } from '../../src/workers/watch/watch-feed.js';
import { WatchFeed } from '../../src/workers/watch/watch-feed.js';
import { Random } from '../chaos/programs/random.js';
import { ServerProcess } from '../support/server-process.js';
import { NAMES, recordCorpus } from './corpus.js';
import type { MessageType } from './mutation.js';
import { mutated, mutatedColumns } from './mutation.js';
import type { FuzzReport } from './report.js';

export async function fuzzClient(seed: number, frames: number): Promise<FuzzReport> {
  const server = await ServerProcess.start();
  const recorded = await recordCorpus(server.port).finally(() => server.close());
  const down = recorded.down.map((bytes, place) => (place % 8 === 0 ? bytes : withoutOutcomes(bytes)));
  const random = new Random(seed);
  const findings: string[] = [];
  const ends: Record<string, number> = {};
  let links = 0;
  let session: LinkSession | undefined;
  let left = 0;
  let halfHeapBytes = 0;
  for (let made = 0; made < frames && findings.length < MOST_FINDINGS; made += 1) {
    if (session === undefined || left === 0) {
      links += 1;
      left = FRAMES_A_LINK;
      session = sessionOf(down, random);
    }
    left -= 1;
    const bytes = frameOf(down, random);
    const startedMs = performance.now();
    try {
      session.handleMessage(bytes, made + 1);
    } catch (error) {
      session = undefined;
      const code = error instanceof BridgeError ? error.code : 'a mistake';
      ends[code] = (ends[code] ?? 0) + 1;
      if (!(error instanceof ProtocolError)) findings.push(`${String(error)}: ${bytes.toString('hex')}`);
    }
    const tookMs = performance.now() - startedMs;
    if (tookMs > MOST_MS) findings.push(`took ${tookMs.toFixed(0)} ms: ${bytes.toString('hex')}`);
    if (made === frames >> 1) halfHeapBytes = heapBytes();
  }
  const grownMb = Math.round((heapBytes() - halfHeapBytes) / 2 ** 20);
  if (collects() && grownMb > MOST_GROWN_MB) findings.push(`the heap grew by ${grownMb} MB over the second half`);
  return { frames, links, ends, findings };
}

/** In the middle of its life: welcome, with feeds of all kinds. */
function sessionOf(down: readonly Uint8Array[], random: Random): LinkSession {
  const hello = { sessionId: 's', maxBytes: 1 << 20, linkId: LINK_ID, setsAnswered: 0, setsDone: 0, epoch: '' };
  const session = new LinkSession(hello, new SetQueue(LINK_ID), {
    handleRegistered: () => undefined,
    handleEnded: () => undefined,
    handleDraining: () => undefined,
    handleServers: () => undefined,
  });
  for (const [place, options] of OPTIONS.entries()) {
    const names = place === 0 ? NAMES : [NAMES[0]];
    const patterns = place === OPTIONS.length - 1 ? { patterns: ['*'], subscription: 1, handles: HANDLES } : undefined;
    const feed = new WatchFeed(
      patterns === undefined ? names : [],
      names.map((_, at) => at),
      undefined,
      options,
      SINK,
      0,
      patterns,
    );
    session.open(feed, feed.request('e', true));
    feed.handleOpening();
  }
  session.takeRequest(1 << 20);
  // A prefix of what the server said, as it was.
  for (const bytes of down.slice(0, random.whole(1, 6))) session.handleMessage(bytes, 1);
  return session;
}

function frameOf(down: readonly Uint8Array[], random: Random): Buffer {
  const bytes = random.one(down);
  if (random.chance(0.1)) return Buffer.from(bytes);
  return random.chance(0.5) ? mutated(bytes, down, random) : mutatedColumns(bytes, LINK_DOWN, random);
}

/** Of sets, which these sessions have not sent: they end a link before anything else is looked at. */
function withoutOutcomes(bytes: Uint8Array): Uint8Array {
  const { setVersions: _, refusalCodes: __, refusalMessages: ___, ...rest } = snakepit.bridge.LinkDown.decode(bytes);
  return snakepit.bridge.LinkDown.encode(rest).finish();
}

/** Without it, garbage would count as growth. */
function collects(): boolean {
  return 'gc' in globalThis;
}

function heapBytes(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return process.memoryUsage().heapUsed;
}

const SINK: FeedSink = {
  deliver: (_: Update) => true,
  handleState: () => undefined,
  handleSynced: () => undefined,
  handlePulse: () => undefined,
  handleTrouble: () => undefined,
  handleOverflow: () => undefined,
  handleNothingLeft: () => undefined,
};

const PLAIN: SubscriptionOptions = {
  includeInitial: true,
  condition: undefined,
  waitForMissing: false,
  atomic: false,
  bufferLimit: 16,
  overflow: 'conflate',
  priority: 'normal',
  staleAfterMs: 0,
};
const OPTIONS: readonly SubscriptionOptions[] = [
  PLAIN,
  { ...PLAIN, condition: { crosses: 5 } },
  { ...PLAIN, condition: { and: [{ gt: 2 }, { not: { in: [3, 4] } }] }, staleAfterMs: 1_000 },
  { ...PLAIN, atomic: true },
  { ...PLAIN, waitForMissing: true },
];
const LINK_DOWN: MessageType = snakepit.bridge.LinkDown;
/** Of what the pattern finds. */
const HANDLES = new FoundHandles();
const LINK_ID = new Uint8Array(16);
const FRAMES_A_LINK = 32;
const MOST_FINDINGS = 20;
/** Far more than any frame of 64 KB takes, and less than one whose work is not bounded by its size. */
const MOST_MS = 1_000;
const MOST_GROWN_MB = 32;
