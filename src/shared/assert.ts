/** Our own mistakes, as one sentence. The world's mistakes are handled instead. */
import { InternalError } from './errors.js';

export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new InternalError(`broken invariant: ${invariant}`);
}
