/** grpc.health.v1: SERVING until the server drains, for the server as a whole and for each service name. */
import type { Server } from '@grpc/grpc-js';
import type { HealthImplementation } from 'grpc-health-check';
import { SERVICE_NAMES } from '../../shared/wire/services.js';
import { addLazily, requireNow } from './lazy-services.js';

export class HealthHandler {
  /** Undefined until somebody asks. */
  #health: HealthImplementation | undefined;
  #isDraining = false;

  addTo(server: Server): void {
    addLazily(server, METHODS, (into) => {
      const { HealthImplementation } = requireNow('grpc-health-check') as typeof import('grpc-health-check');
      const status = this.#isDraining ? 'NOT_SERVING' : 'SERVING';
      this.#health = new HealthImplementation(Object.fromEntries(SERVED.map((name) => [name, status])));
      this.#health.addToServer(into);
    });
  }

  drain(): void {
    this.#isDraining = true;
    for (const name of SERVED) this.#health?.setStatus(name, 'NOT_SERVING');
  }
}

const METHODS = [
  { path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false },
  { path: '/grpc.health.v1.Health/List', requestStream: false, responseStream: false },
  { path: '/grpc.health.v1.Health/Watch', requestStream: false, responseStream: true },
];
/** '' is the server as a whole. */
const SERVED = ['', ...SERVICE_NAMES];
