/** grpc.health.v1: SERVING until the server drains, for the server as a whole and for each service name. */
import type { Server } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { SERVICE_NAMES } from '../../shared/wire/services.js';

export class HealthHandler {
  readonly #health = new HealthImplementation(Object.fromEntries(SERVED.map((name) => [name, 'SERVING' as const])));

  addTo(server: Server): void {
    this.#health.addToServer(server);
  }

  drain(): void {
    for (const name of SERVED) this.#health.setStatus(name, 'NOT_SERVING');
  }
}

/** '' is the server as a whole. */
const SERVED = ['', ...SERVICE_NAMES];
