import { decodeValue, encodeValue } from '../../src/shared/values/value-codec.js';
import type { Kernel } from './kernel.js';
import { repeat } from './kernel.js';

export function valueCodecKernels(): Kernel[] {
  const scalar = encodeValue('float', 21.5);
  const embedding = Float64Array.from({ length: DIMENSIONS }, (_, index) => Math.sin(index));
  const text = encodeValue('embedding', embedding);
  const binary = encodeValue('embedding', embedding, { binaryThresholdBytes: 0 });
  return [
    repeat('value codec: encode float', (index) => encodeValue('float', index + 0.5)),
    repeat('value codec: decode float', () => decodeValue('float', scalar, 'bench')),
    few('value codec: encode embedding of 256 as JSON', () => encodeValue('embedding', embedding)),
    few('value codec: decode embedding of 256 from JSON', () => decodeValue('embedding', text, 'bench')),
    few('value codec: encode embedding of 256 as binary', () =>
      encodeValue('embedding', embedding, { binaryThresholdBytes: 0 }),
    ),
    few('value codec: decode embedding of 256 from binary', () => decodeValue('embedding', binary, 'bench')),
  ];
}

/** These take microseconds each: a thousand of them would leave tinybench few samples. */
function few(name: string, operation: () => unknown): Kernel {
  return { name, operations: 1, run: operation };
}

const DIMENSIONS = 256;
