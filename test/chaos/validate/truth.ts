/**
 * Which value is which version of which life of a variable, from everybody who said so: registrations, the server's history, watchers.
 * They have to agree; where two do not, somebody got a value that was not theirs, or a version twice.
 */
import type { EpochRecord, History, RegistrationRecord, SetRecord, WatchRecord } from '../history/history.js';
import type { Tag } from '../history/value-tag.js';
import type { Violation } from './violation.js';

interface Claim {
  readonly id: string;
  readonly version: number;
  readonly source: string;
}

export class Truth {
  readonly disagreements: Violation[] = [];
  /** By variable id. */
  readonly #lives = new Map<string, RegistrationRecord>();
  readonly #sets = new Map<string, SetRecord>();
  readonly #repeated = new Set<string>();
  /** By id and version. */
  readonly #tags = new Map<string, { readonly tag: Tag; readonly source: string }>();
  /** By tag: the first who said where it is. */
  readonly #claims = new Map<string, Claim>();
  readonly #epochs: readonly EpochRecord[];
  readonly #rolledBack: ReadonlySet<string>;

  constructor(history: History) {
    this.#epochs = history.epochs;
    this.#rolledBack = new Set(
      history.rollbacks.map(({ session, variable, version }) => `${session}/${variable}@${version}`),
    );
    this.#findRolledBack(history);
    for (const set of history.sets) {
      if (set.isRepeat) this.#repeated.add(key(set.tag));
      else this.#sets.set(key(set.tag), set);
    }
    for (const registration of history.registrations) {
      if (registration.id === undefined) continue;
      this.#lives.set(registration.id, registration);
      this.#claim(registration.id, 1, registration.tag, 'its registration');
    }
    for (const { id, kept } of history.quiet?.variables ?? []) {
      for (const { version, tag } of kept) this.#claim(id, version, tag, "the server's history");
    }
    for (const watch of history.watches) this.#hear(watch);
  }

  /** The registration that began a life; undefined when its answer was lost. */
  lifeOf(id: string): RegistrationRecord | undefined {
    return this.#lives.get(id);
  }

  /** Which server, and which session, the life was on: how many had begun before it; undefined when nobody knows. */
  epochOf(id: string): number | undefined {
    const life = this.#lives.get(id);
    if (life === undefined) return undefined;
    const isOfIt = ({ session }: EpochRecord) => session === undefined || session === life.tag.session;
    return this.#epochs.filter((epoch) => epoch.atMs <= life.startMs && isOfIt(epoch)).length;
  }

  /** The version that a value has in a life; undefined when nobody said, or when it may have several. */
  versionOf(id: string, tag: Tag): number | undefined {
    if (this.isRepeated(tag)) return undefined;
    const claim = this.#claims.get(key(tag));
    return claim?.id === id ? claim.version : undefined;
  }

  /** A value that was sent twice may have been made twice. */
  isRepeated(tag: Tag): boolean {
    return this.#repeated.has(key(tag));
  }

  claimOf(tag: Tag): { readonly id: string; readonly version: number } | undefined {
    return this.#claims.get(key(tag));
  }

  /** A value at a version that somebody went back to is at a later one too. */
  #findRolledBack(history: History): void {
    if (this.#rolledBack.size === 0) return;
    const hear = (tag: Tag | undefined, version: number | undefined): void => {
      if (tag !== undefined && this.#rolledBack.has(`${tag.session}/${tag.variable}@${version}`))
        this.#repeated.add(key(tag));
    };
    for (const { tag, version } of history.sets) hear(tag, version);
    for (const { tag } of history.registrations) hear(tag, 1);
    for (const { kept } of history.quiet?.variables ?? []) for (const { tag, version } of kept) hear(tag, version);
    for (const { entries } of history.watches)
      for (const entry of entries) if (entry.kind === 'call') hear(entry.now, entry.version);
  }

  #hear(watch: WatchRecord): void {
    for (const entry of watch.entries) {
      if (entry.kind !== 'call' || entry.now === undefined) continue;
      this.#claim(entry.variableId, entry.version, entry.now, `watch ${watch.label}`);
    }
  }

  #claim(id: string, version: number, tag: Tag, source: string): void {
    const place = `${id}@${version}`;
    const other = this.#tags.get(place);
    if (other === undefined) this.#tags.set(place, { tag, source });
    else if (key(other.tag) !== key(tag)) {
      this.#disagree(`${place} is ${said(other.tag)} says ${other.source}, and ${said(tag)} says ${source}`);
    }
    const life = this.#lives.get(id);
    if (life !== undefined && (life.tag.session !== tag.session || life.tag.variable !== tag.variable)) {
      this.#disagree(`${source} has ${said(tag)} as a value of ${place}, which is variable ${said(life.tag)}`);
    }
    const claim = this.#claims.get(key(tag));
    const set = this.#sets.get(key(tag));
    if (claim === undefined) this.#claims.set(key(tag), { id, version, source });
    else if ((claim.id !== id || claim.version !== version) && !this.isRepeated(tag)) {
      this.#disagree(`${said(tag)} is ${claim.id}@${claim.version} says ${claim.source}, and ${place} says ${source}`);
    }
    const isOlder = life !== undefined && set?.version !== undefined && (set.endMs ?? 0) < life.startMs;
    if (isOlder && !this.isRepeated(tag)) {
      this.#disagree(`${said(tag)} was acknowledged before ${id} was registered, and is ${place} says ${source}`);
    }
    if (set?.version !== undefined && !this.isRepeated(tag) && set.version !== version) {
      this.#disagree(
        `the set of ${said(tag)} was acknowledged as version ${set.version}, and is ${place} says ${source}`,
      );
    }
  }

  #disagree(sentence: string): void {
    this.disagreements.push({ rule: '02-values-are-of-their-variable', sentence });
  }
}

/** Session, variable and number of a value, to be read. */
export function said({ session, variable, seq }: Tag): string {
  return `s${session}v${variable}#${seq}`;
}

export function key({ session, variable, seq }: Tag): string {
  return `${session}/${variable}/${seq}`;
}

export function isSame(one: Tag | undefined, other: Tag | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return one.seq === other.seq && one.variable === other.variable && one.session === other.session;
}
