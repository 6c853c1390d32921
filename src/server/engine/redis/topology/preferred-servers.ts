/** Which servers a bucket's clients shall ask first: rendezvous hashing, so that one which comes or goes moves its own share only. Pure. */
import { hashOf } from '../format/keys.js';

/** All of them: the first two are the bucket's own, the others follow in an order of its own too. */
export function preferredServers(bucket: number, servers: readonly string[]): string[] {
  const rank = new Map(servers.map((server) => [server, hashOf(`${server} ${bucket}`)]));
  return [...servers].sort((a, b) => rank.get(b)! - rank.get(a)! || (a < b ? -1 : 1));
}
