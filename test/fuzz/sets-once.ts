/**
 * A client that sends its sets again, out of order, cut and by several links at once, and others that use its link id: whatever it does, no set
 * is made twice, and what was answered was made. Each set has a value of its own, so that the history tells.
 */

import { EMPTY_METADATA } from '../../src/shared/values/metadata.js';
import { LinkSetWriter } from '../../src/shared/wire/link-set-writer.js';
import { Random } from '../chaos/programs/random.js';
import type { PlainClient } from '../server/plain-client.js';
import { clientOf, PlainLink } from '../server/plain-link.js';

/** Sends `sets` sets of `name`, a float of both sessions; returns what must not be. */
export async function sendCarelessly(
  client: PlainClient,
  port: number,
  name: string,
  sets: number,
  seed: number,
): Promise<string[]> {
  const random = new Random(seed);
  const linkId = Buffer.alloc(16, random.whole(1, 255));
  linkId.writeUInt32LE(seed, 0);
  const connection = clientOf(port);
  const findings: string[] = [];
  const answered = new Map<number, number>();
  /** The last whose outcome the client has heard. */
  let heard = 0;
  let rounds = 0;
  while (heard < sets && rounds < MOST_ROUNDS) {
    rounds += 1;
    const sessionId = random.chance(0.15) ? OTHER_SESSION : SESSION;
    const link = new PlainLink(connection).read();
    const saysAnswered = random.chance(0.7) ? heard : 0;
    link.hello({}, { sessionId, linkId, setsAnswered: saysAnswered });
    let next = heard + 1;
    for (let left = random.whole(1, 6); left > 0 && !link.isOver; left -= 1) {
      const count = random.whole(1, 5);
      const from = random.chance(0.8) ? next : Math.max(1, next + random.whole(-4, 4));
      link.sendBytes(setsFrom(name, from, Math.min(count, sets - from + 1)));
      if (from === next) next = Math.min(sets + 1, next + count);
      if (random.chance(0.3)) await link.whenAnswered(0, random.whole(0, 3));
    }
    link.send({ keptQuestion: 1 });
    if (random.chance(0.6)) await link.whenAnswered(1, ANSWER_MS);
    if (random.chance(0.5)) link.call.end();
    else link.call.cancel();
    await link.end();
    if (sessionId !== SESSION) continue;
    const { setsMade, setsLost, setsContinue } = link.messages[0]?.welcome ?? {};
    if (link.messages[0] === undefined) continue;
    // Outcomes are those behind what the client has said it has, now or before, or from the first that it sent.
    const first = setsContinue ? Math.max(saysAnswered, setsLost ?? 0) + 1 : heard + 1;
    if (heard > 0 && !setsContinue)
      findings.push(`the server forgot the link id after ${heard} sets, made ${setsMade}`);
    for (const [place, outcome] of link.outcomes.entries()) {
      const sequence = first + place;
      if (typeof outcome !== 'number') findings.push(`set ${sequence} was refused: ${outcome}`);
      else if ((answered.get(sequence) ?? outcome) !== outcome) {
        findings.push(`set ${sequence} was answered with version ${answered.get(sequence)} and with ${outcome}`);
      } else answered.set(sequence, outcome);
      heard = Math.max(heard, sequence);
    }
  }
  connection.close();
  if (heard < sets) findings.push(`${heard} of ${sets} sets were answered in ${rounds} rounds`);
  const { entries } = await client.call('GetVariableHistory', { sessionId: SESSION, variableIdentifier: name });
  const values = (entries ?? []).map(
    (entry) => [Number(entry.version), JSON.parse(String(entry.value?.value)) as number] as const,
  );
  const versionOf = new Map<number, number>();
  for (const [version, value] of values) {
    if (versionOf.has(value))
      findings.push(`set ${value} was made as version ${versionOf.get(value)} and as ${version}`);
    versionOf.set(value, version);
  }
  for (const [sequence, version] of answered) {
    if (versionOf.get(sequence) !== version)
      findings.push(`set ${sequence} was answered with ${version}, and is ${versionOf.get(sequence)}`);
  }
  return findings;
}

/** Set n has the value n. */
function setsFrom(identifier: string, from: number, count: number): Uint8Array {
  const writer = new LinkSetWriter();
  for (let value = from; value < from + count; value += 1) {
    writer.add({ identifier, value, source: '', metadata: EMPTY_METADATA, expectedVersion: 0, isFollowed: false });
  }
  return writer.take(from, 0);
}

export const SESSION = 's';
export const OTHER_SESSION = 'other';
const ANSWER_MS = 5_000;
const MOST_ROUNDS = 2_000;
