/**
 * Sessions out of a journal, as they were when the server ended. Path: journal -> [load sessions] -> local engine. A snapshot's variable has its
 * last versions; the log has those before and behind them, as far as it goes back. Pure.
 */
import type { Change, VersionedValue } from '../../shared/state/variable.js';
import type { EngineHost, PlacedOutcome } from './engine.js';
import type { Journal, Loaded } from './journal.js';
import { LocalSession } from './local-session.js';
import type { CommitRecord, GoneRecord, RegistrationRecord, SessionRecord, WindowRecord } from './records.js';

/** Returns the last place of the log, and the highest number of a session. */
export async function loadSessions(
  journal: Pick<Journal, 'load'>,
  host: EngineHost,
  generation: number,
  sessions: Map<string, LocalSession>,
): Promise<{ readonly place: number; readonly lastNumber: number }> {
  const loading = new Map<number, LoadingSession>();
  let place = 0;
  let lastNumber = 0;
  await journal.load((kept: Loaded) => {
    switch (kept.kind) {
      case 'session':
        lastNumber = Math.max(lastNumber, kept.session.session);
        loading.set(kept.session.session, new LoadingSession(kept.session, kept.revision, kept.forgottenRevision));
        break;
      case 'variable':
        loading.get(kept.variable.session)?.addVariable(kept.variable.registration, kept.variable.versions);
        break;
      case 'gone':
        loading.get(kept.gone.session)?.addGone(kept.gone);
        break;
      case 'window':
        loading.get(kept.session)?.addWindow(kept.window);
        break;
      case 'commit':
        place = kept.place;
        lastNumber = Math.max(lastNumber, kept.commit.session);
        loading.get(kept.commit.session)?.addCommit(kept.commit);
        break;
      default:
        kept satisfies never;
    }
  });
  for (const session of loading.values()) sessions.set(session.id, session.build(host, generation));
  return { place, lastNumber };
}

interface LoadingVariable {
  readonly registration: RegistrationRecord;
  /** Before those of the snapshot, oldest first; not all of them may follow each other. */
  readonly older: VersionedValue[];
  readonly versions: VersionedValue[];
}

class LoadingSession {
  readonly #record: SessionRecord;
  #revision: number;
  readonly #forgottenRevision: number;
  readonly #variables = new Map<number, LoadingVariable>();
  readonly #gone = new Map<number, GoneRecord>();
  /** Places of what the snapshot does not have as it is now: the next one has to, before the log is cut. */
  readonly #logged = new Set<number>();
  readonly #windows = new Map<string, { from: number; outcomes: PlacedOutcome[] }>();

  constructor(record: SessionRecord, revision: number, forgottenRevision: number) {
    this.#record = record;
    this.#revision = revision;
    this.#forgottenRevision = forgottenRevision;
  }

  get id(): string {
    return this.#record.sessionId;
  }

  addVariable(registration: RegistrationRecord, versions: readonly VersionedValue[]): void {
    this.#variables.set(registration.place, { registration, older: [], versions: [...versions] });
  }

  addGone(gone: GoneRecord): void {
    this.#gone.set(gone.registration.place, gone);
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

  addCommit({ revision, changes, window }: CommitRecord): void {
    this.#revision = Math.max(this.#revision, revision);
    if (window !== undefined) this.addWindow(window);
    for (const { place, version, registration, reason } of changes) {
      const known = this.#variables.get(place);
      if (reason !== undefined) {
        if (known === undefined) continue;
        this.#variables.delete(place);
        const { session } = this.#record;
        this.#gone.set(place, { session, registration: known.registration, reason, version });
      } else if (known === undefined) {
        // It went later, and the snapshot has that already.
        if (registration === undefined || this.#gone.has(place)) continue;
        this.addVariable(registration, [version]);
      } else if (version.version === known.versions.at(-1)!.version + 1) known.versions.push(version);
      else {
        if (version.version < known.versions[0]!.version) known.older.push(version);
        continue;
      }
      this.#logged.add(place);
    }
  }

  build(host: EngineHost, generation: number): LocalSession {
    const { sessionId, session: number, metadata, createdAt } = this.#record;
    const nowMs = host.nowMs();
    const wallNow = host.table.timestampAt?.(nowMs) ?? nowMs;
    const atMs = (timestamp: number): number => nowMs - Math.max(0, wallNow - timestamp);
    const session = new LocalSession(sessionId, number, metadata, atMs(createdAt), host.table, true, generation);
    const variables = [...this.#variables.values()].sort((a, b) => a.registration.place - b.registration.place);
    for (const { registration, older, versions } of variables) {
      const all = [...followed(older, versions[0]!.version), ...versions];
      const variable = session.table.restore(registration, all, atMs);
      if (this.#logged.has(variable.place)) session.makeDirty(variable);
    }
    const gone = [...this.#gone.values()].sort((a, b) => a.version.revision - b.version.revision);
    for (const record of gone) {
      const change = changeOf(session, record);
      session.gone.remember(change);
      if (this.#logged.has(record.registration.place)) session.makeDirty(change.variable);
    }
    session.gone.forgetTo(this.#forgottenRevision);
    session.table.skipTo(this.#revision);
    session.windows = [...this.#windows].map(([link, { from, outcomes }]) => ({ link, from, outcomes }));
    return session;
  }
}

/** Those right before a version, without a hole. */
function followed(older: readonly VersionedValue[], first: number): readonly VersionedValue[] {
  let from = older.length;
  let next = first;
  while (from > 0 && older[from - 1]!.version === next - 1) {
    from -= 1;
    next -= 1;
  }
  return older.slice(from);
}

function changeOf(session: LocalSession, { registration, reason, version }: GoneRecord): Change {
  const variable = session.table.variableOf(registration, version, registration.place);
  variable.isGone = true;
  return { variable, previous: version, current: version, reason };
}
