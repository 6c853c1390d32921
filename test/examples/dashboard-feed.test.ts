/** The dashboard's feed by a plain request, and its page in a real browser. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { within } from '../support/deadline.js';
import { BrowserPage, findBrowser, WHAT_TO_INSTALL } from './browser.js';
import { ExampleProcess } from './example-process.js';

interface Said {
  readonly name: string;
  readonly value: number;
  readonly version: number;
  readonly missed: number;
}

const browser = findBrowser();
const isRequired = process.env.CI === 'true';

test('a feed has what its filter and its throttle let through, in order, and ends with its program', async () => {
  await using example = new ExampleProcess('dashboard-feed', '--seconds', '30');
  const [, url] = await example.says(/open (http:\S+)/);
  await example.says(/the sensors are there/);
  const [plain, throttled, filtered] = await Promise.all([
    readFeed(`${url}/events?pattern=kitchen/temperature`, 20),
    readFeed(`${url}/events?pattern=kitchen/temperature&throttleMs=400`, 4),
    readFeed(`${url}/events?pattern=kitchen/*&changedBy=0.2`, 12),
  ]);
  for (const [index, { version }] of plain.said.entries()) {
    if (index > 0) assert.equal(version, plain.said[index - 1]!.version + 1, 'an unfiltered feed has each version');
  }
  // The present value, the next change, and two more 400 ms apart; timers of two processes may differ by some.
  assert.ok(throttled.ms >= 700, `four throttled events came within ${throttled.ms} ms`);
  const first = new Map<string, number>();
  const versions = new Map<string, number>();
  for (const { name, version } of filtered.said) {
    assert.match(name, /^kitchen\//);
    if (!first.has(name)) first.set(name, version);
    versions.set(name, version);
  }
  // One change in five is so large; that ten in a row were happens once in ten million runs.
  const passed = [...versions].reduce((sum, [name, version]) => sum + version - first.get(name)!, 0);
  assert.ok(passed > 10, `of ${passed} versions 10 were told`);
  const refused = await fetch(`${url}/events?throttleMs=-3`);
  assert.deepEqual([refused.status, await refused.text()], [400, expect.throttle]);

  assert.equal(await example.stop(), 0, example.lines.join('\n'));
  await example.says(/sent \d+ events to 3 feeds/);
});

test('the page shows live values, and filters and throttles what it is asked to', {
  skip: browser === undefined && !isRequired ? WHAT_TO_INSTALL : false,
}, async () => {
  assert.ok(browser !== undefined, WHAT_TO_INSTALL);
  await using example = new ExampleProcess('dashboard-feed', '--seconds', '60');
  const [, url] = await example.says(/open (http:\S+)/);
  await example.says(/the sensors are there/);
  await using page = await BrowserPage.open(browser, url!);

  await page.until(`${updatesOf('kitchen/temperature')} >= 10`, 'ten updates of the kitchen');
  assert.deepEqual(await page.evaluate(NAMES), ['attic/temperature', 'hall/temperature', 'kitchen/temperature']);
  const value = await page.evaluate<string>(`${row('kitchen/temperature')}.cells[1].textContent`);
  await page.until(`${row('kitchen/temperature')}.cells[1].textContent !== ${JSON.stringify(value)}`, 'a live value');
  assert.equal(await page.evaluate(`document.querySelector('#state').textContent`), 'live');

  await page.evaluate(choose('pattern', 'kitchen/*'));
  await page.until(`${NAMES}.length === 2`, 'the rows of the kitchen');
  assert.deepEqual(await page.evaluate(NAMES), ['kitchen/humidity', 'kitchen/temperature']);

  await page.evaluate(choose('throttleMs', '500'));
  await page.until(`${updatesOf('kitchen/humidity')} >= 4`, 'four throttled updates');
  const { updates, versions } = await page.evaluate<{ updates: number; versions: number }>(SHOWN_AND_PASSED);
  assert.ok(versions > updates * 3, `${updates} updates shown while the variable went through ${versions} versions`);

  assert.equal(await example.stop(), 0, example.lines.join('\n'));
});

const expect = { throttle: 'watch: throttleMs: expected >=0 but received -3: see docs/options.md\n' };

const row = (name: string): string => `document.querySelector('tr[data-name="${name}"]')`;
const updatesOf = (name: string): string => `Number(${row(name)}?.cells[3].textContent)`;
const NAMES = `[...document.querySelectorAll('tbody tr')].map(({ dataset }) => dataset.name).sort()`;
/** From one throttled update to the fourth after it: how many the page was told, and how many versions there were. */
const SHOWN_AND_PASSED = `new Promise((resolve) => {
  const cells = ${row('kitchen/humidity')}.cells;
  const [version, updates] = [Number(cells[2].textContent), Number(cells[3].textContent)];
  const look = () => {
    const now = Number(cells[3].textContent) - updates;
    if (now >= 3) resolve({ updates: now, versions: Number(cells[2].textContent) - version });
    else setTimeout(look, 10);
  };
  look();
})`;

function choose(name: string, value: string): string {
  return `(() => {
    const select = document.querySelector('select[name="${name}"]');
    select.value = ${JSON.stringify(value)};
    select.dispatchEvent(new Event('change', { bubbles: true }));
  })()`;
}

/** The first updates of a feed, and how long they took from the first to the last. */
async function readFeed(url: string, count: number): Promise<{ said: Said[]; ms: number }> {
  const given = new AbortController();
  const response = await fetch(url, { signal: given.signal });
  assert.equal(response.status, 200);
  const said: Said[] = [];
  let firstMs = 0;
  const reading = async (): Promise<void> => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const bytes of response.body!) {
      text += decoder.decode(bytes, { stream: true });
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) if (event.startsWith('data: ')) said.push(...(JSON.parse(event.slice(6)) as Said[]));
      if (said.length > 0 && firstMs === 0) firstMs = performance.now();
      if (said.length >= count) return;
    }
  };
  await within(20_000, reading(), `${count} events of ${url}`);
  const ms = performance.now() - firstMs;
  given.abort();
  return { said: said.slice(0, count), ms };
}
