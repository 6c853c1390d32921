/** A variable from what was said of it. Path: decisions, or another life of the table -> [registered variable] -> variable table. */
import { History, type HistoryBudget } from './history.js';
import type { AcceptedRegistration } from './operation.js';
import type { Variable } from './variable.js';
import type { VersionedValue } from './versioned-value.js';

/** What is said of a variable when it is registered, beside its first value. */
export type RegistrationFacts = Omit<AcceptedRegistration, 'kind' | 'value' | 'source'>;

/** The variable of a registration, in no table yet. */
export function variableOf(
  histories: HistoryBudget,
  registration: RegistrationFacts,
  current: VersionedValue,
  place: number,
  createdAt: number,
  id: string,
): Variable {
  const { name, type, constraints, metadata, description, ttlMs, firstVersion } = registration;
  return {
    id,
    name,
    type,
    constraints,
    metadata,
    description,
    ttlMs,
    createdAt,
    place,
    firstVersion,
    history: new History(histories),
    current,
    decided: current,
    decidedBytes: 0,
    isLeaving: false,
    listeners: undefined,
    isGone: false,
  };
}
