/** Every kernel, in the order in which an update passes them. */
import { conditionKernels } from './condition.js';
import { dispatcherKernels } from './dispatcher.js';
import type { Kernel } from './kernel.js';
import { localStateKernels } from './local-state.js';
import { updateBatchKernels } from './update-batch.js';
import { updateMessageKernels } from './update-message.js';
import { updateRingKernels } from './update-ring.js';
import { valueCodecKernels } from './value-codec.js';
import { variableTableKernels } from './variable-table.js';
import { versionTrackerKernels } from './version-tracker.js';

export async function allKernels(): Promise<Kernel[]> {
  return [
    ...variableTableKernels(),
    ...valueCodecKernels(),
    ...updateMessageKernels(),
    ...versionTrackerKernels(),
    ...conditionKernels(),
    ...updateRingKernels(),
    ...updateBatchKernels(),
    ...dispatcherKernels(),
    ...(await localStateKernels()),
  ];
}
