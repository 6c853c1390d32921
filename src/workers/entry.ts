/** The piscina task: one slot, until its port closes. With 0 workers the main thread runs the same function. */
import { isMainThread } from 'node:worker_threads';
import type { SlotTask } from './slot.js';
import { Slot } from './slot.js';
import { installLeanDecoder } from './transport/lean-decoder.js';

// On the main thread grpc-js belongs to the service as well. Its result does not matter: it works without, with longer pauses.
if (!isMainThread) await installLeanDecoder();

export default async function runSlot(task: SlotTask): Promise<void> {
  await new Slot(task).closed;
}
