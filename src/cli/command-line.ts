/**
 * One command from its arguments to its exit code: 0 done, 1 failed, 2 wrong use. What it prints goes to stdout, what went wrong to stderr,
 * in one line. Path: main -> [command line] -> commands -> one file a command.
 */
import type { Writable } from 'node:stream';
import { runCommand } from './commands.js';
import type { Terminal } from './output.js';
import { Output } from './output.js';
import { exitCodeOf, sentenceOf } from './usage-error.js';

export async function runCommandLine(args: readonly string[], stdout: Terminal, stderr: Writable): Promise<number> {
  const output = new Output(stdout);
  let exitCode = 0;
  try {
    await runCommand(args, output, stderr);
  } catch (error) {
    exitCode = exitCodeOf(error);
    const sentence = sentenceOf(error);
    if (sentence !== undefined) stderr.write(`bridged-state: ${sentence}\n`);
  }
  if (output.failure === undefined) return exitCode;
  stderr.write(`bridged-state: the output cannot be written (${output.failure.message}): check where it goes\n`);
  return 1;
}
