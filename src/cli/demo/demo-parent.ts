/** The child's end of the channel to `demo`. When demo is gone, however it went, the child goes too. */
import { UsageError } from '../usage-error.js';

/** Calls `handle` with what demo says, one after the other; resolves when demo asks for the end by SIGTERM. @throws what `handle` throws */
export async function followParent<In>(handle: (message: In) => Promise<void> | void): Promise<void> {
  if (!process.connected) throw new UsageError('this is a part of `bridged-state demo`: run that');
  process.once('disconnect', () => process.exit(0));
  let handled: Promise<void> = Promise.resolve();
  await new Promise<void>((resolve, reject) => {
    process.once('SIGTERM', () => resolve());
    process.on('message', (message) => {
      handled = handled.then(() => handle(message as In));
      handled.catch(reject);
    });
  });
}

/** Lets go of the channel, which would keep the process alive. */
export function leaveParent(): void {
  process.removeAllListeners('disconnect');
  if (process.connected) process.disconnect();
}

export function tellParent<Out>(message: Out): void {
  if (process.connected) process.send?.(message);
}
