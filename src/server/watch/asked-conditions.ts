/** Conditions by their texts, since many watches of a link ask the same. Path: link call -> [asked conditions] -> watch request. Full: all are let go of, and read again. */
import { type AskedCondition, parseCondition } from '../../shared/delivery/condition-text.js';

export class AskedConditions {
  readonly #byText = new Map<string, AskedCondition>();
  #units = 0;

  /** @throws InvalidArgumentError */
  read(text: string): AskedCondition {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const asked = parseCondition(text);
    this.#units += text.length;
    if (this.#units > MOST_UNITS) {
      this.#byText.clear();
      this.#units = text.length;
    }
    this.#byText.set(text, asked);
    return asked;
  }
}

/** Of their texts. */
const MOST_UNITS = 64 * 1024;
