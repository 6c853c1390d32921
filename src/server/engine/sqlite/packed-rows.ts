/** Rows of a file as they cross between threads: many in one message, without an object each. Path: sqlite worker -> [packed rows] -> sqlite journal. Pure. */
export const ROW_KINDS = ['session', 'variable', 'gone', 'window', 'commits'] as const;

export interface LoadedRow {
  readonly kind: (typeof ROW_KINDS)[number];
  /** Of a session, or of the log. */
  readonly number: number;
  readonly revision: number;
  readonly forgottenRevision: number;
  readonly bytes: Uint8Array;
}

export interface PackedRows {
  /** Of each row its kind, as the place in `ROW_KINDS`, its number, revision and forgotten revision, and where its bytes end. */
  readonly heads: Float64Array<ArrayBuffer>;
  /** Of all rows, one behind the other. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export class RowPacker {
  readonly #heads: number[] = [];
  readonly #rows: Uint8Array[] = [];
  bytes = 0;

  add({ kind, number, revision, forgottenRevision, bytes }: LoadedRow): void {
    this.bytes += bytes.length;
    this.#rows.push(bytes);
    this.#heads.push(ROW_KINDS.indexOf(kind), number, revision, forgottenRevision, this.bytes);
  }

  finish(): PackedRows {
    // Of its own: it is given away.
    const bytes = new Uint8Array(this.bytes);
    let at = 0;
    for (const row of this.#rows) {
      bytes.set(row, at);
      at += row.length;
    }
    return { heads: Float64Array.from(this.#heads), bytes };
  }
}

/** Rows that lie one behind the other already, of as many bytes each; `numberOf` a row by its place among them. */
export function packLying(
  kind: LoadedRow['kind'],
  lengths: readonly number[],
  bytes: Uint8Array<ArrayBuffer>,
  numberOf: (index: number) => number,
): PackedRows {
  const heads = new Float64Array(HEAD_NUMBERS * lengths.length);
  let end = 0;
  for (let index = 0; index < lengths.length; index += 1) {
    end += lengths[index]!;
    heads[HEAD_NUMBERS * index] = ROW_KINDS.indexOf(kind);
    heads[HEAD_NUMBERS * index + 1] = numberOf(index);
    heads[HEAD_NUMBERS * index + 4] = end;
  }
  return { heads, bytes };
}

/** A row among others. */
export interface PackedRow extends Omit<LoadedRow, 'bytes'> {
  readonly from: number;
  readonly to: number;
}

export function unpackRows({ heads }: PackedRows, take: (row: PackedRow) => void): void {
  let from = 0;
  for (let at = 0; at < heads.length; at += HEAD_NUMBERS) {
    const to = heads[at + 4]!;
    take({
      kind: ROW_KINDS[heads[at]!]!,
      number: heads[at + 1]!,
      revision: heads[at + 2]!,
      forgottenRevision: heads[at + 3]!,
      from,
      to,
    });
    from = to;
  }
}

const HEAD_NUMBERS = 5;
