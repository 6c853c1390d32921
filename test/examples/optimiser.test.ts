/** The optimiser: that each score belongs to the parameters that were set, where the search ends, and that the picture shows what was said. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runExample } from './example-process.js';
import { NEEDS_PYTHON, PYTHON, WHAT_PYTHON_NEEDS } from './python.js';

interface Spot {
  readonly left: number;
  readonly top: number;
}

const README_PICTURE = fileURLToPath(new URL('../../../examples/optimiser/history.svg', import.meta.url));
// Where the plots stand in the picture, and what they reach from and to.
const PLOT = { left: 60, top: 50, width: 350, height: 280 };
const SCORES = { left: 510, decades: 9 };

test(
  'the search reaches a valley, each score is that of its parameters, and the picture shows them',
  NEEDS_PYTHON,
  async () => {
    assert.ok(PYTHON !== undefined, WHAT_PYTHON_NEEDS);
    const folder = mkdtempSync(join(tmpdir(), 'bridged-state-optimiser-'));
    try {
      const file = join(folder, 'history.svg');
      const { code, text } = await runExample('optimiser', '--plot', file);
      assert.equal(code, 0, text);
      assert.match(text, /tuner +best after 120 trials: x 3\.\d+, y [12]\.\d+, score 0\.00\d+/);
      assert.match(text, /scorer +scored 120 trials, drawn in .*history\.svg/);

      const bests = [...text.matchAll(/tuner +trial +(\d+): x +(\S+), y +(\S+), score (\S+)/g)].map(
        ([, ...numbers]) => {
          const [trial, x, y, score] = numbers.map(Number) as [number, number, number, number];
          return { trial, x, y, score };
        },
      );
      assert.ok(bests.length >= 5, text);
      for (const { x, y, score } of bests) {
        assert.ok(Math.abs(score - ((x ** 2 + y - 11) ** 2 + (x + y ** 2 - 7) ** 2)) < 1e-5, `${score} at ${x}, ${y}`);
      }
      for (const [place, { score }] of bests.entries()) {
        if (place > 0) assert.ok(score < bests[place - 1]!.score, 'each best is better than the one before');
      }

      const picture = readFileSync(file, 'utf8');
      assertWellFormed(file);
      assertWellFormed(README_PICTURE);
      assert.deepEqual(
        [0, 1, 2, 3].map((series) => spotsOf(picture, series).length),
        [120, bests.length, 120, bests.length],
      );
      assertSpots(
        spotsOf(picture, 1),
        bests.map(({ x, y }) => ({
          left: PLOT.left + ((x + 5) / 10) * PLOT.width,
          top: PLOT.top + ((5 - y) / 10) * PLOT.height,
        })),
      );
      assertSpots(
        spotsOf(picture, 3),
        bests.map(({ trial, score }) => ({
          left: SCORES.left + (trial / 120) * PLOT.width,
          top: PLOT.top + ((3 - Math.log10(Math.max(score, 1e-6))) / SCORES.decades) * PLOT.height,
        })),
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);

test('a search that is too short to come close is no success', NEEDS_PYTHON, async () => {
  assert.ok(PYTHON !== undefined, WHAT_PYTHON_NEEDS);
  const folder = mkdtempSync(join(tmpdir(), 'bridged-state-optimiser-'));
  try {
    const file = join(folder, 'history.svg');
    const { code, text } = await runExample('optimiser', '--plot', file, '--trials', '3', '--seed', '4');
    assert.equal(code, 1, text);
    assert.match(text, /example: tuner\.py ended with 1/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Where the picture has the trials of one series. */
function spotsOf(picture: string, series: number): Spot[] {
  const spot = new RegExp(
    `<path [^>]*transform="matrix\\([^,]+,0,0,[^,]+,([^,]+),([^)]+)\\)"[^>]* ecmeta_series_index="${series}"[^>]* ecmeta_ssr_type="chart"`,
    'g',
  );
  return [...picture.matchAll(spot)].map(([, left, top]) => ({ left: Number(left), top: Number(top) }));
}

function assertSpots(drawn: readonly Spot[], said: readonly Spot[]): void {
  for (const [place, { left, top }] of said.entries()) {
    const spot = drawn[place]!;
    // What is said is rounded: a pixel. A score of 0.000001 may be half of it or one and a half: up to 20.
    assert.ok(Math.abs(spot.left - left) < 1, `spot ${place} is at ${spot.left}, not ${left}`);
    assert.ok(Math.abs(spot.top - top) < 20, `spot ${place} is at ${spot.top}, not ${top}`);
  }
}

/** Node reads no XML; Python does. */
function assertWellFormed(file: string): void {
  const program =
    'import sys, xml.etree.ElementTree as tree; root = tree.parse(sys.argv[1]).getroot(); ' +
    'assert root.tag == "{http://www.w3.org/2000/svg}svg", root.tag';
  const { status, stderr } = spawnSync(PYTHON!, ['-c', program, file], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}
