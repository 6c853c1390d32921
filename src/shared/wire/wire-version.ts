/**
 * The published version field has 32 bits, versions inside have 53: before 2^31 - 1 a new epoch begins on the wire.
 * A variable's versions 1 … SPAN are era 0, the next SPAN era 1, and so on; the era is the tail of the epoch that the stream says.
 */

/** Versions of one era: the wire counts 1 to 2^31 - 2. */
export const ERA_SPAN = 2 ** 31 - 2;

/** The version as the published 32-bit field says it. */
export function wireVersion(version: number): number {
  return version <= ERA_SPAN ? version : ((version - 1) % ERA_SPAN) + 1;
}

export function eraOf(version: number): number {
  return version <= ERA_SPAN ? 0 : Math.floor((version - 1) / ERA_SPAN);
}

/** The server's epoch, with the era behind it from era 1 on. */
export function wireEpoch(epoch: string, version: number): string {
  const era = eraOf(version);
  return era === 0 ? epoch : `${epoch}.${era}`;
}

/** The version that a client means by a 32-bit one: it knows the variable's present era at best. */
export function versionFromWire(wire: number, present: number): number {
  return wire <= 0 ? wire : eraOf(present) * ERA_SPAN + wire;
}
