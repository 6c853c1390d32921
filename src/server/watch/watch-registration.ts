/**
 * Registers a watch for what its request means, in turns that are left to others. Path: watch handler -> [watch registration] -> watch.
 * Each variable, name and pattern is registered in the turn in which it is looked up, so that nothing which happens between the turns is
 * lost. Full: the watch refuses. The watch ended between the turns: it stops.
 */
import { VariablesNotFoundError } from '../../shared/errors.js';
import type { Change, Variable } from '../../shared/state/variable.js';
import { checkName } from '../../shared/values/identifier.js';
import type { GoneVariable } from '../../shared/wire/update-encoder.js';
import type { Work } from '../work-turns.js';
import type { Watch } from './watch.js';
import type { WatchRequest } from './watch-request.js';

/** What it needs of a session. */
export interface WatchedSession {
  readonly id: string;
  find(identifier: string): Variable | undefined;
  findById(id: string): Variable | undefined;
  findGone(variableId: string): Change | undefined;
  /** The first variable registered behind a place. */
  after(place: number): Variable | undefined;
}

/** Variables that a resumed watch knew and that are no more, by id. */
type GoneById = Map<string, { change: Change | undefined; identifiers: string[] | undefined }>;

/** What of it is gone. @throws VariablesNotFoundError naming all that are missing, QuotaExceededError; then part of it is registered */
export async function registerWatch(
  watch: Watch,
  request: WatchRequest,
  session: WatchedSession,
  epoch: string,
  work: Work,
): Promise<GoneVariable[]> {
  const { identifiers, patterns, resume, waitsForMissing } = request;
  const gone: GoneById = new Map();
  const goneByName = new Map<string, string>();
  let forgotten = 0;
  // Only within one epoch: another server life never knew those ids.
  const seen = resume?.epoch === epoch ? resume : undefined;
  for (const id of seen?.ids() ?? []) {
    const rest = work.spend(1);
    if (rest !== undefined) await rest;
    if (session.findById(id) !== undefined) continue;
    const change = session.findGone(id);
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
    if (variable !== undefined) watch.observe(variable, identifier);
    else if (waitsForMissing) {
      checkName(identifier);
      watch.waitFor(identifier);
    } else missing.push(identifier);
  }
  // Names of variables whose deletion is known by id alone.
  if (missing.length > forgotten) throw VariablesNotFoundError.of(missing);
  if (patterns.size > 0) await registerPatterns(watch, patterns, session, work);
  const variables: GoneVariable[] = [];
  for (const [id, { change, identifiers: called }] of gone) {
    const rest = work.spend(1);
    if (rest !== undefined) await rest;
    const isName = called?.length === 1 && called[0] === change?.variable.name;
    variables.push({ id, change, identifiers: isName ? undefined : called });
  }
  return variables;
}

async function registerPatterns(
  watch: Watch,
  patterns: ReadonlySet<string>,
  session: WatchedSession,
  work: Work,
): Promise<void> {
  const matchers: ((name: string) => boolean)[] = [];
  for (const pattern of patterns) matchers.push(watch.waitForAll(pattern));
  for (let variable = session.after(0); variable !== undefined; variable = session.after(variable.place)) {
    for (const matches of matchers) {
      // Others may have deleted it in their turn; it is not watched then, and its place is still one to go on from.
      const isThere = session.findById(variable.id) !== undefined;
      if (isThere && matches(variable.name)) watch.observe(variable, undefined);
      const rest = work.spend(STEPS_A_MATCH);
      if (rest !== undefined) await rest;
      if (watch.isClosed) return;
    }
  }
}

/** At worst: a name of 256 characters and a pattern of as many. */
const STEPS_A_MATCH = 10;
