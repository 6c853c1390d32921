/** Room on a disk that nobody uses until there is no other: a file beside the database. Path: sqlite file -> [disk reserve] -> node:fs. */
import { closeSync, fsyncSync, openSync, rmSync, statSync, writeSync } from 'node:fs';

export class DiskReserve {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** False: there is no room for it, and nothing of it stays. */
  take(): boolean {
    const path = this.#path;
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) >= RESERVE_BYTES) return true;
    let file: number | undefined;
    try {
      file = openSync(path, 'w');
      for (let written = 0; written < RESERVE_BYTES; written += CHUNK.length) {
        if (writeSync(file, CHUNK) < CHUNK.length) throw Object.assign(new Error('no room'), { code: 'ENOSPC' });
      }
      fsyncSync(file);
      return true;
    } catch {
      rmSync(path, { force: true });
      return false;
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  giveUp(): void {
    rmSync(this.#path, { force: true });
  }
}

export const RESERVE_BYTES = 4 * 1024 * 1024;
const CHUNK = new Uint8Array(64 * 1024);
