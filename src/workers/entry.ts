/** The piscina task: one slot, until its port closes. With 0 workers the main thread runs the same function. */
import type { SlotTask } from './slot.js';
import { Slot } from './slot.js';

export default async function runSlot(task: SlotTask): Promise<void> {
  await new Slot(task).closed;
}
