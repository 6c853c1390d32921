import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { installLeanDecoder, makeLean, type StreamDecoder } from '../../../src/workers/transport/lean-decoder.js';

type DecoderClass = new (maxReadMessageLength: number) => StreamDecoder;

/** The installed grpc-js's, each time a class of its own. */
function loadDecoder(): DecoderClass {
  const require = createRequire(import.meta.url);
  const path = require.resolve('@grpc/grpc-js/build/src/stream-decoder.js');
  const cached = require.cache[path];
  delete require.cache[path];
  const { StreamDecoder } = require(path) as { StreamDecoder: DecoderClass };
  if (cached === undefined) delete require.cache[path];
  else require.cache[path] = cached;
  return StreamDecoder;
}

function framed(payload: Uint8Array, flag = 0): Buffer {
  const header = Buffer.alloc(5);
  header[0] = flag;
  header.writeUInt32BE(payload.length, 1);
  return Buffer.concat([header, payload]);
}

/** Cuts bytes into chunks of these lengths, again and again. */
function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, chunk = 0; at < bytes.length; chunk += 1) {
    const end = Math.min(bytes.length, at + lengths[chunk % lengths.length]!);
    chunks.push(Buffer.from(bytes.subarray(at, end)));
    at = end;
  }
  return chunks;
}

/** The messages of each chunk, up to and with the first refusal. */
function decode(decoder: StreamDecoder, chunks: readonly Buffer[]): (string[] | Error)[] {
  const results: (string[] | Error)[] = [];
  for (const chunk of chunks) {
    try {
      results.push(decoder.write(chunk).map((message) => message.toString('hex')));
    } catch (error) {
      results.push(error as Error);
      break;
    }
  }
  return results;
}

describe('the lean decoder', () => {
  const Original = loadDecoder();
  const Lean = loadDecoder();
  assert.equal(makeLean(Lean), true, 'the installed grpc-js is one that we know');

  test('gives what the decoder of grpc-js gives, however the messages are cut, and refuses what it refuses', () => {
    const messages = fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.constantFrom(0, 1)), { maxLength: 12 });
    const lengths = fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(messages, lengths, fc.constantFrom(-1, 30, 40), (sent, chunkLengths, maxLength) => {
        const chunks = cut(Buffer.concat(sent.map(([payload, flag]) => framed(payload, flag))), chunkLengths);
        assert.deepEqual(decode(new Lean(maxLength), chunks), decode(new Original(maxLength), chunks));
      }),
    );
  });

  test('keeps nothing of a message that it gave', () => {
    const decoder = new Lean(-1);
    const message = framed(Buffer.alloc(20, 7));
    for (const chunks of [[message], [message.subarray(0, 3), message.subarray(3, 10), message.subarray(10)]]) {
      for (const chunk of chunks) decoder.write(Buffer.from(chunk));
      assert.deepEqual(decoder.readPartialMessage, []);
      assert.deepEqual([...decoder.readCompressFlag], [0]);
    }
  });

  test('leaves alone a decoder that it does not know', () => {
    class Other {
      write(): Buffer[] {
        return [];
      }
    }
    const { write } = Other.prototype;
    assert.equal(makeLean(Other as unknown as DecoderClass), false);
    assert.equal(Other.prototype.write, write);
  });

  test('is found in the installed grpc-js', async () => {
    assert.equal(await installLeanDecoder(), true);
  });
});
