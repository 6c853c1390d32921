/**
 * Registers a watch for what its request means, in turns that are left to others. Path: watch handler -> [watch registration] -> watch.
 * Each variable, name and pattern is registered in the turn in which it is looked up, so that nothing which happens between the turns is
 * lost. Full: the watch refuses. The watch ended between the turns: it stops.
 */
import { AbortedError, VariablesNotFoundError } from '../../shared/errors.js';
import type { Change, Variable } from '../../shared/state/variable.js';
import { checkName } from '../../shared/values/identifier.js';
import type { GoneVariable } from '../../shared/wire/update-encoder.js';
import type { Work } from '../work-turns.js';
import type { Watch } from './watch.js';
import type { WatchRequest } from './watch-request.js';

/** What it needs of a session. */
export interface WatchedSession {
  readonly id: string;
  readonly revision: number;
  find(identifier: string): Variable | undefined;
  findById(id: string): Variable | undefined;
  findGone(variableId: string): Change | undefined;
  /** Up to which revision what was told in a generation is kept; infinity: all of it. */
  sharedUpTo(generation: number): number;
  /** The first of that name that went after this revision. */
  findGoneByName(name: string, revision: number): Change | undefined;
  gone(): Iterable<Change>;
  /** Whoever has everything up to this revision can be told what went since. */
  remembersSince(revision: number): boolean;
  /** The first variable registered behind a place. */
  after(place: number): Variable | undefined;
}

/** Whether it was told, by another server over the same state, what is not known here yet. */
export async function isAhead(
  { fromRevision, resume }: WatchRequest,
  session: WatchedSession,
  life: string,
  work: Work,
): Promise<boolean> {
  if (fromRevision !== undefined) return fromRevision > session.revision;
  if (resume?.life !== life || session.sharedUpTo(resume.generation) !== Number.POSITIVE_INFINITY) return false;
  for (const id of resume.ids()) {
    const rest = work.spend(1);
    if (rest !== undefined) await rest;
    const known = session.findById(id)?.current ?? session.findGone(id)?.current;
    if (known === undefined || resume.versionOf(id)! > known.version) return true;
  }
  return false;
}

/** Variables that a resumed watch knew and that are no more, by id. */
type GoneById = Map<string, { change: Change | undefined; identifiers: string[] | undefined }>;

/** What of it is gone. @throws VariablesNotFoundError naming all that are missing, QuotaExceededError; then part of it is registered */
export async function registerWatch(
  watch: Watch,
  request: WatchRequest,
  session: WatchedSession,
  life: string,
  work: Work,
): Promise<GoneVariable[]> {
  const { identifiers, patterns, resume, waitsForMissing, fromRevision } = request;
  if (fromRevision !== undefined) return registerFrom(fromRevision, watch, request, session, work);
  const gone: GoneById = new Map();
  const goneByName = new Map<string, string>();
  let forgotten = 0;
  // Only within one life: another never knew those ids.
  const seen = resume?.life === life ? resume : undefined;
  const hasLost = seen !== undefined && session.sharedUpTo(seen.generation) !== Number.POSITIVE_INFINITY;
  for (const id of seen?.ids() ?? []) {
    const rest = work.spend(1);
    if (rest !== undefined) await rest;
    if (session.findById(id) !== undefined) continue;
    const change = session.findGone(id);
    // Registered in what was lost: nobody deleted it.
    if (change === undefined && hasLost) continue;
    gone.set(id, { change, identifiers: undefined });
    if (change === undefined) forgotten += 1;
    else goneByName.set(change.variable.name, id);
  }
  const missing: string[] = [];
  for (const identifier of identifiers) {
    const rest = work.spend(1);
    if (rest !== undefined) await rest;
    if (watch.isClosed) return [];
    let variable = session.find(identifier);
    // One that it saw before is the one it means, though another were named like its id since.
    if (seen !== undefined && (variable === undefined || !seen.has(variable.id))) {
      const goneVariable = gone.get(goneByName.get(identifier) ?? identifier);
      if (goneVariable !== undefined) {
        // What a live watch would have ended by is not watched anew under its name.
        goneVariable.identifiers ??= [];
        goneVariable.identifiers.push(identifier);
        continue;
      }
      if (seen.has(identifier)) variable = session.findById(identifier) ?? variable;
    }
    registerOne(watch, identifier, variable, waitsForMissing, missing);
  }
  // Names of variables whose deletion is known by id alone.
  if (missing.length > forgotten) throw VariablesNotFoundError.of(missing);
  if (patterns.size > 0) await registerPatterns(watch, patterns, session, work);
  // Most often nothing is: what was asked for behind the watch finds it registered then.
  return gone.size === 0 ? [] : goneVariables(gone, work);
}

/** What it means now, or that it is waited for. @throws InvalidNameError, QuotaExceededError */
function registerOne(
  watch: Watch,
  identifier: string,
  variable: Variable | undefined,
  waitsForMissing: boolean,
  missing: string[],
): void {
  if (variable !== undefined) watch.observe(variable, identifier);
  else if (waitsForMissing) {
    checkName(identifier);
    watch.waitFor(identifier);
  } else missing.push(identifier);
}

async function goneVariables(gone: GoneById, work: Work): Promise<GoneVariable[]> {
  const variables: GoneVariable[] = [];
  for (const [id, { change, identifiers: called }] of gone) {
    const rest = work.spend(1);
    if (rest !== undefined) await rest;
    const isName = called?.length === 1 && called[0] === change?.variable.name;
    variables.push({ id, change, identifiers: isName ? undefined : called });
  }
  return variables;
}

/**
 * A watch that has everything up to a revision, of each variable that it names.
 * @throws AbortedError when it is not known what went since, and as `registerWatch`
 */
async function registerFrom(
  revision: number,
  watch: Watch,
  { identifiers, patterns, waitsForMissing }: WatchRequest,
  session: WatchedSession,
  work: Work,
): Promise<GoneVariable[]> {
  const gone: GoneById = new Map();
  const missing: string[] = [];
  const checkMemory = (): void => {
    if (session.remembersSince(revision)) return;
    throw new AbortedError(`what went since revision ${revision} is not known any more: resume by versions`);
  };
  checkMemory();
  for (const identifier of identifiers) {
    const rest = work.spend(1);
    if (rest !== undefined) await rest;
    if (watch.isClosed) return [];
    const variable = session.find(identifier);
    // As an id only where nothing is named so: another that went may have had it.
    const change =
      session.findGoneByName(identifier, revision) ??
      (variable === undefined ? session.findGone(identifier) : undefined);
    if (change !== undefined && change.current.revision > revision) {
      // What a live watch would have ended by is not watched anew under its name.
      const { id } = change.variable;
      const same = gone.get(id)?.identifiers;
      if (same === undefined) gone.set(id, { change, identifiers: [identifier] });
      else same.push(identifier);
    } else registerOne(watch, identifier, variable, waitsForMissing, missing);
  }
  if (missing.length > 0) throw VariablesNotFoundError.of(missing);
  if (patterns.size > 0) {
    const matchers = await registerPatterns(watch, patterns, session, work);
    for (const change of session.gone()) {
      const rest = work.spend(STEPS_A_MATCH);
      if (rest !== undefined) await rest;
      const { id, name } = change.variable;
      const isNews = change.current.revision > revision && !gone.has(id);
      if (isNews && matchers.some((matches) => matches(name))) gone.set(id, { change, identifiers: undefined });
    }
  }
  // It may have been forgotten between two turns.
  checkMemory();
  return goneVariables(gone, work);
}

async function registerPatterns(
  watch: Watch,
  patterns: ReadonlySet<string>,
  session: WatchedSession,
  work: Work,
): Promise<readonly ((name: string) => boolean)[]> {
  const matchers: ((name: string) => boolean)[] = [];
  if (watch.isClosed) return matchers;
  for (const pattern of patterns) matchers.push(watch.waitForAll(pattern));
  for (let variable = session.after(0); variable !== undefined; variable = session.after(variable.place)) {
    for (const matches of matchers) {
      // Others may have deleted it in their turn; it is not watched then, and its place is still one to go on from.
      const isThere = session.findById(variable.id) !== undefined;
      if (isThere && matches(variable.name)) watch.observe(variable, undefined);
      const rest = work.spend(STEPS_A_MATCH);
      if (rest !== undefined) await rest;
      if (watch.isClosed) return matchers;
    }
  }
  return matchers;
}

/** At worst: a name of 256 characters and a pattern of as many. */
const STEPS_A_MATCH = 10;
