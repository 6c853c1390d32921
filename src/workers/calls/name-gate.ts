/**
 * By which name a call orders a variable that it calls by its id: a set by id must not overtake one by name. Path: slot -> [name gate] -> call order.
 * What an identifier means is learned once; until then the calls behind it wait, in their order. Where nobody could be asked, a call may mean
 * any variable: it keeps its order with all. Full: `limit` of them, then one more is refused.
 */
import type { CallOrder, QueuedCall } from './call-order.js';

export interface NameSource {
  /** The name of the variable that is meant; undefined while nobody knows. Never another once it is known. */
  nameOf(identifier: string): string | undefined;
  /** Resolves when what is there of them is known, to false when nobody could be asked. Never rejects. */
  learnNames(identifiers: readonly string[]): Promise<boolean>;
}

export class NameGate<T extends QueuedCall> {
  readonly #order: CallOrder<T>;
  readonly #names: NameSource;
  readonly #limit: number;
  #waiting: T[] = [];
  #isLearning = false;
  #idle: (() => void)[] = [];

  constructor(order: CallOrder<T>, names: NameSource, limit: number) {
    this.#order = order;
    this.#names = names;
    this.#limit = limit;
  }

  /** Calls that wait, here and for earlier ones. */
  get waiting(): number {
    return this.#waiting.length + this.#order.waiting;
  }

  /** Starts it now or later. False when too many wait: then it is not taken in. */
  push(call: T): boolean {
    if (call.identifiers.length === 0) return this.#order.push(call);
    if (this.#waiting.length === 0 && this.#areKnown(call)) return this.#order.push(call, this.#namesOf(call));
    if (this.waiting >= this.#limit) return false;
    this.#waiting.push(call);
    if (!this.#isLearning) void this.#learn();
    return true;
  }

  /** Resolves when every call that was pushed has ended. */
  async whenIdle(): Promise<void> {
    if (this.#waiting.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    await this.#order.whenIdle();
  }

  async #learn(): Promise<void> {
    this.#isLearning = true;
    while (this.#waiting.length > 0) {
      const unknown = new Set<string>();
      for (const { identifiers } of this.#waiting) {
        for (const identifier of identifiers) if (this.#names.nameOf(identifier) === undefined) unknown.add(identifier);
      }
      const asked = this.#waiting.length;
      const isAnswered = unknown.size === 0 || (await this.#names.learnNames([...unknown]));
      // Those that came meanwhile wait for the next round. What the server does not know is not there: it can only mean itself.
      for (const call of this.#waiting.splice(0, asked)) {
        if (isAnswered || this.#areKnown(call)) this.#order.push(call, this.#namesOf(call), true);
        else this.#order.pushUnknown(call);
      }
    }
    this.#isLearning = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #areKnown({ identifiers }: T): boolean {
    for (const identifier of identifiers) if (this.#names.nameOf(identifier) === undefined) return false;
    return true;
  }

  #namesOf({ identifiers }: T): string[] {
    return identifiers.map((identifier) => this.#names.nameOf(identifier) ?? identifier);
  }
}
