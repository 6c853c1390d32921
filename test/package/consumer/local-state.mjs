// No server, no worker: what an embedder has before it is bridged. Nothing is closed on purpose, and it must end all the same.
import assert from 'node:assert/strict';
import { BridgeError, LocalState } from 'bridged-state';

const state = new LocalState();
await state.registerVariable('fan', 'integer', 1);
await state.setVariable('fan', 2);
assert.equal(await state.getVariable('fan'), 2);
await assert.rejects(state.getVariable('pump'), BridgeError);
