/** `bridged-state/testing`: what every state provider and every engine promises, as suites for node:test. */
export { describeEngine } from './engine-contract/describe-engine.js';
export type { EngineSetup } from './engine-contract/engine-test.js';
export { describeStateProvider } from './provider-contract/describe-state-provider.js';
