/** Messages that a real client and a real server said to each other, both ways: what is changed begins as what is right. */
import { BridgedState } from '../../src/main/index.js';
import { PassingServer } from '../support/passing-server.js';

export interface Corpus {
  readonly up: readonly Uint8Array[];
  readonly down: readonly Uint8Array[];
}

export const SESSION = 'fuzz';
/** Of each type that sets and watches of links carry. */
export const NAMES = ['number', 'other', 'flag', 'text', 'list'] as const;

/** Registers the variables, and records a client that does what there is to do. */
export async function recordCorpus(port: number): Promise<Corpus> {
  const up: Uint8Array[] = [];
  const down: Uint8Array[] = [];
  const tap = {
    up: (bytes: Buffer) => void up.push(Uint8Array.from(bytes)),
    down: (bytes: Buffer) => {
      down.push(Uint8Array.from(bytes));
      return bytes;
    },
  };
  await using passing = await PassingServer.start(port, { tap });
  const options = { endpoint: passing.endpoint, sessionId: SESSION, workers: 0, transport: 'link' } as const;
  await using state = await BridgedState.open(options);
  await state.registerVariable('number', 'float', 0);
  await state.registerVariable('other', 'integer', 0);
  await state.registerVariable('flag', 'boolean', false);
  await state.registerVariable('text', 'string', '', { constraints: { max_length: 1_000 } });
  await state.registerVariable('list', 'list', []);
  const ignore = (): void => undefined;
  const watches = [
    await state.watchVariables([...NAMES], ignore, { includeInitial: true }),
    await state.watchVariables('number', ignore, { filter: { crosses: 5 } }),
    await state.watchVariables('number', ignore, {
      filter: { and: [{ gt: 2 }, { not: { in: [3, 4] } }] },
      staleAfterMs: 1_000,
    }),
    await state.watchVariables(['number', 'flag'], ignore, { atomic: true }),
    await state.watchVariables('later', ignore, { missing: 'wait' }),
    await state.watchVariables({ pattern: ['n*', 't?xt'] }, ignore),
  ];
  for (let round = 1; round <= 10; round += 1) {
    await Promise.all([
      state.setVariable('number', round / 2, { metadata: { round: `${round}`, ключ: '✓' }, source: 'fuzz' }),
      state.setVariable('other', round * 1_000_000),
      state.setVariable('flag', round % 2 === 0),
      state.setVariable('text', 'é'.repeat(round)),
      state.setVariable('nobody', 1).catch(ignore),
      state.setVariable('number', 1, { expectedVersion: 1 }).catch(ignore),
    ]);
    await state.updateVariables({ number: round, flag: round % 3 === 0 }, { atomic: true });
    await state.setVariable('list', [round, { a: [round] }]);
    if (round === 5) await state.registerVariable('later', 'float', 1);
    await state.listWatchers();
  }
  await state.deleteVariable('later');
  await watches[0]!.remove('text');
  for (const watch of watches) await watch.stop();
  return { up, down };
}
