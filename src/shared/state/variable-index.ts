/**
 * The variables of a session by name, by id and in order of registration. Path: variable table -> [variable index]. One of an earlier life is there packed
 * until it is asked for, so that a start has names and ids to read and nothing else. Full: the table refuses before.
 */
import { RegistrationOrder } from './registration-order.js';
import type { Variable } from './variable.js';

/** A variable that can be found, and read when it is. */
export interface PackedVariable {
  readonly id: string;
  readonly name: string;
  readonly place: number;
  /** Of what it is read from. */
  readonly packedBytes: number;
}

type Entry<P> = Variable | P;

export class VariableIndex<P extends PackedVariable> {
  readonly #byName = new Map<string, Entry<P>>();
  readonly #byId = new Map<string, Entry<P>>();
  readonly #order = new RegistrationOrder<Entry<P>>();
  readonly #unpack: (packed: P) => Variable;
  /** Ids of packed ones are read when an id is asked for that no other has. */
  #lacksIds = false;
  /** All up to this place are unpacked. */
  #unpackedTo = 0;

  constructor(unpack: (packed: P) => Variable) {
    this.#unpack = unpack;
  }

  get size(): number {
    return this.#byName.size;
  }

  nextPlace(): number {
    return this.#order.nextPlace();
  }

  /** Places up to there are not given any more. */
  skipPlacesTo(place: number): void {
    this.#order.skipTo(place);
  }

  /** By name first, then by id. */
  find(identifier: string): Variable | undefined {
    const named = this.#byName.get(identifier);
    return named === undefined ? this.findById(identifier) : this.#opened(named);
  }

  findByName(name: string): Variable | undefined {
    return this.#opened(this.#byName.get(name));
  }

  findById(id: string): Variable | undefined {
    const known = this.#byId.get(id);
    if (known !== undefined || !this.#lacksIds) return this.#opened(known);
    this.#readIds();
    return this.#opened(this.#byId.get(id));
  }

  at(place: number): Variable | undefined {
    return this.#opened(this.#order.at(place));
  }

  /** What is at a place, where nobody has asked for it yet. */
  packedAt(place: number): P | undefined {
    const entry = this.#order.at(place);
    return entry !== undefined && isPacked(entry) ? entry : undefined;
  }

  /** The first that was registered behind a place; 0 is before all. */
  after(place: number): Variable | undefined {
    return this.#opened(this.#order.after(place));
  }

  *variables(): IterableIterator<Variable> {
    for (const entry of this.#byName.values()) yield this.#opened(entry)!;
  }

  /** Without those that nobody has asked for. */
  *unpacked(): IterableIterator<Variable> {
    for (const entry of this.#byName.values()) if (!isPacked(entry)) yield entry;
  }

  /** One that is of a later place than what has its name takes the name. */
  add(entry: Entry<P>): void {
    const { name, place } = entry;
    const namesake = this.#byName.size > 0 && place <= this.#order.lastPlace ? this.#byName.get(name) : undefined;
    if (namesake === undefined || namesake.place < place) this.#byName.set(name, entry);
    if (isPacked(entry)) this.#lacksIds = true;
    else this.#byId.set(entry.id, entry);
    this.#order.add(entry);
  }

  #readIds(): void {
    for (const entry of this.#order.all()) if (entry !== undefined && isPacked(entry)) this.#byId.set(entry.id, entry);
    this.#lacksIds = false;
  }

  remove(variable: Variable): void {
    // Another may have its name since.
    if (this.#byName.get(variable.name) === variable) this.#byName.delete(variable.name);
    this.#byId.delete(variable.id);
    this.#order.remove(variable);
  }

  /** Unpacks the next of them, of so many bytes; whether there are more. What cannot be read throws, and is passed over. */
  unpackSome(maxBytes: number): boolean {
    let bytes = 0;
    for (let next = this.#order.after(this.#unpackedTo); next !== undefined; next = this.#order.after(next.place)) {
      this.#unpackedTo = next.place;
      if (!isPacked(next)) continue;
      this.#opened(next);
      bytes += next.packedBytes;
      if (bytes >= maxBytes) return true;
    }
    if (this.#lacksIds) this.#readIds();
    return false;
  }

  #opened(entry: Entry<P> | undefined): Variable | undefined {
    if (entry === undefined || !isPacked(entry)) return entry;
    const variable = this.#unpack(entry);
    if (this.#byName.get(entry.name) === entry) this.#byName.set(entry.name, variable);
    this.#byId.set(variable.id, variable);
    this.#order.replace(entry, variable);
    return variable;
  }
}

function isPacked<P extends PackedVariable>(entry: Entry<P>): entry is P {
  return (entry as P).packedBytes !== undefined;
}
