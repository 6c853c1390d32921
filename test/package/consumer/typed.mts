// Compiled by scripts/check-package.mjs against the installed package, as strictly as a user may have set it, and not run.
import { BridgedState, BridgeError, LocalState, type StateProvider, type Watch } from 'bridged-state';
import { type BridgeServer, startBridgeServer } from 'bridged-state/server';
import { describeStateProvider } from 'bridged-state/testing';

export async function watchFan(provider: StateProvider, signal: AbortSignal): Promise<Watch> {
  return provider.watchVariables(
    ['fan'],
    (identifier, oldValue, newValue, metadata) => {
      const version: number = metadata.version;
      console.log(identifier satisfies string, oldValue, newValue, version);
    },
    { includeInitial: true, signal },
  );
}

export async function open(): Promise<[BridgeServer, StateProvider]> {
  const server = await startBridgeServer({ port: 0 });
  const port: number = server.port;
  return [server, await BridgedState.open({ endpoint: `127.0.0.1:${port}`, sessionId: 's', workers: 1 })];
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof BridgeError ? error.code : undefined;
}

describeStateProvider('LocalState', async () => new LocalState());
