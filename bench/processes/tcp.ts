/** One end of a TCP ping-pong: it echoes, or it pings. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { createHistogram } from 'node:perf_hooks';
import { answerParent } from './child-link.js';
import { nowUs } from './monotonic-clock.js';
import type { Latency } from './update-recorder.js';
import { readLatency } from './update-recorder.js';

const calls = {
  listen: async (_: null) => {
    const server = createServer((socket) => {
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy()).pipe(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  },
  ping: ({ port, seconds }: { port: number; seconds: number }) => ping(port, seconds),
};

export type TcpCalls = typeof calls;

answerParent(calls);

async function ping(port: number, seconds: number): Promise<Latency> {
  const histogram = createHistogram({ lowest: 1, highest: 60e9, figures: 3 });
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  await once(socket, 'connect');
  const message = Buffer.alloc(MESSAGE_BYTES);
  const countFromUs = nowUs() + WARMUP_US;
  const untilUs = countFromUs + seconds * 1e6;
  await new Promise<void>((resolve, reject) => {
    let sentUs = nowUs();
    let received = 0;
    socket.on('error', reject);
    socket.on('data', ({ length }) => {
      received += length;
      if (received < MESSAGE_BYTES) return;
      received = 0;
      const atUs = nowUs();
      if (atUs > countFromUs) histogram.record(Math.max(1, Math.round((atUs - sentUs) * 1_000)));
      if (atUs > untilUs) return resolve();
      sentUs = nowUs();
      socket.write(message);
    });
    socket.write(message);
  });
  socket.destroy();
  return readLatency(histogram);
}

/** About what an update takes. */
const MESSAGE_BYTES = 128;
const WARMUP_US = 200_000;
