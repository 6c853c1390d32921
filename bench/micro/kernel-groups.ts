/** Every kernel, in the order in which an update passes them. Each group runs in a process of its own: one would slow down the code of another. */
import { conditionKernels } from './condition.js';
import { dispatcherKernels } from './dispatcher.js';
import type { Kernel } from './kernel.js';
import { localStateKernels } from './local-state.js';
import { updateLaneKernels } from './update-lane.js';
import { updateMessageKernels } from './update-message.js';
import { updateRingKernels } from './update-ring.js';
import { valueCellsKernels } from './value-cells.js';
import { valueCodecKernels } from './value-codec.js';
import { variableTableKernels } from './variable-table.js';
import { versionTrackerKernels } from './version-tracker.js';

export const KERNEL_GROUPS = {
  variableTable: variableTableKernels,
  valueCodec: valueCodecKernels,
  updateMessage: updateMessageKernels,
  versionTracker: versionTrackerKernels,
  condition: conditionKernels,
  updateRing: updateRingKernels,
  valueCells: valueCellsKernels,
  updateLane: updateLaneKernels,
  dispatcher: dispatcherKernels,
  localState: localStateKernels,
} satisfies Record<string, () => Kernel[] | Promise<Kernel[]>>;

export type KernelGroup = keyof typeof KERNEL_GROUPS;
