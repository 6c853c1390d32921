// Answers searches by the ranking that the configuration names. A module is the name of code: a change of it takes the new
// code from the next search on, without a restart.
import { parseArgs } from 'node:util';
import { BridgedState } from 'bridged-state';

const { values } = parseArgs({ options: { endpoint: { type: 'string', default: '127.0.0.1:50051' } } });
const state = await BridgedState.open({ endpoint: values.endpoint, sessionId: 'config', source: 'search' });

const rankings = {
  'rank.recent': (pages) => pages.toSorted((a, b) => b.year - a.year),
  'rank.popular': (pages) => pages.toSorted((a, b) => b.readers - a.readers),
};
const pages = [
  { title: 'Old favourites', year: 2019, readers: 900 },
  { title: 'News', year: 2026, readers: 40 },
];
const apply = { ranking: (name) => console.log(`ranks by ${name}: ${rankings[name](pages)[0].title} comes first`) };

// The names may be registered after this program has started; present values come first, changes follow.
const config = state.watch(['ranking', 'running'], { missing: 'wait', includeInitial: true });
let applied = 0;
for await (const { identifier, newValue } of config) {
  if (identifier === 'running' && newValue === false) break;
  if (identifier === 'running') continue;
  applied += 1;
  apply[identifier](newValue);
  // Ready is who has its configuration.
  if (applied === 1) await state.registerVariable('ready/search', 'boolean', true);
}
console.log(`ends, having applied ${applied} values`);
await state.close();
