/** Sets as a service makes them that has this library: a batch is one `updateVariables`, over a link without workers. Owner: the writer, for its life. */
import { BridgedState } from '../../src/main/index.js';
import type { BatchSetter } from '../peers/peer.js';

export async function openLinkSetter(port: number, sessionId: string): Promise<BatchSetter> {
  const state = await BridgedState.open({
    endpoint: `127.0.0.1:${port}`,
    sessionId,
    workers: 0,
    transport: 'link',
  });
  return {
    set: (texts, onAnswer) => {
      const values = Object.fromEntries(Array.from(texts, ([name, text]) => [name, JSON.parse(text)]));
      state.updateVariables(values).then(
        (versions) => onAnswer(texts.size - versions.size, 'the server left it out'),
        (error: unknown) => onAnswer(texts.size, String(error)),
      );
    },
  };
}
