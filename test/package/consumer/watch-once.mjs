import { BridgedState } from 'bridged-state';
import { startBridgeServer } from 'bridged-state/server';

/** Sets a watched variable through a server of our own and returns what the watcher was called with. */
export async function watchOnce({ workers }) {
  const server = await startBridgeServer({ port: 0 });
  const state = await BridgedState.open({ endpoint: `127.0.0.1:${server.port}`, sessionId: 's', workers });
  try {
    await state.registerVariable('fan', 'integer', 1);
    const { promise: called, resolve } = deferred();
    await state.watchVariables(['fan'], (identifier, oldValue, newValue) =>
      resolve({ identifier, oldValue, newValue }),
    );
    await state.setVariable('fan', 2);
    return await within(10_000, called);
  } finally {
    await state.close();
    await server.close();
  }
}

// Promise.withResolvers is not there in Node 20.
function deferred() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

async function within(deadlineMs, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
