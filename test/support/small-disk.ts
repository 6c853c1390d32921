/** A file system of 24 MB, to be full. Owner: the test, which closes it. */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class SmallDisk {
  readonly folder: string;
  readonly #filler: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.#filler = join(folder, 'filler');
  }

  /** Undefined where none can be mounted: then the test is skipped. */
  static mount(context: { skip(why: string): void }): SmallDisk | undefined {
    const folder = mkdtempSync(join(tmpdir(), 'bridged-state-small-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', folder], { stdio: 'ignore' });
      return new SmallDisk(folder);
    } catch {
      rmdirSync(folder);
      context.skip('no small file system can be mounted here: the suite of engines fills one by a limit of pages');
      return undefined;
    }
  }

  /** Everything that is left, but for these bytes. */
  fill(freeBytes = 0): void {
    const file = openSync(this.#filler, 'w');
    let filled = 0;
    try {
      for (let size = 1024 * 1024; size >= 4_096; ) {
        let written = 0;
        try {
          written = writeSync(file, new Uint8Array(size));
        } catch {
          // Not that much.
        }
        filled += written;
        if (written < size) size /= 2;
      }
    } finally {
      closeSync(file);
    }
    if (freeBytes > 0) truncateSync(this.#filler, filled - freeBytes);
  }

  free(): void {
    rmSync(this.#filler, { force: true });
  }

  close(): void {
    execFileSync('umount', ['-l', this.folder]);
    rmdirSync(this.folder);
  }
}
