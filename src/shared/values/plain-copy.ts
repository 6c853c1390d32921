/**
 * Copies of plain maps and lists that a caller gave. Every property is read once, so that what is checked is what is used, and whatever a
 * getter or a proxy does ends in one sentence. Path: caller -> [plain copy] -> input copy, json copy.
 */
import { InvalidValueError } from '../errors.js';
import { describeValue } from './describe-value.js';
import { putOwn } from './metadata.js';
import { isPlainMap } from './plain-map.js';

/** Lists and maps inside each other; deeper ones are refused, in texts too. */
export const MAX_JSON_DEPTH = 100;

/** Keys and indexes from the value down. */
export type JsonPath = (string | number)[];

/** What stands for everything that is neither a plain map nor a list; it refuses by `copy.refuse`. */
export type CopyLeaf = (input: unknown, copy: PlainCopy) => unknown;

export interface CopyRules {
  readonly copyLeaf: CopyLeaf;
  /** Refuses a key, or not; `copy.path` ends with it. */
  readonly checkKey: (key: string, copy: PlainCopy) => void;
  /** Every number is its own copy; long lists of them are spared the question. */
  readonly takesEveryNumber: boolean;
  /** Lists of numbers lose their flat form by it: only where the copy is kept. */
  readonly freezes: boolean;
}

export class PlainCopy {
  /** Of what is being copied; for leaves to know their place. */
  readonly path: JsonPath = [];
  readonly #rules: CopyRules;
  readonly #subject: string;
  readonly #ancestors: object[] = [];
  #refusal: InvalidValueError | undefined;

  private constructor(rules: CopyRules, subject: string) {
    this.#rules = rules;
    this.#subject = subject;
  }

  /** @throws InvalidValueError for class instances, symbols as keys, cycles, more than 100 levels, what the rules refuse and what cannot be read */
  static make(rules: CopyRules, input: unknown, subject: string): unknown {
    const copy = new PlainCopy(rules, subject);
    try {
      return copy.#copyOf(input);
    } catch (cause) {
      if (cause === copy.#refusal) throw cause;
      throw unreadable(subject, cause, copy.path);
    }
  }

  /** Throws the sentence `variable "m": .a[3].b is …`. */
  refuse(refusal: string, cause?: unknown): never {
    this.#refusal = refusalAt(this.#subject, this.path, refusal, cause);
    throw this.#refusal;
  }

  refuseKind(input: unknown): never {
    this.refuse(
      `is ${describeValue(input)}, which JSON cannot say: give plain maps, lists, strings, numbers, booleans and null`,
    );
  }

  #copyOf(input: unknown): unknown {
    if (typeof input !== 'object' || input === null) return this.#rules.copyLeaf(input, this);
    const isList = Array.isArray(input);
    if (!isList && !isPlainMap(input)) return this.#rules.copyLeaf(input, this);
    if (this.path.length >= MAX_JSON_DEPTH) this.#refuseDepth(input);
    this.#ancestors.push(input);
    const copy = isList ? this.#copyList(input) : this.#copyMap(input as Readonly<Record<string, unknown>>);
    this.#ancestors.pop();
    return this.#rules.freezes ? Object.freeze(copy) : copy;
  }

  #copyList(list: readonly unknown[]): unknown[] {
    const { length } = list;
    if (this.#rules.takesEveryNumber && length > 0) return this.#copyNumbers(list, length);
    return this.#copyRest(list, length, []);
  }

  // An array of its own kind: one that has held other things keeps each double in a box.
  #copyNumbers(list: readonly unknown[], length: number): unknown[] {
    const { path } = this;
    const numbers: number[] = [];
    const place = path.length;
    for (let index = 0; index < length; index += 1) {
      path[place] = index;
      const element = list[index];
      if (typeof element !== 'number') {
        const copy: unknown[] = [...numbers, this.#copyOf(element)];
        path.length = place;
        return this.#copyRest(list, length, copy);
      }
      numbers.push(element);
    }
    path.length = place;
    return numbers;
  }

  #copyRest(list: readonly unknown[], length: number, copy: unknown[]): unknown[] {
    const { path } = this;
    const place = path.length;
    for (let index = copy.length; index < length; index += 1) {
      path[place] = index;
      copy.push(this.#copyOf(list[index]));
    }
    path.length = place;
    return copy;
  }

  #copyMap(map: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const copy: Record<string, unknown> = {};
    const place = this.path.length;
    for (const key of Object.keys(map)) {
      this.path[place] = key;
      this.#rules.checkKey(key, this);
      putOwn(copy, key, this.#copyOf(map[key]));
    }
    this.path.length = place;
    if (Object.getOwnPropertySymbols(map).length > 0) this.refuse('has symbols as keys: give strings');
    // One that does not show among the keys: whoever wrote it means what it returns, and would get the rest.
    if (!Object.hasOwn(copy, 'toJSON') && Object.hasOwn(map, 'toJSON'))
      this.refuse('has a toJSON of its own: give what that returns');
    return copy;
  }

  // A cycle always ends here, so that values without one pay nothing for looking.
  #refuseDepth(input: object): never {
    const all = [...this.#ancestors, input];
    const again = all.findIndex((ancestor, level) => all.indexOf(ancestor) < level);
    this.path.length = Math.max(0, again);
    if (again >= 0) this.refuse('contains itself, which JSON cannot say: break the cycle');
    this.refuse(`nests deeper than ${MAX_JSON_DEPTH} levels: make it flatter`);
  }
}

/** What reading it threw is the cause. */
export function unreadable(subject: string, cause: unknown, path: JsonPath = []): InvalidValueError {
  return refusalAt(subject, path, 'cannot be read, because a getter or a proxy throws: give plain data', cause);
}

/** With the place in words: `variable "m": .a[3].b is …`. */
export function refusalAt(subject: string, path: JsonPath, refusal: string, cause?: unknown): InvalidValueError {
  const place = path.map((key) => (typeof key === 'number' ? `[${key}]` : keyText(key))).join('');
  const shown = place.length > SHOWN_CHARACTERS ? `…${place.slice(-SHOWN_CHARACTERS)}` : place;
  return new InvalidValueError(`${subject}: ${shown === '' ? 'the value' : shown} ${refusal}`, { cause });
}

function keyText(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/** Of a place in a sentence; the end of it tells more than the beginning. */
const SHOWN_CHARACTERS = 200;
