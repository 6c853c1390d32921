/** `npm run fuzz -- --seed N --frames 1000000`: changed frames at both ends of the link. Exit code 1 where one had an effect that must not be. */
import { parseArgs } from 'node:util';
import { fuzzClient } from './client-fuzz.js';
import { fuzzServer } from './server-fuzz.js';

const USAGE = `npm run fuzz -- [options]
  --seed N        whose changes; default: drawn, and printed
  --frames N      so many at each end (100000)
  --end E         server or client alone; default: one after the other`;

const ENDS = { client: fuzzClient, server: fuzzServer } as const;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    frames: { type: 'string', default: '100000' },
    end: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
const frames = Number(values.frames);
const chosen = (Object.keys(ENDS) as (keyof typeof ENDS)[]).filter((end) =>
  [undefined, end].includes(values.end as never),
);
if (values.help || chosen.length === 0 || !Number.isSafeInteger(seed) || !(frames > 0)) {
  console.log(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  for (const end of chosen) {
    const { frames: made, links, ends, findings } = await ENDS[end](seed, frames);
    console.log(`seed ${seed} ${end}: ${made} frames on ${links} links, ended by ${JSON.stringify(ends)}`);
    for (const finding of findings) console.log(`  ${finding.slice(0, 500)}`);
    if (findings.length > 0) process.exitCode = 1;
  }
}
