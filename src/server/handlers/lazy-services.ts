/**
 * gRPC services whose packages are loaded by the first call of one: a server starts without them (150 ms of CPU for reflection, 80 for health).
 * Path: grpc server -> [lazy services] -> the package's own handler. The first call waits for that.
 */
import { createRequire } from 'node:module';
import type { MethodDefinition, Server, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { InternalError } from '../../shared/errors.js';

/** Called inside the first call, so by `require`. */
export const requireNow = createRequire(import.meta.url);

/** What it is called by, as its contract says. */
export interface LazyMethod {
  /** `/SERVICE/METHOD` */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** `load` adds the services to what it is given; theirs are the methods, and they have all of them. */
export function addLazily(server: Server, methods: readonly LazyMethod[], load: (into: Server) => void): void {
  let found: Map<string, Found> | undefined;
  const at = (path: string): Found => {
    found ??= foundBy(load);
    const method = found.get(path);
    if (method === undefined) throw new InternalError(`no package serves ${path}`);
    return method;
  };
  const definition: Record<string, MethodDefinition<unknown, unknown>> = {};
  const implementation: Record<string, Handler> = {};
  for (const { path, requestStream, responseStream } of methods) {
    definition[path] = {
      ...{ path, requestStream, responseStream },
      requestSerialize: (value) => at(path).definition.requestSerialize(value),
      requestDeserialize: (bytes) => at(path).definition.requestDeserialize(bytes),
      responseSerialize: (value) => at(path).definition.responseSerialize(value),
      responseDeserialize: (bytes) => at(path).definition.responseDeserialize(bytes),
    };
    implementation[path] = (...call) => at(path).handler(...call);
  }
  server.addService(definition as ServiceDefinition, implementation as UntypedServiceImplementation);
}

type Handler = (...call: never[]) => void;

interface Found {
  readonly definition: MethodDefinition<unknown, unknown>;
  readonly handler: Handler;
}

function foundBy(load: (into: Server) => void): Map<string, Found> {
  const found = new Map<string, Found>();
  const addService = (service: ServiceDefinition, implementation: UntypedServiceImplementation): void => {
    for (const [name, definition] of Object.entries(service)) {
      const handler = implementation[name] ?? implementation[definition.originalName ?? name];
      found.set(definition.path, { definition, handler: handler as Handler });
    }
  };
  // All that such packages do with a server.
  load({ addService } as unknown as Server);
  return found;
}
