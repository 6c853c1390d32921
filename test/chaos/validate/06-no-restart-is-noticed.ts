/** Promise 6, where the state outlives its servers: whichever died, it is the same epoch, and no watch misses a change or is told `resync`. */
import type { History } from '../history/history.js';
import { getsAll, placeOf, type Stretch } from './stretch.js';
import type { Violation } from './violation.js';

export function epochsStay({ isDurable, restarts }: History): Violation[] {
  if (!isDurable) return [];
  return restarts.flatMap(({ server, epochBefore, epoch }) =>
    epoch === epochBefore
      ? []
      : [{ rule: RULE, sentence: `server ${server} was of ${epochBefore}, and is of ${epoch}` }],
  );
}

export function noRestartIsNoticed(stretch: Stretch, { isGapless }: History): Violation[] {
  if (!isGapless || !getsAll(stretch)) return [];
  let last: string | undefined;
  return stretch.calls.flatMap(({ variableId, version, missed, resync }) => {
    const isNewLife = last !== undefined && variableId !== last;
    last = variableId;
    if (missed === 0 && (!resync || isNewLife)) return [];
    const sentence = `${placeOf(stretch)}: version ${version} of ${variableId} says missed ${missed}, resync ${resync}`;
    return [{ rule: RULE, sentence }];
  });
}

const RULE = '06-no-restart-is-noticed';
