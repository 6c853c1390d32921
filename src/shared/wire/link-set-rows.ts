/** The sets of a LinkUp message, row by row. Path: link call -> [link set rows] -> link sets. Identifiers keep their numbers from message to message. */
import { InvalidArgumentError } from '../errors.js';
import { listedNames } from '../listed-names.js';
import type { Metadata } from '../values/metadata.js';
import { EMPTY_METADATA, MAX_ENTRIES, putOwn } from '../values/metadata.js';
import type { Column } from './columns.js';
import { columnOf } from './columns.js';
import type { snakepit } from './gen/bridge.js';
import { FORM, SET_FORM_MASK, SETS } from './link-row.js';
import { MAX_NAMES } from './link-set-writer.js';

type Message = snakepit.bridge.ILinkUp;

/** What the identifiers of a link are called. */
export class SetNames {
  readonly #names: string[] = [];
  /** Characters of all of them. */
  #length = 0;

  /** About how many bytes they hold. */
  get heldBytes(): number {
    return 2 * this.#length + BYTES_A_NAME * this.#names.length;
  }

  /** @throws InvalidArgumentError for a number that stands for nothing */
  find(number: number): string {
    const name = this.#names[number];
    if (name === undefined) throw new InvalidArgumentError(`the link's set has target ${number}, which was not named`);
    return name;
  }

  /** @throws InvalidArgumentError for a number that leaves others out */
  name(number: number, name: string): void {
    if (number > this.#names.length || number >= MAX_NAMES) {
      throw new InvalidArgumentError(
        `the link names target ${number}: give numbers from 0 on, one after another, below ${MAX_NAMES}`,
      );
    }
    this.#length += name.length - (this.#names[number]?.length ?? 0);
    this.#names[number] = name;
  }
}

/** Reads the rows of a message that came in one part or in several. The fields are those of the row that `next` came to. */
export class LinkSetRows {
  readonly #names: SetNames;
  readonly #columns: Columns;
  /** The identifier's number. */
  target = 0;
  identifier = '';
  form = 0;
  /** By its form: what it says itself, or the payload and the bytes beside it. */
  plain: number | boolean | string = 0;
  payload: Uint8Array | undefined;
  binary: Uint8Array | undefined;
  /** Undefined: whatever version it is at. */
  expectedVersion: number | undefined;
  source = '';
  custom: Metadata = EMPTY_METADATA;
  /** More of its atomic batch is behind it. */
  isFollowed = false;
  /** Why it is not to be made, whatever its variable is. */
  refusal: InvalidArgumentError | undefined;

  constructor(parts: readonly Message[], names: SetNames) {
    this.#columns = new Columns(parts);
    this.#names = names;
  }

  /** False when there is no further row. @throws InvalidArgumentError where the columns do not fit each other */
  next(): boolean {
    const columns = this.#columns;
    const kind = columns.kinds.next();
    if (kind === undefined) {
      if (this.isFollowed) throw new InvalidArgumentError("the link's last set says that more of its batch follows");
      return false;
    }
    this.isFollowed = (kind & SETS.MORE) !== 0;
    this.refusal = undefined;
    this.target = columns.targets.take();
    if ((kind & SETS.NAME) !== 0) this.#names.name(this.target, columns.names.take());
    this.identifier = this.#names.find(this.target);
    this.form = kind & SET_FORM_MASK;
    this.#readValue();
    this.expectedVersion = (kind & SETS.EXPECTED_VERSION) === 0 ? undefined : checkVersion(columns.versions.take());
    if ((kind & SETS.SOURCE) !== 0) this.source = columns.sources.take();
    this.custom = (kind & SETS.METADATA) === 0 ? EMPTY_METADATA : this.#metadata();
    return true;
  }

  #readValue(): void {
    const { doubles, integers, texts, payloads } = this.#columns;
    this.payload = undefined;
    this.binary = undefined;
    switch (this.form) {
      case FORM.DOUBLE:
        this.plain = doubles.take();
        return;
      case FORM.INTEGER:
        this.plain = integers.take();
        return;
      case FORM.TRUE:
      case FORM.FALSE:
        this.plain = this.form === FORM.TRUE;
        return;
      case FORM.TEXT:
        this.plain = texts.take();
        return;
      case FORM.PAYLOAD:
        this.payload = payloads.take();
        return;
      case FORM.HEADER_AND_BYTES:
        this.payload = payloads.take();
        this.binary = payloads.take();
        return;
      default:
        throw new InvalidArgumentError(`the link's set of "${this.identifier}" has no value: send one`);
    }
  }

  #metadata(): Metadata {
    const { metadataCounts, metadataTexts } = this.#columns;
    const custom: Record<string, string> = {};
    const count = metadataCounts.take();
    if (count > MAX_ENTRIES) {
      for (let left = 2 * count; left > 0; left -= 1) metadataTexts.take();
      this.refusal = new InvalidArgumentError(
        `variable ${listedNames([`"${this.identifier}"`])}: ${count} entries of metadata came: give at most ${MAX_ENTRIES}`,
      );
      return EMPTY_METADATA;
    }
    for (let left = count; left > 0; left -= 1) {
      const key = metadataTexts.take();
      putOwn(custom, key, metadataTexts.take());
    }
    return custom;
  }
}

class Columns {
  readonly kinds: Column<number>;
  readonly targets: Column<number>;
  readonly names: Column<string>;
  readonly doubles: Column<number>;
  readonly integers: Column<number>;
  readonly texts: Column<string>;
  readonly payloads: Column<Uint8Array>;
  readonly versions: Column<number>;
  readonly sources: Column<string>;
  readonly metadataCounts: Column<number>;
  readonly metadataTexts: Column<string>;

  constructor(parts: readonly Message[]) {
    const column = <T>(of: (part: Message) => readonly T[] | null | undefined): Column<T> => columnOf(parts, of);
    this.kinds = column((part) => part.setKinds);
    this.targets = column((part) => part.setTargets);
    this.names = column((part) => part.setNames);
    this.doubles = column((part) => part.setDoubles);
    this.integers = column((part) => part.setIntegers);
    this.texts = column((part) => part.setTexts);
    this.payloads = column((part) => part.setPayloads);
    this.versions = column((part) => part.setExpectedVersions);
    this.sources = column((part) => part.setSources);
    this.metadataCounts = column((part) => part.setMetadataCounts);
    this.metadataTexts = column((part) => part.setMetadataTexts);
  }
}

function checkVersion(version: number): number {
  if (Number.isSafeInteger(version) && version > 0) return version;
  throw new InvalidArgumentError(`the link's set expects version ${version}: give the one that you have read`);
}

const BYTES_A_NAME = 64;
