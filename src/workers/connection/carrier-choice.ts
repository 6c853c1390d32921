/** By what the watches of an endpoint travel. Path: connection -> [carrier choice]. An endpoint that has no links is asked once. */
import type { Transport } from '../../shared/port/commands.js';
import type { CarrierKind } from '../transport/carrier.js';

export class CarrierChoice {
  readonly #transport: Transport;
  readonly #withoutLinks = new Set<string>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Only a server of ours has links. */
  kindFor(endpoint: string, isOurs: boolean): CarrierKind {
    if (this.#transport !== 'auto') return this.#transport;
    return isOurs && !this.#withoutLinks.has(endpoint) ? 'link' : 'stream';
  }

  /** It answered UNIMPLEMENTED. False: links alone were asked for. */
  handleNoLink(endpoint: string): boolean {
    this.#withoutLinks.add(endpoint);
    return this.#transport === 'auto';
  }
}
