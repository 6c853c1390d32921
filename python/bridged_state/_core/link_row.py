"""What a row of the link is and has: the bits of LinkDown.kinds, LinkUp.set_kinds and LinkUp.watch_flags. Path: link frame -> [link row]."""

ROW_CHANGE = 0
ROW_INITIAL = 1
ROW_RESYNC = 2
ROW_DELETED = 3
ROW_REGISTERED = 4
ROW_SYNCED = 5
ROW_HEARTBEAT = 6
ROW_ENDED = 7
ROW_MASK = 7

# Where the value is, in the three bits above; in set_kinds in the lowest ones.
FORM_NONE = 0
FORM_DOUBLE = 1
FORM_INTEGER = 2
FORM_TRUE = 3
FORM_FALSE = 4
FORM_TEXT = 5
FORM_PAYLOAD = 6
FORM_HEADER_AND_BYTES = 7
FORM_SHIFT = 3
# Of the value before.
FORM_BEFORE_SHIFT = 13

HAS_MOMENT = 64
HAS_SOURCE = 128
HAS_MORE = 256
HAS_MISSED = 512
HAS_METADATA = 1024
HAS_ANNOUNCEMENT = 2048
HAS_BEFORE = 4096

ASKS_INITIAL = 1
ASKS_BATCHES = 2
ASKS_WAIT = 4
ASKS_MARK = 8
ASKS_RESUMES = 16
ASKS_CONDITION = 32
ASKS_FROM_REVISION = 64
ASKS_UNSEEN_INITIAL = 128

SETS_NAME = 8
SETS_EXPECTED_VERSION = 16
SETS_SOURCE = 32
SETS_METADATA = 64
SETS_MORE = 128

# The type URL of a value that is a header and bytes: readers mind its end alone.
BINARY_TYPE_URL = "link.binary"

# A message of either end is cut at about this size, bytes.
MESSAGE_BYTES = 64 * 1024

# Identifiers that a link names; the server takes as many.
MAX_NAMES = 100_000

_LAST_WHOLE = 2**53 - 1


def whole(number: float) -> int:
    """A version, a revision or a count: from 0 on, and each of its own. Raises ValueError."""
    if not 0 <= number <= _LAST_WHOLE or number % 1 != 0:
        raise ValueError(f"{number} is no version and no count")
    return int(number)
