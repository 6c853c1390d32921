/** Which primary of a cluster serves which slot. Path: redis (`CLUSTER SLOTS`) -> [slot map] -> cluster primaries. Pure. */
import { encodeUtf8 } from '../../../../shared/values/utf8.js';
import type { RedisNode } from '../connection/redis-address.js';
import { shownNode } from '../connection/redis-address.js';

export const SLOTS = 16_384;

/** As a cluster counts: CRC16 of the key, or of what stands in its first braces where that is something. */
export function slotOf(key: string): number {
  const tag = /\{([^}]+)\}/.exec(key);
  const isTagged = tag !== null && key.indexOf('{') === tag.index;
  let crc = 0;
  for (const byte of encodeUtf8(isTagged ? tag[1]! : key)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = ((crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021) & 0xffff;
  }
  return crc % SLOTS;
}

/** What one node of the cluster says of all. */
export class SlotMap {
  /** By their address; replicas stand behind `primaries`. */
  readonly primaries = new Map<string, RedisNode>();
  readonly replicas = new Map<string, RedisNode>();
  readonly #ranges: { readonly first: number; readonly last: number; readonly primary: string }[] = [];
  #slots = 0;

  /** `said`: to `CLUSTER SLOTS`, by the node at `asked`, which may not know what it is called. */
  constructor(said: unknown, asked: RedisNode) {
    for (const [first, last, ...nodes] of said as readonly (readonly [number, number, ...SaidNode[]])[]) {
      const [primary, ...replicas] = nodes.flatMap(([host, port]) =>
        host === '?' ? [] : [{ host: host === null || host === '' ? asked.host : host, port: Number(port) }],
      );
      if (primary === undefined) continue;
      const name = shownNode(primary);
      this.primaries.set(name, primary);
      for (const replica of replicas) this.replicas.set(shownNode(replica), replica);
      this.#ranges.push({ first: Number(first), last: Number(last), primary: name });
      this.#slots += Number(last) - Number(first) + 1;
    }
  }

  /** Every slot is somebody's. */
  get isWhole(): boolean {
    return this.#slots === SLOTS;
  }

  /** The address of its primary. */
  ownerOf(slot: number): string | undefined {
    return this.#ranges.find(({ first, last }) => first <= slot && slot <= last)?.primary;
  }
}

type SaidNode = readonly [host: string | null, port: number, ...unknown[]];
