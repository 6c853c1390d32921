#!/usr/bin/env node
/**
 * The command line: reads arguments, runs one command, says in one line what went wrong. Exit codes: 0 done, 1 failed, 2 wrong use.
 * Path: shell -> [main] -> commands -> one file a command. Nothing here ends the process: each command lets go of what it opened.
 */
import { runCommand } from './commands.js';
import { Output } from './output.js';
import { exitCodeOf, sentenceOf } from './usage-error.js';

// grpc-js writes its own lines to stderr; what they say reaches us as errors. Workers and child processes take it over.
process.env.GRPC_VERBOSITY ??= 'NONE';
const output = new Output(process.stdout);
// Who has closed stderr does not want to hear; that is no reason to end with a stack.
process.stderr.on('error', () => undefined);
try {
  await runCommand(process.argv.slice(2), output);
} catch (error) {
  process.exitCode = exitCodeOf(error);
  const sentence = sentenceOf(error);
  if (sentence !== undefined) process.stderr.write(`bridged-state: ${sentence}\n`);
}
if (output.failure !== undefined) {
  process.exitCode = 1;
  process.stderr.write(
    `bridged-state: the output cannot be written (${output.failure.message}): check where it goes\n`,
  );
}
