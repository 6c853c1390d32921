/** Which slot owns a variable: rendezvous hashing, so that a change of the slot count moves as few as possible. Path: bridged state -> [placement] -> slot client. */

export function slotOf(sessionId: string, identifier: string, slots: number): number {
  if (slots === 1) return 0;
  const base = hash(identifier, hash(sessionId, OFFSET));
  let best = 0;
  let bestWeight = -1;
  for (let slot = 0; slot < slots; slot += 1) {
    const weight = mix(base ^ Math.imul(slot + 1, GOLDEN));
    if (weight > bestWeight) {
      best = slot;
      bestWeight = weight;
    }
  }
  return best;
}

/** FNV-1a over UTF-16 units. */
function hash(text: string, seed: number): number {
  let value = seed;
  for (let index = 0; index < text.length; index += 1) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value;
}

/** Spreads the bits: FNV alone leaves near names on near weights. */
function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

const OFFSET = 0x811c9dc5;
const GOLDEN = 0x9e3779b9;
