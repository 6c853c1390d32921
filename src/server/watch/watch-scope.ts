/** What the watches of one carrier have in common, once for all of them: a million watches point to it. Path: stream call, link call -> [watch scope] -> carried watch. */

import type { ObserverManager } from '../observer-manager.js';
import type { ServerContext } from '../server-context.js';
import type { Session } from '../session.js';
import type { CarrierBudget } from './carrier-budget.js';
import type { OutboxScope } from './outbox.js';
import type { WatchPlace } from './watch.js';

export class WatchScope implements WatchPlace {
  readonly server: ServerContext;
  readonly session: Session;
  /** Names the connection that they came on. */
  readonly connection: string;
  readonly budget: CarrierBudget;
  readonly #outboxes: OutboxScope;
  readonly #outboxesOfBatches: OutboxScope;

  constructor(server: ServerContext, session: Session, connection: string, budget: CarrierBudget) {
    this.server = server;
    this.session = session;
    this.connection = connection;
    this.budget = budget;
    const { outboxLimit: limit, maxStreamBytes: maxBytes } = server.options;
    const scope = { limit, maxBytes, counters: server.counters, budget };
    this.#outboxes = { ...scope, keepsBatches: false };
    this.#outboxesOfBatches = { ...scope, keepsBatches: true };
  }

  get observers(): ObserverManager {
    return this.server.observers;
  }

  get sessionId(): string {
    return this.session.id;
  }

  outboxesOf(keepsBatches: boolean): OutboxScope {
    return keepsBatches ? this.#outboxesOfBatches : this.#outboxes;
  }
}
