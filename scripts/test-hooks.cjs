// Loaded before each test file. Node's test runner follows every promise and socket of a file by async hooks, to name the test that an
// uncaught error belongs to: a tenth of the CPU that the tests take, and a cost that no user pays. Here it follows its tests alone. An
// uncaught error still fails its file; `node --test dist/test/FILE` names the test too.

const asyncHooks = require('node:async_hooks');

const { createHook, AsyncResource } = asyncHooks;
const inits = [];

asyncHooks.createHook = (callbacks) => {
  if (callbacks.init === undefined || !new Error().stack.includes('node:internal/test_runner'))
    return createHook(callbacks);
  inits.push(callbacks.init);
  return createHook({});
};

// A test is such a resource, and one that is declared inside another has to find it.
asyncHooks.AsyncResource = class extends AsyncResource {
  constructor(type, ...options) {
    super(type, ...options);
    if (type === 'Test') for (const init of inits) init(this.asyncId(), type, this.triggerAsyncId(), this);
  }
};
