/** What the state is, whichever server reads it: the format of its keys, and its epoch. Path: redis engine, loss search -> [meta key] -> key space. */
import { EngineFormatError } from '../../../../shared/errors.js';
import { pause } from '../../../within.js';
import type { KeySpace } from '../topology/key-space.js';

export class MetaKey {
  readonly #keys: KeySpace;
  readonly #handleAway: (error: unknown) => void;
  #epoch = '';
  #isClosing = false;

  constructor(keys: KeySpace, handleAway: (error: unknown) => void) {
    this.#keys = keys;
    this.#handleAway = handleAway;
  }

  /** Ids, versions and revisions can be compared within it. */
  get epoch(): string {
    return this.#epoch;
  }

  /** The state begins with this epoch where there is none. @throws EngineFormatError */
  async open(epoch: string): Promise<void> {
    const { address, roots } = this.#keys;
    const { meta } = roots;
    this.#epoch = epoch;
    await this.keep();
    const [format, kept] = await this.#keys.at(meta, (client) => client.hmget(meta, 'format', 'epoch'));
    if (format !== String(FORMAT)) {
      throw new EngineFormatError(
        `the keys at ${address.shown} have format ${format ?? 'none'}, and this server knows ${FORMAT}: upgrade it, or give another prefix`,
      );
    }
    this.#epoch = kept!;
  }

  /** Written again where it is lost. */
  async keep(): Promise<void> {
    const { meta } = this.#keys.roots;
    await this.#keys.at(meta, (client) => client.hsetnx(meta, 'format', FORMAT));
    await this.#keys.at(meta, (client) => client.hsetnx(meta, 'epoch', this.#epoch));
  }

  /** The same where it is not there: it costs a question. */
  async keepIfGone(): Promise<void> {
    const { meta } = this.#keys.roots;
    if ((await this.#keys.at(meta, (client) => client.hexists(meta, 'epoch'))) === 0) await this.keep();
  }

  /** Again and again until it is there: a Redis that has just begun again takes nothing for two seconds. */
  async keepAtLast(): Promise<void> {
    while (!this.#isClosing) {
      try {
        return await this.keep();
      } catch (error) {
        this.#handleAway(error);
        await pause(RETRY_MS);
      }
    }
  }

  /** What cannot be written is not tried again. */
  close(): void {
    this.#isClosing = true;
  }
}

/** Of the keys; a server that does not know it leaves them alone. */
const FORMAT = 1;
const RETRY_MS = 50;
