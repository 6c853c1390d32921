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
    what: 'atomic batches are torn by breaks: where something breaks no watch is atomic',
    avoid: (plan) =>
      plan.hasFaults
        ? mapSteps(plan, (step) =>
            step.does === 'watch' ? { ...step, plan: { ...step.plan, isAtomic: false } } : step,
          )
        : plan,
  },
];

/** The life that today's code is known to hold. */
export function avoidKnownFaults(plan: LifePlan): LifePlan {
  return KNOWN_FAULTS.reduce((tamer, { avoid }) => avoid(tamer), plan);
}

function mapSteps(plan: LifePlan, map: (step: Step) => Step): LifePlan {
  return { ...plan, steps: plan.steps.map((step) => map(step)) };
}
