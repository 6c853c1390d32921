/** gRPC server reflection, so that tools can list and call what is here. Reads the contract that the package ships. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Server } from '@grpc/grpc-js';
import { InternalError } from '../../shared/errors.js';
import { addLazily, requireNow } from './lazy-services.js';

export function addReflection(server: Server): void {
  addLazily(server, METHODS, (into) => {
    const { loadSync } = requireNow('@grpc/proto-loader') as typeof import('@grpc/proto-loader');
    const { ReflectionService } = requireNow('@grpc/reflection') as typeof import('@grpc/reflection');
    new ReflectionService(loadSync(protoPath(), { keepCase: true })).addToServer(into);
  });
}

const METHODS = ['v1', 'v1alpha'].map((version) => ({
  path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
  ...{ requestStream: true, responseStream: true },
}));

/** The nearest proto/bridge.proto above this file: the package's own, compiled or not. */
function protoPath(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const path = join(folder, 'proto/bridge.proto');
    if (existsSync(path)) return path;
    if (folder === dirname(folder))
      throw new InternalError('proto/bridge.proto is not beside the code: install the package again');
  }
}
