/**
 * A value with who set it, and a registration, as Redis keeps them: bytes that no script looks into. Path: group -> [payload] -> commit script ->
 * log -> [payload] -> replica. Fields may be added behind, none changed: servers of several ages read it.
 */
import { ProtocolError } from '../../../../shared/errors.js';
import type { Constraints } from '../../../../shared/values/constraint.js';
import { parseConstraints } from '../../../../shared/values/constraint.js';
import { jsonText, parseJson } from '../../../../shared/values/json.js';
import { jsonTextOf } from '../../../../shared/values/json-text.js';
import type { Metadata } from '../../../../shared/values/metadata.js';
import { EMPTY_METADATA } from '../../../../shared/values/metadata.js';
import { decodeValue, encodeValue, typeUrlOf } from '../../../../shared/values/value-codec.js';
import type { JsonValue, VariableType, VariableValue } from '../../../../shared/values/variable-type.js';
import { parseVariableType } from '../../../../shared/values/variable-type.js';

export interface Payload {
  readonly value: VariableValue;
  readonly source: string;
  readonly custom: Metadata;
}

/** Flags, source, custom metadata, type url where it is another than the type's own, value, and what is beside it. */
export function encodePayload(type: VariableType, value: VariableValue, source: string, custom: Metadata): Buffer {
  const { typeUrl, value: bytes, binary } = encodeValue(type, value, { binaryThresholdBytes: -1 });
  const url = typeUrl === typeUrlOf(type) ? '' : typeUrl;
  const metadata = custom === EMPTY_METADATA || Object.keys(custom).length === 0 ? '' : JSON.stringify(custom);
  const texts = [source, metadata, url];
  let size = 1 + 4 + bytes.length + (binary?.length ?? 0);
  for (const text of texts) size += 4 + (text === '' ? 0 : Buffer.byteLength(text));
  const payload = Buffer.allocUnsafe(size);
  payload[0] = binary === undefined ? 0 : 1;
  let at = 1;
  for (const text of texts) {
    const written = text === '' ? 0 : payload.write(text, at + 4);
    payload.writeUInt32BE(written, at);
    at += 4 + written;
  }
  payload.writeUInt32BE(bytes.length, at);
  payload.set(bytes, at + 4);
  if (binary !== undefined) payload.set(binary, at + 4 + bytes.length);
  return payload;
}

/** @throws ProtocolError for bytes of no server of ours */
export function decodePayload(type: VariableType, payload: Buffer): Payload {
  const reader = new Sized(payload, 1);
  const source = reader.text();
  const metadata = reader.text();
  const url = reader.text();
  const bytes = reader.bytes();
  const binary = payload[0] === 1 ? new Uint8Array(reader.rest()) : undefined;
  const custom = metadata === '' ? EMPTY_METADATA : (Object.freeze(JSON.parse(metadata)) as Metadata);
  if ((type === 'map' || type === 'list') && bytes.byteLength > LARGE_JSON_BYTES) {
    return { value: jsonTextOf(bytes), source, custom };
  }
  const sent = { typeUrl: url === '' ? typeUrlOf(type) : url, value: bytes, binary };
  return { value: decodeValue(type, sent, 'a value in Redis'), source, custom };
}

/** What was said when a variable was registered, without what Redis says itself: its place, and when that was. */
export interface RegistrationText {
  readonly name: string;
  readonly type: VariableType;
  readonly constraints: Constraints;
  readonly metadata: Metadata;
  readonly description: string;
  readonly ttlMs: number;
  readonly firstVersion: number;
}

export function encodeRegistration(registration: RegistrationText): Buffer {
  const { name, type, constraints, metadata, description, ttlMs, firstVersion } = registration;
  const said = { name, type, constraints: constraints as JsonValue, metadata, description, ttlMs, firstVersion };
  return Buffer.from(jsonText(said as JsonValue));
}

export function decodeRegistration(bytes: Buffer): RegistrationText {
  const said = parseJson(bytes.toString(), 'a registration in Redis') as unknown as RegistrationText;
  const type = parseVariableType(said.type);
  const constraints = parseConstraints(type, said.constraints, `variable "${said.name}"`);
  return {
    name: said.name,
    type,
    constraints,
    description: said.description,
    ttlMs: said.ttlMs,
    firstVersion: said.firstVersion,
    metadata: Object.keys(said.metadata).length === 0 ? EMPTY_METADATA : said.metadata,
  };
}

class Sized {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  bytes(): Buffer {
    if (this.#at + 4 > this.#bytes.length) throw broken();
    const from = this.#at + 4;
    const to = from + this.#bytes.readUInt32BE(this.#at);
    if (to > this.#bytes.length) throw broken();
    this.#at = to;
    return this.#bytes.subarray(from, to);
  }

  text(): string {
    return this.bytes().toString();
  }

  rest(): Buffer {
    return this.#bytes.subarray(this.#at);
  }
}

function broken(): ProtocolError {
  return new ProtocolError('a value in Redis is cut short: another program wrote into the keys of this one');
}

/** As requests have it: larger ones are passed on as the text that they came as. */
const LARGE_JSON_BYTES = 64 * 1024;
