/** Reads a history and says which promises were broken. Pure: the same history, the same sentence. */
import type { History } from '../history/history.js';
import { versionsRise } from './01-versions-rise.js';
import { missedIsExact } from './02-missed-is-exact.js';
import { valuesAreOfTheirVariable } from './02-values-are-of-their-variable.js';
import { oldAndNewChain } from './03-old-and-new-chain.js';
import { initialValuesComeFirst } from './04-initial-values-come-first.js';
import { liveAtAnotherServer } from './06-live-at-another-server.js';
import { epochsStay, noRestartIsNoticed } from './06-no-restart-is-noticed.js';
import { theLastValueArrives } from './06-the-last-value-arrives.js';
import { endsAreTold } from './07-ends-are-told.js';
import { newLivesAreTold } from './07-new-lives-are-told.js';
import { sets } from './09-sets.js';
import { whatIsKeptStays } from './09-what-is-kept-stays.js';
import { silenceAfterStop } from './10-silence-after-stop.js';
import { atomicTurnsAreWhole } from './11-atomic-turns-are-whole.js';
import { oneOrderForAll } from './11-one-order-for-all.js';
import { revisionsRise } from './11-revisions-rise.js';
import { theBooksBalance } from './13-the-books-balance.js';
import { callsFailAsExpected, watchesFailAsExpected } from './errors-are-expected.js';
import { stretchesOf } from './stretch.js';
import { Truth } from './truth.js';
import type { Violation } from './violation.js';

export function judge(history: History): Violation[] {
  const truth = new Truth(history);
  return [
    ...truth.disagreements,
    ...sets(history, truth),
    ...whatIsKeptStays(history),
    ...epochsStay(history),
    ...oneOrderForAll(history),
    ...endsAreTold(history),
    ...callsFailAsExpected(history),
    ...history.troubles.map(({ kind, what }) => ({ rule: kind, sentence: what })),
    ...history.watches.flatMap((watch) => [
      ...valuesAreOfTheirVariable(watch, history),
      ...silenceAfterStop(watch),
      ...revisionsRise(watch, truth),
      ...atomicTurnsAreWhole(watch, history, truth),
      ...theLastValueArrives(watch, history),
      ...liveAtAnotherServer(watch, history),
      ...theBooksBalance(watch, history, truth),
      ...watchesFailAsExpected(watch),
      ...stretchesOf(watch).flatMap((stretch) => [
        ...versionsRise(stretch),
        ...missedIsExact(stretch, truth),
        ...oldAndNewChain(stretch, truth),
        ...initialValuesComeFirst(stretch),
        ...newLivesAreTold(stretch),
        ...noRestartIsNoticed(stretch, history),
      ]),
    ]),
  ];
}
