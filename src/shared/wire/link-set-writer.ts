/**
 * Sets as columns of a LinkUp message. Path: set queue -> [link set writer] -> link carrier. Identifiers are named once a link and are numbers from
 * then on. Bounded by its owner, which takes the message when `size` says so.
 */
import type { Metadata } from '../values/metadata.js';
import { EMPTY_METADATA } from '../values/metadata.js';
import { ByteColumn } from './byte-column.js';
import { FORM, SET_FIELDS, SETS } from './link-row.js';

/** Values that travel without anybody knowing their variable's type. */
export type PlainValue = number | boolean | string;

export interface LinkSet {
  readonly identifier: string;
  readonly value: PlainValue;
  readonly source: string;
  readonly metadata: Metadata;
  /** 0 = whatever version it is at. */
  readonly expectedVersion: number;
}

export class LinkSetWriter {
  readonly #kinds = new ByteColumn();
  readonly #targets = new ByteColumn();
  readonly #doubles = new ByteColumn();
  readonly #integers = new ByteColumn();
  readonly #expectedVersions = new ByteColumn();
  readonly #metadataCounts = new ByteColumn();
  /** Every column of texts. */
  readonly #keyed = new ByteColumn();
  readonly #whole = new ByteColumn();
  readonly #numbers = new Map<string, number>();
  #source = '';

  get size(): number {
    return this.#keyed.length + this.#doubles.length + this.#integers.length + 2 * this.#targets.length;
  }

  get isEmpty(): boolean {
    return this.#kinds.length === 0;
  }

  add({ identifier, value, source, metadata, expectedVersion }: LinkSet): void {
    let kind = this.#value(value);
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
    if (metadata !== EMPTY_METADATA) kind |= this.#metadata(metadata);
    this.#kinds.count(kind);
  }

  /**
   * Fields of a LinkUp, in memory of their own: they may stand behind others. `sequence` is that of the first set, `answered` that of the last
   * whose outcome is known.
   */
  take(sequence: number, answered: number): Uint8Array {
    const whole = this.#whole;
    whole.doubleField(SET_FIELDS.SEQUENCE, sequence);
    whole.doubleField(SET_FIELDS.ANSWERED, answered);
    whole.column(SET_FIELDS.KINDS, this.#kinds);
    whole.column(SET_FIELDS.TARGETS, this.#targets);
    whole.column(SET_FIELDS.DOUBLES, this.#doubles);
    whole.column(SET_FIELDS.INTEGERS, this.#integers);
    whole.column(SET_FIELDS.EXPECTED_VERSIONS, this.#expectedVersions);
    whole.column(SET_FIELDS.METADATA_COUNTS, this.#metadataCounts);
    whole.append(this.#keyed);
    const fields = whole.bytes.slice();
    whole.clear();
    this.#kinds.clear();
    this.#targets.clear();
    this.#doubles.clear();
    this.#integers.clear();
    this.#expectedVersions.clear();
    this.#metadataCounts.clear();
    this.#keyed.clear();
    this.#source = '';
    return fields;
  }

  #name(identifier: string): number {
    // Begun anew rather than without an end: the server takes a number's last name.
    if (this.#numbers.size >= MAX_NAMES) this.#numbers.clear();
    const number = this.#numbers.size;
    this.#numbers.set(identifier, number);
    this.#keyed.text(SET_FIELDS.NAMES, identifier);
    return number;
  }

  #value(value: PlainValue): number {
    if (typeof value === 'boolean') return value ? FORM.TRUE : FORM.FALSE;
    if (typeof value === 'string') {
      this.#keyed.text(SET_FIELDS.TEXTS, value);
      return FORM.TEXT;
    }
    if ((value | 0) === value && !Object.is(value, -0)) {
      this.#integers.step(value);
      return FORM.INTEGER;
    }
    this.#doubles.double(value);
    return FORM.DOUBLE;
  }

  #metadata(metadata: Metadata): number {
    const keys = Object.keys(metadata);
    if (keys.length === 0) return 0;
    this.#metadataCounts.count(keys.length);
    for (const key of keys) {
      this.#keyed.text(SET_FIELDS.METADATA_TEXTS, key);
      this.#keyed.text(SET_FIELDS.METADATA_TEXTS, metadata[key]!);
    }
    return SETS.METADATA;
  }
}

/** Of one link; the server takes as many. */
export const MAX_NAMES = 100_000;
