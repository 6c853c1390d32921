/** The figures as a file: machine, commit, rows. Shape: docs/performance.md. */
import { execFileSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Row } from './row.js';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_mb: number;
  readonly node: string;
  readonly platform: string;
  /** Release of the system's kernel. */
  readonly kernel?: string;
}

export interface Report {
  readonly machine: Machine;
  /** Absent where there is no git. */
  readonly commit?: string;
  /** When it was made, ISO 8601. */
  readonly date?: string;
  /** How often each was measured, in turn with the others: figures are medians. */
  readonly runs?: number;
  readonly rows: readonly Row[];
}

export function reportOf(rows: readonly Row[], runs: number): Report {
  const commit = readCommit();
  return {
    machine: readMachine(),
    ...(commit === undefined ? {} : { commit }),
    date: new Date().toISOString(),
    runs,
    rows,
  };
}

/** What was measured in several sittings, as one. @throws Error when they are of different machines, versions of Node or commits */
export function joinReports(reports: readonly Report[]): Report {
  const [first, ...others] = reports;
  if (first === undefined) throw new RangeError('there is nothing to join');
  for (const { machine, commit } of others) {
    if (JSON.stringify(machine) !== JSON.stringify(first.machine) || commit !== first.commit) {
      throw new Error(
        'these reports are of different machines, versions of Node or commits: figures of one page are compared',
      );
    }
  }
  return { ...first, rows: reports.flatMap(({ rows }) => rows) };
}

function readMachine(): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memory_mb: Math.round(totalmem() / 2 ** 20),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    kernel: release(),
  };
}

function readCommit(): string | undefined {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      stdio: ['ignore', 'pipe', 'ignore'],
      encoding: 'utf8',
    }).trim();
  } catch {
    // No git, or no repository: the report says nothing of a commit.
    return undefined;
  }
}
