/**
 * Sets as columns of a LinkUp message. Path: set queue -> [link set writer] -> link carrier. Identifiers are named once a link and are numbers from
 * then on. Bounded by its owner, which takes the message when `size` says so.
 */
import type { Metadata } from '../values/metadata.js';
import { EMPTY_METADATA } from '../values/metadata.js';
import { ColumnMessage, writeMetadata, writeNumber } from './column-message.js';
import { FORM, SET_FIELDS, SETS } from './link-row.js';

/** A text of JSON, or a header and the bytes that it tells of. */
export interface PayloadValue {
  readonly payload: Uint8Array;
  readonly binary: Uint8Array | undefined;
}

/** Values that travel without anybody knowing their variable's type. */
export type LinkValue = number | boolean | string | PayloadValue;

export interface LinkSet {
  readonly identifier: string;
  readonly value: LinkValue;
  readonly source: string;
  readonly metadata: Metadata;
  /** 0 = whatever version it is at. */
  readonly expectedVersion: number;
  /** More of its atomic batch is behind it. */
  readonly isFollowed: boolean;
}

export class LinkSetWriter {
  readonly #message = new ColumnMessage();
  readonly #kinds = this.#message.packed(SET_FIELDS.KINDS);
  readonly #targets = this.#message.packed(SET_FIELDS.TARGETS);
  readonly #doubles = this.#message.packed(SET_FIELDS.DOUBLES);
  readonly #integers = this.#message.packed(SET_FIELDS.INTEGERS);
  readonly #expectedVersions = this.#message.packed(SET_FIELDS.EXPECTED_VERSIONS);
  readonly #metadataCounts = this.#message.packed(SET_FIELDS.METADATA_COUNTS);
  readonly #keyed = this.#message.keyed;
  readonly #numbers = new Map<string, number>();
  #source = '';

  get size(): number {
    return this.#message.size;
  }

  get isEmpty(): boolean {
    return this.#kinds.length === 0;
  }

  add({ identifier, value, source, metadata, expectedVersion, isFollowed }: LinkSet): void {
    let kind = this.#value(value);
    if (isFollowed) kind |= SETS.MORE;
    let number = this.#numbers.get(identifier);
    if (number === undefined) {
      number = this.#name(identifier);
      kind |= SETS.NAME;
    }
    this.#targets.count(number);
    if (expectedVersion !== 0) {
      kind |= SETS.EXPECTED_VERSION;
      this.#expectedVersions.double(expectedVersion);
    }
    if (source !== this.#source) {
      kind |= SETS.SOURCE;
      this.#keyed.text(SET_FIELDS.SOURCES, source);
      this.#source = source;
    }
    if (
      metadata !== EMPTY_METADATA &&
      writeMetadata(metadata, this.#metadataCounts, this.#keyed, SET_FIELDS.METADATA_TEXTS)
    ) {
      kind |= SETS.METADATA;
    }
    this.#kinds.count(kind);
  }

  /**
   * Fields of a LinkUp, in memory of their own: they may stand behind others. `sequence` is that of the first set, `answered` that of the last
   * whose outcome is known.
   */
  take(sequence: number, answered: number): Uint8Array {
    this.#source = '';
    this.#message.double(SET_FIELDS.SEQUENCE, sequence);
    this.#message.double(SET_FIELDS.ANSWERED, answered);
    return this.#message.take();
  }

  #name(identifier: string): number {
    // Begun anew rather than without an end: the server takes a number's last name.
    if (this.#numbers.size >= MAX_NAMES) this.#numbers.clear();
    const number = this.#numbers.size;
    this.#numbers.set(identifier, number);
    this.#keyed.text(SET_FIELDS.NAMES, identifier);
    return number;
  }

  #value(value: LinkValue): number {
    switch (typeof value) {
      case 'number':
        return writeNumber(value, this.#integers, this.#doubles);
      case 'boolean':
        return value ? FORM.TRUE : FORM.FALSE;
      case 'string':
        this.#keyed.text(SET_FIELDS.TEXTS, value);
        return FORM.TEXT;
      default:
        this.#keyed.payload(SET_FIELDS.PAYLOADS, value.payload);
        if (value.binary === undefined) return FORM.PAYLOAD;
        this.#keyed.payload(SET_FIELDS.PAYLOADS, value.binary);
        return FORM.HEADER_AND_BYTES;
    }
  }
}

/** Of one link; the server takes as many. */
export const MAX_NAMES = 100_000;
