/**
 * Sessions out of a journal, as they were when the server ended. Path: journal -> [load sessions] -> local engine. What a snapshot has is in its table as
 * soon as it is read, and what the log has behind it follows; the versions before those are read later (history reader). Pure.
 */
import { bytesOfVersion } from '../../shared/state/held-bytes.js';
import type { Change } from '../../shared/state/variable.js';
import type { EngineHost } from './engine.js';
import type { Journal, Loaded, PackedRecord } from './journal.js';
import { LocalSession } from './local-session.js';
import type {
  ChangeRecord,
  CommitRecord,
  GoneRecord,
  PlacedOutcome,
  SessionRecord,
  VariableRecord,
  WindowRecord,
} from './records.js';

/** Returns the last place of the log, the highest number that a session has had, and the highest revision of one that is no more. */
export async function loadSessions(
  journal: Pick<Journal, 'load'>,
  host: EngineHost,
  generation: number,
  sessions: Map<string, LocalSession>,
): Promise<{ readonly place: number; readonly lastNumber: number; readonly endedRevision: number }> {
  const loading = new Map<number, LoadingSession>();
  const atMs = byHostClock(host);
  let lastNumber = 0;
  let endedRevision = 0;
  const found = await journal.load((kept: Loaded) => {
    switch (kept.kind) {
      case 'session':
        lastNumber = Math.max(lastNumber, kept.session.session);
        loading.set(kept.session.session, new LoadingSession(kept, host, generation, atMs));
        break;
      case 'variable':
        loading.get(kept.variable.session)?.addVariable(kept.variable);
        break;
      case 'packed':
        loading.get(kept.session)?.addPacked(kept.variable);
        break;
      case 'gone':
        loading.get(kept.gone.session)?.addGone(kept.gone);
        break;
      case 'window':
        loading.get(kept.session)?.addWindow(kept.window);
        break;
      case 'commit':
        lastNumber = Math.max(lastNumber, kept.commit.session);
        if (kept.commit.isEnd) endedRevision = Math.max(endedRevision, kept.commit.revision);
        loading.get(kept.commit.session)?.addCommit(kept.commit);
        break;
      default:
        kept satisfies never;
    }
  });
  for (const { session } of [...loading.values()].map((one) => one.finish())) sessions.set(session.id, session);
  return {
    place: found.place,
    lastNumber: Math.max(lastNumber, found.lastNumber),
    endedRevision: Math.max(endedRevision, found.endedRevision ?? 0),
  };
}

/** When something was, by a clock that nobody sets. */
export function byHostClock(host: EngineHost): (timestamp: number) => number {
  const nowMs = host.nowMs();
  const wallNow = host.table.timestampAt?.(nowMs) ?? nowMs;
  return (timestamp) => nowMs - Math.max(0, wallNow - timestamp);
}

class LoadingSession {
  readonly session: LocalSession;
  readonly #atMs: (timestamp: number) => number;
  #revision: number;
  #forgottenRevision: number;
  /** By place. */
  readonly #gone = new Map<number, Change>();
  readonly #windows = new Map<string, { from: number; outcomes: PlacedOutcome[] }>();

  constructor(
    kept: { readonly session: SessionRecord; readonly revision: number; readonly forgottenRevision: number },
    host: EngineHost,
    generation: number,
    atMs: (timestamp: number) => number,
  ) {
    const { sessionId, session: number, metadata, createdAt } = kept.session;
    this.session = new LocalSession(sessionId, number, metadata, atMs(createdAt), host.table, true, generation);
    this.#atMs = atMs;
    this.#revision = kept.revision;
    this.#forgottenRevision = kept.forgottenRevision;
  }

  addVariable({ registration, versions }: VariableRecord): void {
    this.session.table.restore(registration, versions, this.#atMs);
  }

  addPacked(variable: PackedRecord): void {
    this.session.table.restorePacked(variable, this.#atMs);
  }

  addGone({ registration, reason, version }: GoneRecord): void {
    const { table } = this.session;
    const variable = table.variableOf(registration, version, registration.place);
    variable.isGone = true;
    table.skipPlacesTo(registration.place);
    this.#gone.set(registration.place, { variable, previous: version, current: version, reason });
  }

  addWindow({ link, from, outcomes }: WindowRecord): void {
    const known = this.#windows.get(link);
    if (known === undefined) {
      this.#windows.set(link, { from, outcomes: [...outcomes] });
      return;
    }
    known.from = Math.max(known.from, from);
    const last = known.outcomes.at(-1)?.sequence ?? known.from;
    for (const outcome of outcomes) if (outcome.sequence > last) known.outcomes.push(outcome);
  }

  addCommit({ begins, revision, changes, window }: CommitRecord): void {
    if (begins !== undefined) this.#forgottenRevision = Math.max(this.#forgottenRevision, revision);
    this.#revision = Math.max(this.#revision, revision);
    if (window !== undefined) this.addWindow(window);
    for (const change of changes) this.#addChange(change);
  }

  /** The snapshot may have it, or what came behind it: it was written while the log went on. */
  #addChange({ place, version, registration, reason }: ChangeRecord): void {
    const { table } = this.session;
    const packed = reason === undefined ? table.packedAt(place) : undefined;
    if (packed?.add(version) === true) {
      this.session.makeDirtyAt(place);
      return;
    }
    let variable = table.at(place);
    const previous = variable?.current;
    if (variable === undefined) {
      // Or it went later, and the snapshot has that already.
      if (registration === undefined || this.#gone.has(place)) return;
      variable = table.variableOf(registration, version, place, registration.createdAt);
    } else if (reason === undefined && version.version <= previous!.version) return;
    const bytes = reason === undefined ? bytesOfVersion(version.value, version.custom, version.source) : 0;
    const change = { variable, previous, current: version, reason, bytes };
    if (reason !== undefined) this.#gone.set(place, change);
    table.replay(change, this.#atMs(version.timestamp));
    // The snapshot does not have it as it is now: the next one has to, before the log is cut.
    this.session.makeDirty(variable);
  }

  /** All is read. */
  finish(): this {
    const { session } = this;
    const gone = [...this.#gone.values()].sort((a, b) => a.current.revision - b.current.revision);
    for (const change of gone) session.gone.remember(change);
    session.gone.forgetTo(this.#forgottenRevision);
    session.table.skipTo(this.#revision);
    session.windows = [...this.#windows].map(([link, { from, outcomes }]) => ({ link, from, outcomes }));
    return this;
  }
}
