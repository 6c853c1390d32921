/**
 * Where the generations of a session begin: what was told in one is kept up to the revision at which the next one begins. Pure.
 * Path: commit script -> [lineage] -> session replica. Full: the script forgets the oldest.
 */

interface Border {
  readonly generation: number;
  /** Of the session, before the first commit of the generation. */
  readonly before: number;
}

export class Lineage {
  readonly #borders: Border[] = [];
  /** The oldest are not known any more. */
  readonly #isCut: boolean;

  /** As the script keeps it: `generation:before` and a space each. */
  constructor(text: string) {
    this.#isCut = text.length >= LINEAGE_CHARACTERS;
    const said = text.split(' ');
    // Where it was cut, half of one is left.
    for (const one of this.#isCut ? said.slice(1) : said) {
      const [generation, before] = one.split(':').map(Number);
      if (generation !== undefined && before !== undefined) this.#borders.push({ generation, before });
    }
  }

  /** The first commit of a generation has come. */
  add(generation: number, before: number): void {
    if (generation > (this.#borders.at(-1)?.generation ?? -1)) this.#borders.push({ generation, before });
  }

  /** The last generation that shares nothing with those before it; 0: none that is known. */
  get beganAnewIn(): number {
    return this.#borders.findLast(({ before }) => before === 0)?.generation ?? 0;
  }

  /** Up to which revision all of a generation is kept; infinity where none has begun behind it, -1 where that is not known any more. */
  sharedUpTo(generation: number): number {
    const next = this.#borders.find((border) => border.generation > generation);
    if (next === undefined) return Number.POSITIVE_INFINITY;
    return this.#isCut && next === this.#borders[0] ? -1 : next.before;
  }
}

export const LINEAGE_CHARACTERS = 2_000;
