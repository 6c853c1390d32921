/** A message to its bytes. Path: methods -> [message bytes] -> what protobufjs generated. */
import protobuf from 'protobufjs/minimal.js';

interface Encoder<T> {
  encode(message: T, writer: protobuf.Writer): protobuf.Writer;
}

/** @throws what the generated encoder throws at a field of a wrong type */
export function bytesOf<T>(type: Encoder<T>, message: T): Uint8Array {
  // One that threw in the middle of a message is not used again.
  const writer = spare ?? new ReusedWriter();
  spare = undefined;
  type.encode(message, writer);
  // Not copied once more: a message of 1 MB made garbage of 4 MB, and a server's memory is judged by its peak.
  if (writer.pos > LARGEST_COPIED) return writer.buf.subarray(0, writer.pos);
  const bytes = writer.finish();
  writer.reset();
  spare = writer;
  return bytes;
}

/** Takes a large field without doubling for the few bytes that follow it. */
class ReusedWriter extends protobuf.BufferWriter {
  static override alloc = (size: number) => alloc(size > LARGEST_COPIED ? size + AFTER_A_LARGE_FIELD : size);
}

const { alloc } = protobuf.BufferWriter;

let spare: ReusedWriter | undefined;

const LARGEST_COPIED = 65_536;
const AFTER_A_LARGE_FIELD = 4_096;
