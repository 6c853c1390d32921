/** The piscina task: one slot, until its port closes. With 0 workers the main thread runs the same function. */
import type { MessagePort } from 'node:worker_threads';
import { Slot } from './slot.js';

export interface SlotTask {
  readonly port: MessagePort;
  /** Updates that may be on their way to the main thread. */
  readonly credits: number;
}

export default async function runSlot({ port, credits }: SlotTask): Promise<void> {
  await new Slot(port, credits).closed;
}
