/**
 * What is known to be broken and not mended yet, and how a life is led around it. For the run that is part of `npm test` only:
 * `npm run chaos` meets all of it. An entry goes with its mend; with the last one this file goes too.
 */
import type { LifePlan } from './life-plan.js';
import type { Step } from './step.js';

interface KnownFault {
  readonly what: string;
  /** The same life without the steps that meet it. */
  readonly avoid: (plan: LifePlan) => LifePlan;
}

export const KNOWN_FAULTS: readonly KnownFault[] = [
  {
    what: 'sets by name and by id of one variable have no order: all are by name',
    avoid: (plan) => mapSteps(plan, (step) => (step.does === 'set' ? { ...step, byId: false } : step)),
  },
  {
    what: 'close() of a state refuses the sets that were made before it: none are made',
    avoid: (plan) => mapSteps(plan, (step) => (step.does === 'reopen' ? { ...step, sets: 0 } : step)),
  },
  {
    what: 'atomic batches are torn by breaks: where something breaks no watch is atomic',
    avoid: (plan) =>
      plan.hasFaults
        ? mapSteps(plan, (step) =>
            step.does === 'watch' ? { ...step, plan: { ...step.plan, isAtomic: false } } : step,
          )
        : plan,
  },
  {
    what: 'a worker that dies while it starts is not replaced: each dies once, and none while another has just died',
    avoid: (plan) => {
      const first = plan.steps.findIndex(({ does }) => does === 'restart-worker');
      return { ...plan, steps: plan.steps.filter(({ does }, place) => does !== 'restart-worker' || place === first) };
    },
  },
];

/** The life that today's code is known to hold. */
export function avoidKnownFaults(plan: LifePlan): LifePlan {
  return KNOWN_FAULTS.reduce((tamer, { avoid }) => avoid(tamer), plan);
}

function mapSteps(plan: LifePlan, map: (step: Step) => Step): LifePlan {
  return { ...plan, steps: plan.steps.map((step) => map(step)) };
}
