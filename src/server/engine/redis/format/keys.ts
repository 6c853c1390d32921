/**
 * Where a session lives in Redis. All keys of a bucket have its hash tag, so that one script and one slot of a cluster hold it.
 * Path: redis engine -> [keys] -> scripts. Pure. The layout is a contract: servers of several ages read it (docs/operations.md).
 */

/** Fixed: a session's bucket must not move when servers come and go. */
export const BUCKETS = 256;

/** What every server reads, whichever sessions it serves: format and epoch, and the buckets that are in use. */
export interface RootKeys {
  /** Hash: `format`, `epoch`. */
  readonly meta: string;
  /** Stream: a bucket that has got its first session. */
  readonly buckets: string;
  /** Sorted set: endpoints of servers, until when they live. */
  readonly servers: string;
}

export function rootKeys(prefix: string): RootKeys {
  return { meta: `${prefix}bs:meta`, buckets: `${prefix}bs:buckets`, servers: `${prefix}bs:servers` };
}

/**
 * What the keys of a bucket begin with. Behind it: `head` (hash: generation, run, position), `log` (stream: commits), `sessions` (set of ids),
 * and of a session `s:ID` (hash: revision, metadata, …), `n:ID` (name -> id), `r:ID` (id -> registration),
 * `v:ID` (id -> present version, id:0 to id:15 -> the last sixteen), `x:ID` (sorted set: when ids expire), `g:ID` (list: the last
 * 1,024 that went), and `w:LINK` (sequence -> outcome).
 */
export function bucketPrefix(prefix: string, bucket: number): string {
  return `${prefix}bs:{b${bucket}}:`;
}

/** Of whatever the commit script may touch for a session and a link. */
export function keysOfCommit(prefix: string, sessionId: string, link: string): string[] {
  const keys = ['s:', 'g:', 'n:', 'r:', 'v:', 'x:'].map((kind) => `${prefix}${kind}${sessionId}`);
  return link === '' ? keys : [...keys, `${prefix}w:${link}`];
}

export function keysOfBucket(prefix: string): string[] {
  return ['head', 'log', 'sessions'].map((name) => `${prefix}${name}`);
}

export function bucketOf(sessionId: string): number {
  return hashOf(sessionId) % BUCKETS;
}

/** FNV-1a over UTF-16 units. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return hash >>> 0;
}
