"""One watch's interest: versions, old values, filters and its buffer. Path: carrier -> [watch feed] -> iterator.

It knows neither streams nor gRPC: a carrier tells it what came, the iterator takes what waits. Slow reader: the buffer's overflow decides.
Closed: what still comes is passed over.
"""

from time import monotonic as monotonic_s
from time import time as now_s
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from ._core.condition import NO_VALUE, predicate_of
from ._core.condition_text import condition_text
from ._core.epoch_text import in_generation_of, is_same_life, parse_epoch
from ._core.link_events import CHANGE, INITIAL, RESYNC, UndecodedValue, Update
from ._core.link_events import DELETED as KIND_DELETED
from ._core.link_session import FromRevision
from ._core.plain_function import ENDS_THE_PROGRAM, was_awaitable
from ._core.rate_limit import GO, RateLimit
from ._core.update_ring import BASELINE, BEGINS, DELETED, HAS_OLD, RingEntry, UpdateRing
from ._core.update_ring import INITIAL as FLAG_INITIAL
from ._core.update_ring import RESYNC as FLAG_RESYNC
from ._core.version_tracker import DUPLICATE
from .errors import BridgeError, BufferOverflowError, ProtocolError, WatcherError
from .resume_request import FeedRequest, has_lost_state, resume_from
from .types import VariableUpdate
from .variable_feed import VariableFeed
from .watch_callbacks import WatchCallbacks
from .watch_options import WatchOptions


class WatchFeed:
    def __init__(self, identifiers: Sequence[str], patterns: Sequence[str], options: WatchOptions) -> None:
        self.options = options
        self._callbacks = WatchCallbacks(patterns or identifiers, options)
        self.patterns = tuple(patterns)
        self.condition = None if options.condition is None else condition_text(options.condition)
        self.state = "connecting"
        self.error: Optional[BridgeError] = None
        self.is_over = False
        self.is_synced = False
        self.has_been_live = False
        self.reconnects = 0
        # Told to whoever waits: something to take, or another state.
        self.wake: Callable[[], None] = _nothing
        # Asks for a call of `handle_due` at that moment of the monotonic clock, ms; None: for none any more.
        self.wake_at: Callable[[Optional[float]], None] = _nothing_at
        # What each update says, deletions too, for the cache.
        self.on_value: Optional[Callable[[Update], None]] = None
        self._counts = {"filtered": 0, "rate_limited": 0, "duplicates": 0, "errors": 0}
        self._received = 0
        self._delivered = 0
        self._variables: Dict[str, VariableFeed] = {identifier: VariableFeed(identifier) for identifier in identifiers}
        self._by_id: Dict[str, VariableFeed] = {}
        self._is_atomic = options.atomic
        group_of = _group_of if options.atomic else None
        self._ring: UpdateRing[Update] = UpdateRing(options.buffer_limit, options.overflow, group_of)
        self._limit = RateLimit(options.debounce_ms, options.throttle_ms, options.max_wait_ms, options.conflate)
        # Of an atomic group that is not whole: nothing has moved for it yet, so that a break forgets it and the server says it again.
        self._group: List[Tuple[Update, str]] = []
        self._group_number = 0
        self._is_limited = self._limit.is_limited
        # Of an update nothing is asked but whether it is the next one.
        self._is_plain = not self._is_limited and options.filter_fn is None and options.condition is None
        self._meets = None if options.condition is None else predicate_of(options.condition)
        self._is_asked_there = False
        self._filter_is_asynchronous = False
        self._waits = options.waits_for_missing
        self._epoch = ""
        self._position: Optional[FromRevision] = None
        self._was_synced = False

    # --- what a carrier asks and tells

    @property
    def subject(self) -> str:
        """For sentences."""
        return self._callbacks.subject

    @property
    def identifiers(self) -> Sequence[str]:
        """Those that are watched by name or id."""
        return [] if self.patterns else list(self._variables)

    def request(self, server_epoch: str, takes_revisions: bool) -> FeedRequest:
        """`server_epoch`: '' when the server said none."""
        position, self._position = self._position, None
        self._group.clear()
        live = [variable for variable in self._distinct() if not variable.is_gone]
        begun_in = self._epoch if self.patterns and self.has_been_live else ""
        resume = resume_from(
            live, begun_in, server_epoch, position if takes_revisions and self.condition is None else None
        )
        identifiers = [] if self.patterns else [identifier for variable in live for identifier in variable.identifiers]
        if isinstance(resume, FromRevision):
            return FeedRequest(identifiers, self.patterns, resume, self._waits)
        # A server that lost its state gets its variables back from whoever sets them: the watch outlives that.
        waits = self._waits or has_lost_state(live, begun_in, server_epoch)
        # A name that is not waited for is told so anyway.
        unseen_initial = (
            resume is not None
            and (waits or bool(self.patterns))
            and self.options.include_initial
            and not self._was_synced
        )
        return FeedRequest(identifiers, self.patterns, resume, waits, unseen_initial)

    def wait_for_missing(self) -> None:
        """After a NOT_FOUND of a watch that was live before."""
        self._waits = True

    def handle_registered(self, epoch: str, is_asked_there: bool = False) -> None:
        if self.is_over:
            return
        self._look_at_all()
        self._epoch = epoch
        self._is_asked_there = is_asked_there and self.condition is not None
        if self.has_been_live:
            self.reconnects += 1
        self.has_been_live = True
        self._become("live")

    def handle_synced(self) -> None:
        if self.is_over:
            return
        self.is_synced = True
        self._was_synced = True
        # The server has said of each what was lost of it.
        if self.reconnects > 0:
            self._continue_in_epoch()
        self.wake()
        self._callbacks.tell_synced()

    def handle_epoch(self, epoch: str) -> None:
        """The epoch is another from here on; in the same life, all that was told is kept in it."""
        self._look_at_all()
        self._epoch = epoch
        if self.is_synced:
            self._continue_in_epoch()

    def _continue_in_epoch(self) -> None:
        self._look_at_all()
        for variable in self._distinct():
            variable.tracker.continue_in(self._epoch)

    def handle_stale(self, is_stale: bool) -> None:
        """Nothing was heard of the server for `stale_after_ms`, or something again."""
        if self.state == ("live" if is_stale else "stale"):
            self._become("stale" if is_stale else "live")

    def handle_position(self, position: Optional[FromRevision]) -> None:
        """Where its link was when it broke."""
        self._position = position

    def handle_break(self, state: str) -> None:
        """What carried it is gone."""
        self.is_synced = False
        self._look_at_all()
        self._group.clear()
        if not self.is_over:
            self._become(state)

    def handle_failure(self, error: BridgeError) -> None:
        """For good: what waits is still given, then the error."""
        if self.is_over:
            return
        self.error = error
        self.is_over = True
        self._flush_held()
        self._become("failed")
        self.tell_error(error)

    def handle_nothing_left(self) -> None:
        """Every variable of it is gone: what waits is still given."""
        if self.is_over:
            return
        self.is_over = True
        self._flush_held()
        self._become("stopped")

    def stop(self) -> None:
        """Nothing is given any more."""
        self._ring.clear()
        if not self.is_over:
            self.is_over = True
            self.wake_at(None)
            self._become("stopped")

    def tell_error(self, error: BridgeError) -> None:
        self._callbacks.tell_error(error)

    def handle_update(self, update: Update, epoch: str = "") -> None:
        """`epoch`: the one that the update says, '' when it says none."""
        if self.is_over:
            return
        if not self._is_atomic:
            variable: Optional[VariableFeed] = update.variable.state
            if variable is not None and update.version == variable.next_version and self._takes(variable, update):
                return
        if epoch and epoch != self._epoch and _is_news_of(self._epoch, epoch):
            self.handle_epoch(in_generation_of(self._epoch, epoch))
        if self._is_atomic:
            self._group.append((update, epoch))
            if update.more:
                return
            # All of it in one go, and dropped in one go where the buffer is full.
            group, self._group = self._group, []
            self._group_number += 1
            for one, its_epoch in group:
                self._handle_one(one, its_epoch)
            return
        self._handle_one(update, epoch)

    def _handle_one(self, update: Update, epoch: str) -> None:
        if self.is_over:
            return
        variable = self._by_id.get(update.variable.id)
        if variable is None:
            variable = self._find(update)
            if variable is None:
                return
        if variable.is_gone:
            return
        try:
            if update.kind == KIND_DELETED:
                self._handle_deleted(variable, update)
            elif (
                update.version != variable.next_version
                or variable.tracker.variable_id != update.variable.id
                or epoch not in ("", self._epoch)
                or not self._takes(variable, update)
            ):
                self._handle_version(variable, update, epoch)
                self._look_ahead(variable, update)
        except BridgeError as cause:
            self._handle_unreadable(cause)

    def _takes(self, variable: VariableFeed, update: Update) -> bool:
        """What nearly all are: the next version of a known variable, for a watch that leaves nothing out. False: not that simple."""
        value = update.raw
        if update.kind != CHANGE or update.missed or update.has_before or type(value) is UndecodedValue:
            return False
        version = variable.tracker.version = update.version
        variable.next_version = version + 1
        variable.last = value
        self._received += 1
        update.received_at = now_s() * 1000.0
        update.key = variable
        update.group = self._group_number
        self._push(update)
        return True

    def _look_ahead(self, variable: VariableFeed, update: Update) -> None:
        """Whether the next version of it may be taken without a look."""
        tracker = variable.tracker
        is_simple = (
            self._is_plain
            and self.on_value is None
            and variable.last is not NO_VALUE
            and tracker.variable_id == update.variable.id
            and tracker.epoch == self._epoch
            and not (variable.filtered or variable.missed or variable.is_gone)
        )
        variable.next_version = tracker.version + 1 if is_simple else 0
        if variable.linked is not None:
            variable.linked.state = None
        variable.linked = update.variable
        update.variable.state = variable if is_simple else None

    def _look_at_all(self) -> None:
        """What was known of variables may not hold."""
        for variable in self._variables.values():
            variable.next_version = 0

    def _handle_unreadable(self, cause: BridgeError) -> None:
        self._counts["errors"] += 1
        self.tell_error(ProtocolError(f"an update could not be read ({cause}): it counts as missed", cause=cause))

    def handle_kept(self, variable_id: str, version: int) -> None:
        """Changes up to this version that were not told were kept out by the condition."""
        variable = self._by_id.get(variable_id)
        if variable is None or not self.is_synced or not self._is_asked_there:
            return
        kept = version - variable.tracker.version
        if variable.is_gone or variable.tracker.version == 0 or kept <= 0:
            return
        variable.next_version = 0
        variable.tracker.version = version
        variable.filtered += kept
        self._received += kept
        self._counts["filtered"] += kept

    def handle_due(self, now_ms: float) -> None:
        for entry in self._limit.take_due(now_ms):
            self._push(entry)
        due = self._limit.wake_at_ms()
        if due is not None:
            self.wake_at(due)

    # --- what the iterator asks

    def take(self) -> Optional[VariableUpdate]:
        """The oldest that waits."""
        entry = self._ring.take()
        if entry is None:
            return None
        variable: VariableFeed = entry.key
        linked = entry.variable
        flags = entry.flags
        old = entry.old if flags & HAS_OLD else variable.shown
        # Read before it waited.
        value = variable.shown = entry.raw
        self._delivered += 1
        # Its __init__ sets each field by a call, because it is frozen; this is the one place where thousands a second are made.
        taken: VariableUpdate = _NEW(VariableUpdate)
        _SET(
            taken,
            "__dict__",
            {
                "variable_id": linked.id,
                "variable_name": linked.name or variable.name,
                "value": value,
                "old_value": None if old is NO_VALUE else old,
                "version": entry.version,
                "missed": entry.missed,
                "is_initial": flags & FLAG_INITIAL != 0,
                "resync": flags & FLAG_RESYNC != 0,
                "deleted": (entry.reason or "deleted") if flags & DELETED else None,
                "source": entry.source,
                "timestamp": entry.timestamp,
                "metadata": entry.metadata,
                "revision": entry.revision,
                "received_at": entry.received_at,
            },
        )
        return taken

    @property
    def stats(self) -> Dict[str, int]:
        """Since it began."""
        return {"received": self._received, "delivered": self._delivered, **self._counts}

    @property
    def buffered(self) -> int:
        """For the iterator, and held back by the limits of its rate."""
        return len(self._ring) + len(self._limit)

    # --- inside

    def _distinct(self) -> Iterator[VariableFeed]:
        return iter({id(variable): variable for variable in self._variables.values()}.values())

    def _find(self, update: Update) -> Optional[VariableFeed]:
        """Named by its name or its id; two identifiers of one variable are one variable."""
        named = [update.name, *update.identifiers]
        if not self._epoch:
            named.append(update.id)
        found: Optional[VariableFeed] = None
        for identifier in named:
            variable = self._variables.get(identifier)
            if variable is None or variable is found:
                continue
            if found is None:
                found = variable
            elif variable.tracker.version == 0:
                found.identifiers.extend(variable.identifiers)
                for alias in variable.identifiers:
                    self._variables[alias] = found
        if found is None and update.kind == KIND_DELETED:
            # Known from an earlier stream, or never heard of.
            found = next((one for one in self._variables.values() if one.tracker.variable_id == update.id), None)
        elif found is None and self.patterns:
            found = self._variables[update.name] = VariableFeed(update.name)
        if found is not None and update.id:
            self._by_id[update.id] = found
        return found

    def _handle_version(self, variable: VariableFeed, update: Update, epoch: str) -> None:
        tracker = variable.tracker
        # Read before the tracker moves: an update that cannot be read counts as missed.
        value = update.value
        is_snapshot = update.kind != CHANGE
        is_first = tracker.version == 0
        if epoch == "" and tracker.epoch != self._epoch:
            is_same = is_same_life(tracker.epoch, self._epoch)
            epoch = in_generation_of(tracker.epoch, self._epoch) if is_same else self._epoch
        in_new_life = update.missed if self._epoch else update.version - 1
        missed = tracker.accept(update.version, epoch, update.variable.id, is_snapshot, in_new_life)
        if missed == DUPLICATE:
            self._counts["duplicates"] += 1
            if variable.last is NO_VALUE:
                variable.last = value
            return
        variable.name = update.variable.name
        if self.on_value is not None:
            self.on_value(update)
        flags = 0
        if is_first:
            flags = self._flags_of_first(update)
            lost = not self._epoch and flags == FLAG_RESYNC and self._was_synced
            missed = update.version - 1 if lost else update.missed
        elif tracker.is_resync:
            flags = FLAG_RESYNC
        kept = max(0, missed - update.missed) if self._is_asked_there and not is_snapshot else 0
        old = update.before if update.has_before else variable.last
        variable.last = value
        if flags == BASELINE:
            variable.shown = value
            return
        self._received += 1 + kept
        self._counts["filtered"] += kept
        variable.filtered += kept
        variable.missed += missed - kept
        if flags == 0 and not self._lets_through(variable, old, value, update):
            variable.filtered += 1
            self._counts["filtered"] += 1
            return
        self._offer(self._entry(variable, update, update.version, old, flags))

    def _lets_through(self, variable: VariableFeed, old: Any, value: Any, update: Update) -> bool:
        if self._meets is not None and not self._meets(old, value):
            return False
        filter_fn = self.options.filter_fn
        if filter_fn is None:
            return True
        shown = None if old is NO_VALUE else old
        try:
            said = filter_fn(
                shown,
                value,
                VariableUpdate(
                    variable_id=update.variable.id,
                    variable_name=update.variable.name,
                    value=value,
                    old_value=shown,
                    version=update.version,
                    missed=variable.missed,
                    source=update.source,
                    timestamp=update.timestamp,
                    metadata=update.metadata,
                    revision=update.revision,
                    received_at=now_s() * 1000.0,
                ),
            )
            if said is not True and said is not False and was_awaitable(said):
                self._tell_of_awaitables()
            return bool(said)
        except ENDS_THE_PROGRAM:
            raise
        except BaseException as cause:
            self._counts["errors"] += 1
            self.tell_error(
                WatcherError(f"filter_fn of {self.subject} raised {cause!r}: the update was left out", cause=cause)
            )
            return False

    def _tell_of_awaitables(self) -> None:
        """Once."""
        if self._filter_is_asynchronous:
            return
        self._filter_is_asynchronous = True
        self._counts["errors"] += 1
        self.tell_error(
            WatcherError(
                f"filter_fn of {self.subject} returned an awaitable, which nobody waits for, so it lets everything through: return True or False"
            )
        )

    def _flags_of_first(self, update: Update) -> int:
        if update.kind == CHANGE:
            return 0
        # A pattern that was in step, and away, has missed the beginning of what it finds then.
        is_news = bool(self.patterns) and self.reconnects > 0 and self._was_synced
        if update.kind == INITIAL and self.options.include_initial and not is_news:
            return FLAG_INITIAL
        # After a break a set made since the registration may have brought it: somebody has to be told.
        return FLAG_RESYNC if update.kind == RESYNC or self.reconnects > 0 else BASELINE

    def _handle_deleted(self, variable: VariableFeed, update: Update) -> None:
        tracker = variable.tracker
        if update.variable.id and tracker.variable_id and update.variable.id != tracker.variable_id:
            # The late word of an earlier life: the variable has come back under its name.
            self._counts["duplicates"] += 1
            return
        if self.on_value is not None:
            self.on_value(update)
        version = max(update.version, tracker.version + 1)
        skipped = update.missed if tracker.version == 0 else version - tracker.version - 1
        kept = max(0, skipped - update.missed) if self._is_asked_there else 0
        tracker.version = version
        self._received += 1 + kept
        self._counts["filtered"] += kept
        variable.filtered += kept
        variable.missed += skipped - kept
        variable.is_gone = True
        variable.next_version = 0
        self._by_id.pop(update.variable.id, None)
        old = update.before if update.has_before else variable.last
        entry = self._entry(variable, update, version, old, DELETED)
        if self._is_limited:
            held = self._limit.take(variable)
            if held is not None:
                self._push(held)
        self._push(entry)
        if self.patterns:
            # Registered again it is found again, as another variable.
            for identifier in variable.identifiers:
                self._variables.pop(identifier, None)
        elif all(one.is_gone for one in self._variables.values()):
            self.handle_nothing_left()

    def _entry(self, variable: VariableFeed, update: Update, version: int, old: Any, flags: int) -> Update:
        """The update as it waits."""
        update.key = variable
        update.version = version
        update.received_at = now_s() * 1000.0
        update.missed, update.filtered = variable.missed, variable.filtered
        if flags & FLAG_INITIAL:
            flags |= BEGINS
        update.flags = flags | HAS_OLD if variable.filtered else flags
        update.old = old
        update.group = self._group_number
        variable.missed = 0
        variable.filtered = 0
        return update

    def _offer(self, entry: Update) -> None:
        if not self._is_limited or entry.flags & FLAG_INITIAL:
            self._push(entry)
            return
        now_ms = monotonic_s() * 1000.0
        replaced = self._limit.offer(entry, now_ms)
        if replaced == GO:
            self._push(entry)
            return
        self._counts["rate_limited"] += replaced
        due = self._limit.wake_at_ms()
        if due is not None:
            self.wake_at(due)

    def _flush_held(self) -> None:
        if self._is_limited:
            for entry in self._limit.take_due(float("inf")):
                self._push(entry)
            self.wake_at(None)

    def _push(self, entry: RingEntry) -> None:
        ring = self._ring
        was_empty = ring.size == 0
        if ring.push(entry):  # type: ignore[arg-type]
            # Who waits has found it empty.
            if was_empty:
                self.wake()
            return
        self.handle_failure(
            BufferOverflowError(
                f"{self.subject}: more than buffer_limit={self.options.buffer_limit} updates wait: "
                'do less in the loop, raise buffer_limit, or choose overflow="conflate"'
            )
        )

    def _become(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self._callbacks.tell_state(state)
        self.wake()


def _is_news_of(stream_epoch: str, epoch: str) -> bool:
    """Whether a stream has gone on in another generation."""
    before, said = parse_epoch(stream_epoch), parse_epoch(epoch)
    return stream_epoch != "" and said.life == before.life and said.generation > before.generation


_NEW = object.__new__
_SET = object.__setattr__


def _group_of(entry: Update) -> int:
    return entry.group


def _nothing() -> None:
    return None


def _nothing_at(_moment: Optional[float]) -> None:
    return None
