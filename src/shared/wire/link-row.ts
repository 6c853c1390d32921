/** What a row of the link is and has: the bits of `LinkDown.kinds`. Path: link writer -> [link row] -> link reader. */

export const ROW = {
  CHANGE: 0,
  INITIAL: 1,
  RESYNC: 2,
  DELETED: 3,
  REGISTERED: 4,
  SYNCED: 5,
  HEARTBEAT: 6,
  ENDED: 7,
} as const;

export type UpdateRow = typeof ROW.CHANGE | typeof ROW.INITIAL | typeof ROW.RESYNC | typeof ROW.DELETED;

export const ROW_MASK = 7;

/** Where the value is, in the three bits above. */
export const FORM = {
  NONE: 0,
  DOUBLE: 1,
  INTEGER: 2,
  TRUE: 3,
  FALSE: 4,
  TEXT: 5,
  PAYLOAD: 6,
  HEADER_AND_BYTES: 7,
} as const;

export const FORM_SHIFT = 3;
/** Of the value before. */
export const FORM_BEFORE_SHIFT = 13;

export const HAS = {
  MOMENT: 64,
  SOURCE: 128,
  MORE: 256,
  MISSED: 512,
  METADATA: 1024,
  ANNOUNCEMENT: 2048,
  BEFORE: 4096,
} as const;

/** Of `LinkUp.watch_flags`. */
export const ASKS = {
  INITIAL: 1,
  BATCHES: 2,
  WAIT: 4,
  MARK: 8,
  RESUMES: 16,
  CONDITION: 32,
  FROM_REVISION: 64,
  UNSEEN_INITIAL: 128,
} as const;

/** Fields of LinkDown. */
export const DOWN = {
  WELCOME: 1,
  KINDS: 2,
  TARGETS: 3,
  VERSION_STEPS: 4,
  REVISION_STEPS: 5,
  TIMESTAMPS: 6,
  REVISIONS: 7,
  DOUBLES: 8,
  INTEGERS: 9,
  TEXTS: 10,
  PAYLOADS: 11,
  SOURCES: 12,
  MISSED: 13,
  METADATA_COUNTS: 14,
  METADATA_TEXTS: 15,
  REASONS: 16,
  ANNOUNCED_FEEDS: 17,
  ANNOUNCED_IDS: 18,
  ANNOUNCED_NAMES: 19,
  ANNOUNCED_TYPES: 20,
  ANNOUNCED_VERSIONS: 21,
  ANNOUNCED_IDENTIFIER_COUNTS: 22,
  ANNOUNCED_IDENTIFIERS: 23,
  END_STATUSES: 24,
  END_CODES: 25,
  END_MESSAGES: 26,
  SET_VERSIONS: 27,
  REFUSAL_CODES: 28,
  REFUSAL_MESSAGES: 29,
  DRAINING_MS: 30,
  POSITIONS: 31,
  KEPT_TARGETS: 36,
  KEPT_IDS: 37,
  KEPT_VERSIONS: 38,
  KEPT_ANSWERS: 39,
  EPOCHS: 40,
  SERVERS: 41,
} as const;

export const DOWN_FIELDS = 42;

/** The type URL of a value that is a header and bytes: readers mind its end alone. */
export const BINARY_TYPE_URL = 'link.binary';

/** A message of either end is cut at about this size, bytes. */
export const MESSAGE_BYTES = 64 * 1024;

/** Of `LinkUp.set_kinds`, beside the form of the value in its lowest bits. */
export const SETS = {
  NAME: 8,
  EXPECTED_VERSION: 16,
  SOURCE: 32,
  METADATA: 64,
  MORE: 128,
} as const;

export const SET_FORM_MASK = 7;

/** Fields of LinkUp that sets fill. */
export const SET_FIELDS = {
  KINDS: 14,
  TARGETS: 15,
  NAMES: 16,
  DOUBLES: 17,
  INTEGERS: 18,
  TEXTS: 19,
  PAYLOADS: 20,
  EXPECTED_VERSIONS: 21,
  SOURCES: 22,
  METADATA_COUNTS: 23,
  METADATA_TEXTS: 24,
  SEQUENCE: 25,
  ANSWERED: 26,
} as const;
