/**
 * A gRPC connection that can do one thing, SetVariables, over a bare socket: what of HTTP/2 that needs, and nothing kept of a call but
 * its callback. Owner: the writer. The clients that exist are for services: under Node 20 a call of grpc-js leaves 10 KB behind until
 * a full collection, so a writer of 1,000 calls a second stood still 5 ms in every 250, and a standing writer is in every latency
 * beside it. Errors: a refused call says so, without its reason; a lost connection fails every call.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { MessageWriter } from '../../src/shared/wire/message-writer.js';
import type { ResponseOf } from '../../src/shared/wire/services.js';
import { METHODS } from '../../src/shared/wire/services.js';
import { pathOf } from '../baselines/plain-calls.js';

type Answer = ResponseOf<'SetVariables'>;
/** Called once, with the answer or with what the call failed of. */
type OnAnswer = (answer: Answer | undefined, failure: string) => void;

interface OpenCall {
  readonly onAnswer: OnAnswer;
  message: Buffer | undefined;
}

export class SetConnection {
  readonly #socket: Socket;
  readonly #headers: Buffer;
  readonly #calls = new Map<number, OpenCall>();
  readonly #writer = new MessageWriter();
  /** Calls whose frames the server has no room for yet. */
  readonly #waiting: { readonly frames: Buffer; readonly bytes: number }[] = [];
  #lastStream = -1;
  /** Bytes of DATA that the server takes now. */
  #window = FIRST_WINDOW;
  #unread: Buffer = EMPTY;

  private constructor(socket: Socket, headers: Buffer) {
    this.#socket = socket;
    this.#headers = headers;
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#failAll('the connection was lost'));
  }

  /** @throws Error when nobody listens there */
  static async open(port: number): Promise<SetConnection> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    const settings = Buffer.alloc(2 * SETTING_BYTES);
    writeSetting(settings, 0, HEADER_TABLE_SIZE, 0);
    writeSetting(settings, SETTING_BYTES, INITIAL_WINDOW_SIZE, LARGEST_WINDOW);
    // The answers of a run are far from 2 GB: no more room has ever to be given.
    const room = Buffer.alloc(4);
    room.writeUInt32BE(LARGEST_WINDOW - FIRST_WINDOW);
    socket.write(Buffer.concat([PREFACE, frame(SETTINGS, 0, 0, settings), frame(WINDOW_UPDATE, 0, 0, room)]));
    return new SetConnection(socket, headerBlock(`127.0.0.1:${port}`));
  }

  /** `texts` are the values as JSON, by name; all of one type. */
  set(sessionId: string, typeUrl: string, texts: ReadonlyMap<string, string>, onAnswer: OnAnswer): void {
    if (this.#socket.destroyed) {
      onAnswer(undefined, 'the connection was lost');
      return;
    }
    const request = this.#encode(sessionId, typeUrl, texts);
    const bytes = MESSAGE_HEADER_BYTES + request.length;
    if (bytes > MAX_CALL_BYTES)
      throw new RangeError(`${bytes} bytes of one call: at most ${MAX_CALL_BYTES}, set fewer`);
    this.#lastStream += 2;
    const stream = this.#lastStream;
    this.#calls.set(stream, { onAnswer, message: undefined });
    const message = Buffer.allocUnsafe(bytes);
    message[0] = 0;
    message.writeUInt32BE(request.length, 1);
    message.set(request, MESSAGE_HEADER_BYTES);
    const frames = Buffer.concat([
      frame(HEADERS, END_HEADERS, stream, this.#headers),
      ...framesOf(message).map(([part, flags]) => frame(DATA, flags, stream, part)),
    ]);
    this.#waiting.push({ frames, bytes });
    this.#sendWaiting();
  }

  close(): void {
    this.#socket.destroy();
  }

  #encode(sessionId: string, typeUrl: string, texts: ReadonlyMap<string, string>): Uint8Array {
    const writer = this.#writer;
    writer.text(1, sessionId);
    for (const [name, text] of texts) {
      const entry = writer.open(2);
      writer.text(1, name);
      const value = writer.open(2);
      writer.text(1, typeUrl);
      writer.text(2, text);
      writer.close(value);
      writer.close(entry);
    }
    return writer.finish();
  }

  #sendWaiting(): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.bytes <= this.#window) {
      const { frames, bytes } = this.#waiting.shift()!;
      this.#window -= bytes;
      this.#socket.write(frames);
    }
  }

  #read(chunk: Buffer): void {
    const bytes = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    let at = 0;
    while (bytes.length - at >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const stream = bytes.readUInt32BE(at + 5) & LARGEST_WINDOW;
      this.#handleFrame(bytes[at + 3]!, bytes[at + 4]!, stream, bytes.subarray(at + FRAME_HEADER_BYTES, end));
      at = end;
    }
    this.#unread = at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at));
  }

  #handleFrame(type: number, flags: number, stream: number, payload: Buffer): void {
    switch (type) {
      case DATA: {
        const call = this.#calls.get(stream);
        if (call !== undefined)
          call.message = call.message === undefined ? payload : Buffer.concat([call.message, payload]);
        break;
      }
      case HEADERS:
        if ((flags & END_STREAM) !== 0) this.#finish(stream, 'the server refused the call');
        break;
      case RST_STREAM:
        this.#finish(stream, 'the server ended the call');
        break;
      case SETTINGS:
        if ((flags & ACK) === 0) this.#socket.write(frame(SETTINGS, ACK, 0, EMPTY));
        break;
      case PING:
        if ((flags & ACK) === 0) this.#socket.write(frame(PING, ACK, 0, payload));
        break;
      case WINDOW_UPDATE:
        // A call's own window holds all of it from the start.
        if (stream === 0) this.#window += payload.readUInt32BE(0);
        this.#sendWaiting();
        break;
      case GOAWAY:
        this.#socket.destroy();
        break;
    }
  }

  #finish(stream: number, failure: string): void {
    const call = this.#calls.get(stream);
    if (call === undefined) return;
    this.#calls.delete(stream);
    const { message } = call;
    if (message === undefined) call.onAnswer(undefined, failure);
    else call.onAnswer(METHODS.SetVariables.decodeResponse(message.subarray(MESSAGE_HEADER_BYTES)), '');
  }

  #failAll(failure: string): void {
    for (const stream of [...this.#calls.keys()]) this.#finish(stream, failure);
  }
}

/** The header block of each call: names of the static table, values as they are, so that no table has to be kept. */
function headerBlock(authority: string): Buffer {
  return Buffer.concat([
    Buffer.of(METHOD_POST, SCHEME_HTTP),
    literal(Buffer.of(PATH_NAME), pathOf('SetVariables')),
    literal(Buffer.of(AUTHORITY_NAME), authority),
    literal(Buffer.of(...CONTENT_TYPE_NAME), 'application/grpc'),
    literal(Buffer.of(NEW_NAME, 2, ...Buffer.from('te')), 'trailers'),
  ]);
}

function literal(name: Buffer, value: string): Buffer {
  return Buffer.concat([name, Buffer.of(value.length), Buffer.from(value, 'latin1')]);
}

/** In parts that every HTTP/2 server takes, with the flags of each. */
function framesOf(message: Buffer): [Buffer, number][] {
  const parts: [Buffer, number][] = [];
  for (let at = 0; at < message.length; at += MAX_FRAME_BYTES) {
    const end = Math.min(at + MAX_FRAME_BYTES, message.length);
    parts.push([message.subarray(at, end), end === message.length ? END_STREAM : 0]);
  }
  return parts;
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

function writeSetting(settings: Buffer, at: number, setting: number, value: number): void {
  settings.writeUInt16BE(setting, at);
  settings.writeUInt32BE(value, at + 2);
}

// Numbers of RFC 9113 (frames, settings) and of RFC 7541 (header names).
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const DATA = 0x0;
const HEADERS = 0x1;
const RST_STREAM = 0x3;
const SETTINGS = 0x4;
const PING = 0x6;
const GOAWAY = 0x7;
const WINDOW_UPDATE = 0x8;
const ACK = 0x1;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const HEADER_TABLE_SIZE = 0x1;
const INITIAL_WINDOW_SIZE = 0x4;
const FIRST_WINDOW = 65_535;
/** A server gives room back when half of it is used: a call that needs more could wait for ever, because it goes whole. */
export const MAX_CALL_BYTES = FIRST_WINDOW >> 1;
const LARGEST_WINDOW = 2 ** 31 - 1;
const MAX_FRAME_BYTES = 16_384;
const FRAME_HEADER_BYTES = 9;
const SETTING_BYTES = 6;
const METHOD_POST = 0x83;
const SCHEME_HTTP = 0x86;
const PATH_NAME = 0x04;
const AUTHORITY_NAME = 0x01;
const CONTENT_TYPE_NAME = [0x0f, 0x10];
const NEW_NAME = 0x00;

/** Of gRPC: one byte says whether the message is compressed, four its length. */
const MESSAGE_HEADER_BYTES = 5;
const EMPTY = Buffer.alloc(0);
