/** LocalState in one process: what a set costs, and what telling one watcher costs. Beside it, Node's EventEmitter with a Map. */
import { BenchProcess } from '../processes/bench-process.js';
import type { KernelCalls } from '../processes/kernels.js';
import { ratiosTo, rowOf, withRatios } from '../report/row.js';
import type { Scenario } from './scenario.js';
import { measureInTurn } from './scenario.js';

export const local: Scenario = {
  name: 'local',
  summary: 'LocalState: a set with one watcher, and the notification',
  run: async (options) => {
    const seconds = options.seconds ?? (options.size === 'quick' ? 0.5 : 2);
    const measured = await measureInTurn(
      options.runs,
      (['local', 'emitter'] as const).map((transport) => async () => {
        await using kernels = await BenchProcess.start<KernelCalls>('kernels');
        const { setUs, notifyUs } = await kernels.call('sets', { transport, seconds });
        return {
          row: rowOf({ scenario: 'local', transport, watches: 1, set_us: setUs, notify_us: notifyUs }),
          problems: [],
        };
      }),
    );
    const [ours, emitter] = measured.flatMap(({ row }) => row ?? []);
    const ratios = ratiosTo(ours!, emitter!, ['set_us', 'notify_us']);
    return {
      title: 'local: sets of one process, one watcher; emitter = a Map and EventEmitter, without versions or history',
      rows: [withRatios(ours!, 'emitter', ratios), emitter!],
      problems: [],
    };
  },
};
