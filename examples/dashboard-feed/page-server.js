// Serves a page and, at /events, its variables as server-sent events. Each browser has a watch of its own with the filter and
// the throttle that it asked for; when it goes, its watch ends. A browser that reads slowly is sent the newest values only:
// while its socket is full, the loop waits, and the watch keeps one value a variable (`bufferLimit`).
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { BridgedState } from 'bridged-state';

const { values } = parseArgs({
  options: {
    endpoint: { type: 'string', default: '127.0.0.1:50051' },
    port: { type: 'string', default: '0' },
    seconds: { type: 'string' },
  },
});
const state = await BridgedState.open({ endpoint: values.endpoint, sessionId: 'house' });
const counts = { feeds: 0, events: 0 };

async function sendPage(response) {
  response.setHeader('content-type', 'text/html; charset=utf-8');
  response.end(await readFile(new URL('page.html', import.meta.url)));
}

async function sendFeed(query, response) {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const options = {
    includeInitial: true,
    batch: true,
    bufferLimit: 16,
    signal: gone.signal,
    throttleMs: Number(query.get('throttleMs') ?? 0),
  };
  const changedBy = Number(query.get('changedBy') ?? 0);
  if (changedBy !== 0) options.filter = { changedBy };
  let changes;
  try {
    changes = state.watch({ pattern: query.get('pattern') ?? '*/*' }, options);
  } catch (error) {
    // Wrong options are said in one sentence, which whoever asked for them shall read.
    response.writeHead(400, { 'content-type': 'text/plain' }).end(`${error.message}\n`);
    return;
  }
  counts.feeds += 1;
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write('retry: 500\n\n');
  for await (const batch of changes) {
    const said = batch.map(({ identifier, newValue, metadata }) => ({
      name: identifier,
      value: newValue ?? null,
      version: metadata.version,
      missed: metadata.missed,
    }));
    counts.events += 1;
    if (!response.write(`data: ${JSON.stringify(said)}\n\n`) && !gone.signal.aborted) {
      await once(response, 'drain', { signal: gone.signal }).catch(() => undefined);
    }
  }
}

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://dashboard');
  const fail = (error) => response.destroy(error);
  if (pathname === '/') sendPage(response).catch(fail);
  else if (pathname === '/events') sendFeed(searchParams, response).catch(fail);
  else response.writeHead(404).end('not found\n');
});
server.listen(Number(values.port), '127.0.0.1');
await once(server, 'listening');
console.log(`open http://127.0.0.1:${server.address().port}`);

const ended = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => ended.abort());
const running = state.watch('sensors/running', { missing: 'wait', includeInitial: true, signal: ended.signal });
for await (const { newValue } of running) if (newValue === false) break;

server.close();
server.closeAllConnections();
await state.close();
console.log(`sent ${counts.events} events to ${counts.feeds} feeds`);
