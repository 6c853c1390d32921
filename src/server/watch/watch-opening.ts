/**
 * What a watch is sent before its first change: initial values, or what it missed while it was away, in the order in which it happened.
 * What the history still holds is replayed; else one resync brings the present value and says how many versions were skipped.
 */
import type { Change } from '../../shared/state/variable.js';
import { timestampToWire } from '../../shared/wire/messages.js';
import { METHODS } from '../../shared/wire/services.js';
import { concatBytes, encodeChange, encodeIdentifiersTail } from '../../shared/wire/update-message.js';
import type { Session } from '../session.js';
import type { Opening, SentState } from './outbox.js';
import type { WatchRequest } from './watch-request.js';

/** Variables that a resumed watch knew and that are no more. */
export interface GoneVariables {
  /** Those whose deletion is remembered. */
  readonly changes: readonly Change[];
  /** Ids of the others. */
  readonly ids: readonly string[];
  /** Their ids, by name and by id. */
  readonly byIdentifier: ReadonlyMap<string, string>;
}

/** What a request calls a variable, where that is not its name alone. */
export type Called = readonly string[] | undefined;

const NONE_GONE: GoneVariables = { changes: [], ids: [], byIdentifier: new Map() };

/** Only within one epoch: another server life never knew those ids. */
export function goneVariables(request: WatchRequest, session: Session, epoch: string): GoneVariables {
  if (request.resume === undefined || request.resume.epoch !== epoch) return NONE_GONE;
  const changes: Change[] = [];
  const ids: string[] = [];
  const byIdentifier = new Map<string, string>();
  for (const id of request.resume.seen.keys()) {
    if (session.findById(id) !== undefined) continue;
    const change = session.findGone(id);
    if (change === undefined) ids.push(id);
    else {
      changes.push(change);
      byIdentifier.set(change.variable.name, id);
    }
    byIdentifier.set(id, id);
  }
  return { changes, ids, byIdentifier };
}

export function openingOf(
  request: WatchRequest,
  states: Iterable<SentState>,
  gone: GoneVariables,
  goneCalled: ReadonlyMap<string, Called>,
  session: Session,
  epoch: string,
  timestamp: number,
): Opening[] {
  const dated: { readonly revision: number; readonly opening: Opening }[] = [];
  let replayed = 0;
  for (const sent of states) {
    const { current, history } = sent.variable;
    const decision = decide(request, sent, gone, epoch);
    switch (decision.type) {
      case 'nothing':
        break;
      case 'initial_value':
      case 'resync':
        dated.push({ revision: current.revision, opening: { ...decision, sent, current } });
        break;
      case 'replay':
        if (replayed + current.version - decision.from > MAX_REPLAYED) {
          const missed = current.version - decision.from - 1;
          dated.push({ revision: current.revision, opening: { type: 'resync', sent, current, missed } });
          break;
        }
        sent.version = decision.from;
        sent.value = history.find(decision.from);
        for (const entry of history.last(current.version - decision.from)) {
          dated.push({ revision: entry.revision, opening: { type: 'replay', sent, current: entry } });
          replayed += 1;
        }
        break;
      default:
        decision satisfies never;
    }
  }
  for (const change of gone.changes) {
    const bytes = goneBytes(change, goneCalled.get(change.variable.id), epoch);
    dated.push({ revision: change.current.revision, opening: { type: 'encoded', bytes } });
  }
  for (const id of gone.ids)
    dated.push({ revision: session.revision, opening: forgotten(id, goneCalled.get(id), session, epoch, timestamp) });
  // Revisions rise within a stream: the values of many variables are said in the order in which they were set.
  if (dated.length > 1) dated.sort((a, b) => a.revision - b.revision);
  return dated.map(({ opening }) => opening);
}

type Decision =
  | { readonly type: 'nothing' }
  | { readonly type: 'initial_value' | 'resync'; readonly missed: number }
  | { readonly type: 'replay'; readonly from: number };

const NOTHING: Decision = { type: 'nothing' };
const INITIAL: Decision = { type: 'initial_value', missed: 0 };

function decide(request: WatchRequest, sent: SentState, gone: GoneVariables, epoch: string): Decision {
  const { resume, includesInitialValues, patterns, waitsForMissing } = request;
  const { id, current, history, firstVersion } = sent.variable;
  if (resume === undefined) return includesInitialValues ? INITIAL : NOTHING;
  // Nobody of this watch saw the versions of another epoch, or of a variable that came back under its name.
  const fromTheStart: Decision = { type: 'resync', missed: current.version - firstVersion };
  if (resume.epoch !== epoch) return fromTheStart;
  let seen = resume.seen.get(id);
  if (seen === undefined) {
    if (gone.ids.length > 0) return fromTheStart;
    // Named, it was there when the watch began; else it may have come since, and the watch shall hear of it as of any change.
    if (patterns.length === 0 && !waitsForMissing) return includesInitialValues ? INITIAL : NOTHING;
    // Nobody missed the versions before its first.
    seen = firstVersion - 1;
  }
  if (seen > current.version) return fromTheStart;
  if (seen === current.version) return NOTHING;
  if (history.find(seen + 1) === undefined) return { type: 'resync', missed: current.version - seen - 1 };
  return { type: 'replay', from: seen };
}

function goneBytes(change: Change, called: Called, epoch: string): Uint8Array {
  const bytes = encodeChange({ ...change, previous: undefined }, epoch, false);
  return called === undefined ? bytes : concatBytes(bytes, encodeIdentifiersTail(called));
}

/** A deletion that is known by its id alone. */
function forgotten(variableId: string, called: Called, session: Session, epoch: string, timestamp: number): Opening {
  const bytes = METHODS.WatchVariables.encodeResponse({
    variableId,
    updateType: 'deleted',
    reason: 'deleted',
    timestamp: timestampToWire(timestamp),
    revision: session.revision,
    epoch,
    identifiers: [...(called ?? [])],
  });
  return { type: 'encoded', bytes };
}

/** Versions replayed to one stream; further variables get a resync. About 100 bytes each while they wait. */
const MAX_REPLAYED = 65_536;
