/** A client process that watches the variable `fan` on a number of streams, says when, and stays: to be killed. */
import { PlainClient } from './plain-client.js';

const [, , port = '', streams = ''] = process.argv;
const client = new PlainClient(Number(port));
const watches = Array.from({ length: Number(streams) }, () =>
  client.watch({ sessionId: 's', variableIdentifiers: ['fan'] }),
);
await Promise.all(watches.map((watch) => watch.ready()));
process.send?.('watching');
