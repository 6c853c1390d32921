/** What the examples in two languages need beside Node. The runner says the same, and ends with 3. */
import { spawnSync } from 'node:child_process';

export const WHAT_PYTHON_NEEDS =
  'the examples in two languages need Python with gRPC and protobuf: apt-get install python3-grpcio python3-protobuf';

/** The system's own first: a python3 that comes earlier on the PATH may lack the packages. */
export const PYTHON = ['/usr/bin/python3', 'python3'].find(
  (interpreter) => spawnSync(interpreter, ['-c', 'import grpc, google.protobuf'], { stdio: 'ignore' }).status === 0,
);

/** Skipped without it on a developer's machine; in CI a failure. */
export const NEEDS_PYTHON = {
  skip: PYTHON === undefined && process.env.CI !== 'true' ? WHAT_PYTHON_NEEDS : false,
} as const;
