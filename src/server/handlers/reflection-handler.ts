/** gRPC server reflection, so that tools can list and call what is here. Reads the contract that the package ships. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Server } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { InternalError } from '../../shared/errors.js';

export function addReflection(server: Server): void {
  new ReflectionService(loadSync(protoPath(), { keepCase: true })).addToServer(server);
}

/** The nearest proto/bridge.proto above this file: the package's own, compiled or not. */
function protoPath(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const path = join(folder, 'proto/bridge.proto');
    if (existsSync(path)) return path;
    if (folder === dirname(folder))
      throw new InternalError('proto/bridge.proto is not beside the code: install the package again');
  }
}
