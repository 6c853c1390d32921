/** A variable in the bytes of a file, read when it is asked for. Path: sqlite journal -> [variable row] -> variable table. Pure. */
import { EngineFormatError } from '../../../shared/errors.js';
import type { PackedRecord } from '../journal.js';
import { decodeVariable, peekId, type RecordReader } from '../record-codec.js';
import type { RegistrationRecord, VariableRecord, VersionRecord } from '../records.js';

/** A variable's row, among others that came with it. */
export class VariableRow implements PackedRecord {
  readonly name: string;
  readonly place: number;
  readonly packedBytes: number;
  readonly #reader: RecordReader;
  readonly #from: number;
  #later: VersionRecord[] | undefined = undefined;

  constructor(
    { name, place }: Pick<RegistrationRecord, 'name' | 'place'>,
    reader: RecordReader,
    from: number,
    to: number,
  ) {
    this.name = name;
    this.place = place;
    this.packedBytes = to - from;
    this.#reader = reader;
    this.#from = from;
  }

  get id(): string {
    this.#reader.pos = this.#from;
    return peekId(this.#reader);
  }

  add(version: VersionRecord): boolean {
    this.#later ??= [];
    if (this.#later.length >= MAX_LATER) return false;
    this.#later.push(version);
    return true;
  }

  read(): Pick<VariableRecord, 'registration' | 'versions'> {
    try {
      this.#reader.pos = this.#from;
      const record = decodeVariable(0, this.#reader, this.#from + this.packedBytes);
      if (this.#later === undefined) return record;
      const last = record.versions.at(-1)!.version;
      return { ...record, versions: record.versions.concat(this.#later.filter(({ version }) => version > last)) };
    } catch (cause) {
      throw new EngineFormatError(
        `variable "${this.name}" has a record that this server cannot read (${String(cause)}): upgrade it, or restore a backup`,
        { cause },
      );
    }
  }
}

/** Those beyond are what the limits of a history let go of soon. */
const MAX_LATER = 100;
