/** `bridged-state/testing`: what every state provider and every engine promises, as suites for node:test. */
export { describeEngine } from './engine-contract/describe-engine.js';
export { describeStateProvider } from './provider-contract/describe-state-provider.js';
