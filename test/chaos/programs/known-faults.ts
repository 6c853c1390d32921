/**
 * What is known to be broken and not mended yet, and how a life is led around it. For the run that is part of `npm test` only:
 * `npm run chaos` meets all of it. An entry goes with its mend; with the last one this file goes too.
 */
import type { LifePlan } from './life-plan.js';
import type { Step } from './step.js';

interface KnownFault {
  readonly what: string;
  /** The same life without the steps, or in another house. */
  readonly avoid: (plan: LifePlan) => LifePlan;
}

export const KNOWN_FAULTS: readonly KnownFault[] = [
  {
    what: 'states of one pool number their subscriptions alike: each gets a pool of its own',
    avoid: (plan) => (plan.isLocal ? plan : onePoolEach(plan)),
  },
  {
    what: 'handles are given on while updates of their last owner are under way: nothing is given up before the end',
    avoid: (plan) =>
      mapSteps(
        withoutSteps(plan, ({ does }) => ['stop', 'remove', 'delete', 'reopen'].includes(does)),
        (step) => (step.does === 'watch' ? { ...step, isHasty: false, plan: { ...step.plan, overflow: 'conflate' } } : step),
      ),
  },
  {
    what: 'sets by name and by id of one variable have no order: all are by name',
    avoid: (plan) => mapSteps(plan, (step) => (step.does === 'set' ? { ...step, byId: false } : step)),
  },
];

/** The life that today's code is known to hold. */
export function avoidKnownFaults(plan: LifePlan): LifePlan {
  return KNOWN_FAULTS.reduce((tamer, { avoid }) => avoid(tamer), plan);
}

function onePoolEach(plan: LifePlan): LifePlan {
  const { length } = plan.pools;
  return {
    ...mapSteps(plan, (step) => ('state' in step ? { ...step, state: step.state % length } : step)),
    states: plan.pools.map((_, pool) => ({ pool, session: plan.states[pool]?.session ?? 0 })),
  };
}

function withoutSteps(plan: LifePlan, isOut: (step: Step) => boolean): LifePlan {
  return { ...plan, steps: plan.steps.filter((step) => !isOut(step)) };
}

function mapSteps(plan: LifePlan, map: (step: Step) => Step): LifePlan {
  return { ...plan, steps: plan.steps.map((step) => map(step)) };
}
