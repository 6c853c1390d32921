/** Ctrl-C and SIGTERM as a promise: the first one asks a command to end well, a second one ends it at once. */

export interface StopSources {
  /** The end of the process that started this one, told by its IPC channel, counts too. */
  readonly withParent?: boolean;
}

export function nextStop({ withParent = false }: StopSources = {}): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false;
    const handleStop = () => {
      if (isStopping) process.exit(1);
      isStopping = true;
      resolve();
    };
    for (const signal of STOP_SIGNALS) process.on(signal, handleStop);
    if (withParent) process.once('disconnect', resolve);
  });
}

/** The last is that of a terminal that was closed. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
