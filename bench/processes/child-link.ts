/** A bench process's end of its IPC channel: calls of the parent are answered, and when the parent is gone the process ends. */
/** The calls that a process answers, by name; each takes one argument. */
export type CallsOf<C> = { readonly [N in keyof C]: (argument: never) => unknown };

export interface CallMessage {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

export type AnswerMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'result'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: string };

/** Says that the process is ready, and answers each call with what its handler returns or why it failed. */
export function answerParent(handlers: CallsOf<unknown>): void {
  if (process.send === undefined) {
    process.stderr.write('bench: this file is started by dist/bench/run.js, not by hand\n');
    process.exit(2);
  }
  process.on('message', (message) => void answer(handlers, message as CallMessage));
  // Also when the parent was killed: no bench process outlives it.
  process.on('disconnect', () => process.exit(0));
  say({ kind: 'ready' });
}

async function answer(handlers: CallsOf<unknown>, { id, name, argument }: CallMessage): Promise<void> {
  try {
    const handler = handlers[name as never] as ((argument: unknown) => unknown) | undefined;
    if (handler === undefined) throw new Error(`there is no call "${name}"`);
    say({ kind: 'result', id, result: await handler(argument) });
  } catch (error) {
    say({ kind: 'error', id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
}

function say(message: AnswerMessage): void {
  if (process.connected) process.send?.(message);
}
