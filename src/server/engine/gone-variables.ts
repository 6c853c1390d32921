/**
 * Deleted variables that a session remembers, for watches that come back after a break. Path: engine -> [gone variables] -> watch registration.
 * Pure. Full: the oldest go first, and whoever was away before that is told less. Closed: `clear`.
 */
import { registrationBytes, versionBytes } from '../../shared/state/held-bytes.js';
import type { Change } from '../../shared/state/variable.js';

export class GoneVariables {
  readonly #byId = new Map<string, Change>();
  /** Those of each name, in the order in which they went; an array only where there are several. */
  readonly #byName = new Map<string, Change | Change[]>();
  /** Of the newest deletion that is not remembered. */
  #forgottenRevision = 0;
  #bytes = 0;

  /** By estimate. */
  get bytes(): number {
    return this.#bytes;
  }

  get forgottenRevision(): number {
    return this.#forgottenRevision;
  }

  /** How a variable went, for as long as that is remembered. */
  find(variableId: string): Change | undefined {
    return this.#byId.get(variableId);
  }

  /** How the first variable of that name went that went after this revision: whoever watched the name until then meant that one. */
  findByName(name: string, revision: number): Change | undefined {
    const known = this.#byName.get(name);
    const all = Array.isArray(known) ? known : known === undefined ? [] : [known];
    return all.find(({ current }) => current.revision > revision);
  }

  /** In the order in which they went. */
  all(): IterableIterator<Change> {
    return this.#byId.values();
  }

  remember(change: Change): void {
    if (change.reason === 'session-ended') return;
    this.#byId.set(change.variable.id, change);
    this.#rememberName(change);
    this.#bytes += bytesOf(change);
    for (const [id, oldest] of this.#byId) {
      if (this.#byId.size <= MAX_GONE && this.#bytes <= MAX_GONE_BYTES) break;
      this.#byId.delete(id);
      this.#forgetName(oldest);
      this.#forgottenRevision = oldest.current.revision;
      this.#bytes -= bytesOf(oldest);
    }
  }

  /** What went up to there is not known. */
  forgetTo(revision: number): void {
    this.#forgottenRevision = Math.max(this.#forgottenRevision, revision);
  }

  clear(): void {
    this.#byId.clear();
    this.#byName.clear();
    this.#bytes = 0;
  }

  #rememberName(change: Change): void {
    const { name } = change.variable;
    const known = this.#byName.get(name);
    if (known === undefined) this.#byName.set(name, change);
    else if (Array.isArray(known)) known.push(change);
    else this.#byName.set(name, [known, change]);
  }

  /** The oldest of its name. */
  #forgetName({ variable: { name } }: Change): void {
    const known = this.#byName.get(name);
    if (Array.isArray(known) && known.length > 1) known.shift();
    else this.#byName.delete(name);
  }
}

function bytesOf(change: Change): number {
  return registrationBytes(change.variable) + versionBytes(change.current);
}

/** An older one's watch is told of its deletion without value and reason. */
const MAX_GONE = 1_024;
const MAX_GONE_BYTES = 1024 * 1024;
