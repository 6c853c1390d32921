#!/usr/bin/env node
/** The command line's process. Path: shell -> [main] -> command line. Nothing here ends the process: each command lets go of what it opened. */
import { runCommandLine } from './command-line.js';

// grpc-js writes its own lines to stderr; what they say reaches us as errors. Workers and child processes take it over.
process.env.GRPC_VERBOSITY ??= 'NONE';
// What a dependency says of its own future is nobody's here who could change it: grpc-js names an IP address in TLS.
process.noDeprecation = true;
// Who has closed stderr does not want to hear; that is no reason to end with a stack.
process.stderr.on('error', () => undefined);
process.exitCode = await runCommandLine(process.argv.slice(2), process.stdout, process.stderr);
