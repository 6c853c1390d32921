"""What of a life broke a promise. Path: life -> [life judge] -> whoever leads lives. Pure.

The numbers are those of docs/guarantees.md. What one watch was told is judged by itself, and by what all together say that a version was.
"""

from typing import Any, Dict, Iterator, List, Tuple

from bridged_state import VariableUpdate

from life_history import BY_NAME, LEGS, History, SetRecord, WatchRecord, sequence_in

Truth = Dict[Tuple[str, int], int]


def judge(history: History) -> List[str]:
    found: List[str] = [f"{trouble.kind}: {trouble.what}" for trouble in history.troubles]
    truth = _truth_of(history, found)
    for watch in history.watches:
        found.extend(f"{what} -- {watch.label}, ended by {watch.end}" for what in _judge_watch(watch, history, truth))
    found.extend(_judge_sets(history, truth))
    found.extend(_judge_reads(history, truth))
    return found


def _truth_of(history: History, found: List[str]) -> Truth:
    """Which set made each version, wherever it was told."""
    truth: Truth = {}

    def add(id: str, version: int, sequence: int, where: str) -> None:
        said = truth.setdefault((id, version), sequence)
        if said != sequence:
            found.append(f"02: {id} at {version} is of set {said}, and of {sequence} in {where}")

    for watch in history.watches:
        for update in watch.told:
            if update.deleted is None and update.variable_name in BY_NAME:
                add(update.variable_id, update.version, sequence_in(update.value, update.variable_name), watch.label)
    for id, version, sequence, where in history.reads:
        add(id, version, sequence, where)
    for id, version, sequence in history.present.values():
        add(id, version, sequence, "what is present")
    return truth


# --- one watch


def _judge_watch(watch: WatchRecord, history: History, truth: Truth) -> Iterator[str]:
    last: Dict[str, VariableUpdate] = {}
    last_by_name: Dict[str, VariableUpdate] = {}
    revision = 0
    for update in watch.told:
        id, name = update.variable_id, update.variable_name
        if name not in BY_NAME:
            continue
        if not (watch.patterns or name in watch.names or id in watch.names):
            yield f"28: told of {name}"
        before = last.get(id)
        if before is None:
            yield from _judge_first(watch, history, truth, update, last_by_name.get(name))
        else:
            yield from _judge_next(watch, history, truth, before, update)
        if watch.is_plain and not update.is_initial and not history.loses_state and not watch.patterns:
            if 0 < update.revision < revision:
                yield f"11: revision {update.revision} of {name} behind {revision}"
            revision = max(revision, update.revision)
        last[id] = last_by_name[name] = update
    if watch.options.get("atomic"):
        yield from _judge_turns(watch, history)
    yield from _judge_last(watch, history, last)


def _judge_first(watch: WatchRecord, history: History, truth: Truth, update: VariableUpdate, of_name: Any) -> Iterator[str]:
    """Of an id."""
    where = f"{update.variable_name} at {update.version}"
    if update.missed >= update.version:
        yield f"02: {where} has missed {update.missed} before it"
    if update.is_initial:
        if not watch.options["include_initial"]:
            yield f"04: {where} is initial, and nobody asked"
        if update.old_value is not None:
            yield f"03: {where} is initial and has an old value"
        return
    if of_name is not None and of_name.deleted is None and not update.resync and not (watch.patterns and update.version == 1):
        # The variable before it went, and is told so, unless the server has lost it.
        yield f"07: {where} is another variable, and neither resync nor the end of the one before was told"
    if update.deleted is not None or not watch.is_plain:
        return
    if update.old_value is None:
        if update.missed != update.version - 1 and not update.resync:
            yield f"02: {where} has no old value and missed {update.missed}"
    elif of_name is None:
        base = truth.get((update.variable_id, update.version - 1 - update.missed))
        old = sequence_in(update.old_value, update.variable_name)
        if base is not None and base != old:
            yield f"03: {where} begins at set {old}, which is not that of {update.version - 1 - update.missed}, {base}"


def _judge_next(watch: WatchRecord, history: History, truth: Truth, before: VariableUpdate, update: VariableUpdate) -> Iterator[str]:
    where = f"{update.variable_name} at {update.version}"
    if before.deleted is not None:
        yield f"07: {where} behind its end"
    if update.version <= before.version:
        yield f"01: {where} behind {before.version}"
    if update.is_initial:
        yield f"04: {where} is initial behind {before.version}"
    gap = update.version - before.version - 1
    if update.missed > gap or (watch.is_plain and update.missed != gap):
        yield f"02: {where} behind {before.version} has missed {update.missed}"
    # What it was set to before it went, during a break, nobody can be told.
    if update.missed and watch.is_roomy and not history.loses_state and update.deleted is None:
        yield f"02: {where} behind {before.version} missed {update.missed}, and its buffer had room: {watch.stats or watch.quiet}"
    if update.resync and not history.loses_state and (watch.is_roomy or not update.missed):
        yield f"06: {where} is resync, and nothing was lost"
    if watch.is_plain:
        if update.old_value != before.value:
            yield f"03: {where} begins with {update.old_value}, and {before.version} was {before.value}"
    elif update.old_value is not None:
        old = sequence_in(update.old_value, update.variable_name)
        known = [truth.get((update.variable_id, version)) for version in range(before.version, update.version)]
        if None not in known and old not in known:
            yield f"03: {where} begins with set {old}, none of {known}"


def _judge_turns(watch: WatchRecord, history: History) -> Iterator[str]:
    """An atomic batch is told whole or not at all."""
    if history.lives > 1:
        return
    values: Dict[str, int] = {}
    begun = 0
    for turn in watch.turns:
        for update in watch.told[begun:turn]:
            if update.deleted is None and update.variable_name in BY_NAME and BY_NAME[update.variable_name].is_leg:
                values[update.variable_name] = sequence_in(update.value, update.variable_name)
        if len(set(values.values())) > 1 and len(values) == len(LEGS):
            yield f"25: after {watch.told[begun:turn]} it knows {values}"
            return
        begun = turn


def _judge_last(watch: WatchRecord, history: History, last: Dict[str, VariableUpdate]) -> Iterator[str]:
    """Of a watch that stood when all was quiet."""
    quiet = watch.quiet
    if quiet is None:
        return
    if watch.quiet_state not in ("live", "stopped", "failed", "stale"):
        yield f"06: it is {watch.quiet_state} when all is quiet"
        return
    if watch.quiet_state != "live" or watch.options.get("throttle_ms", 0) >= 1000:
        return
    by_id = {id: (name, version) for name, (id, version, _) in history.present.items()}
    for id, update in last.items():
        present = by_id.get(id)
        if present is None:
            if update.deleted is None and update.variable_name in BY_NAME and not history.loses_state:
                yield f"07: {update.variable_name} is gone, and its end was not told"
        elif watch.is_plain and update.version < present[1] and not watch.drops_last:
            yield f"06: {present[0]} is at {present[1]} and it knows {update.version}, {dict(quiet)}"
    if not watch.patterns and watch.options["include_initial"]:
        if watch.told and not last:
            return
        yield from _judge_books(watch, history, quiet, by_id)


def _judge_books(watch: WatchRecord, history: History, quiet: Any, by_id: Any) -> Iterator[str]:
    """What changed since its initial values = delivered + missed + filtered + rate-limited + buffered."""
    if history.loses_state or watch.options.get("missing") == "wait" or "unlooped" in watch.label or watch.options.get("condition"):
        # What the server keeps out is told now and then.
        return
    firsts: Dict[str, VariableUpdate] = {}
    told = 0
    for update in watch.told:
        first = firsts.setdefault(update.variable_id, update)
        if not first.is_initial or (first is update and update.missed) or update.deleted is not None or update.resync:
            return
        told += update.missed + (0 if update.is_initial else 1)
    if any(id not in by_id for id in firsts) or len(firsts) < len(watch.names):
        return
    changed = sum(by_id[id][1] - first.version for id, first in firsts.items())
    counted = told + quiet["filtered"] + quiet["rate_limited"] + quiet["buffered"]
    # An initial value that a change took with it is no change, and its version is not known.
    if changed != counted and watch.options["overflow"] != "conflate":
        yield f"13: {changed} changes, and {counted} in the books: told {told}, {dict(quiet)}"


# --- sets


def _judge_sets(history: History, truth: Truth) -> Iterator[str]:
    where: Dict[int, List[Tuple[str, int]]] = {}
    for (id, version), sequence in truth.items():
        where.setdefault(sequence, []).append((id, version))
    names = _names_of(history)
    made: Dict[Tuple[int, str], List[Tuple[int, SetRecord]]] = {}
    witness = next((watch for watch in history.watches if watch.label == "witness"), None)
    is_witnessed = witness is not None and not history.loses_state and bool(witness.quiet)
    for record in history.sets:
        places = [place for place in where.get(record.sequence, ()) if names.get(place[0]) == record.name]
        what = f"set {record.sequence} of {record.name} by {record.session}"
        if len(places) > 1 and record.sequence not in history.repeated:
            yield f"09: {what} was made twice: {places}"
        if record.outcome == "refused" and places:
            yield f"09: {what} was refused as {record.code} and made: {places}"
        if record.outcome == "made" and places and all(version != record.version for _, version in places):
            yield f"09: {what} was answered {record.version} and made {places}"
        if record.outcome == "made" and not places and is_witnessed:
            yield f"09: {what} was answered {record.version} and nobody has seen it"
        if record.outcome == "":
            yield f"09: {what} was not answered"
        if len(places) == 1 and record.sequence not in history.repeated:
            made.setdefault((record.session, places[0][0]), []).append((places[0][1], record))
    for (session, _id), several in made.items():
        several.sort(key=lambda one: one[0])
        for (_, before), (version, record) in zip(several, several[1:]):
            # A call that was given up with its connection keeps no place.
            if record.order < before.order and (not history.has_faults or (record.by_link and before.by_link)):
                yield f"09: set {record.sequence} of {record.name} by {session}, its {record.order}th, was made at {version} behind its {before.order}th"
    batches: Dict[int, List[SetRecord]] = {}
    for record in history.sets:
        if record.batch:
            batches.setdefault(record.batch, []).append(record)
    for batch, records in batches.items():
        if len({record.outcome for record in records}) > 1:
            yield f"25: an atomic batch is answered {[(record.name, record.outcome, record.code) for record in records]}"


def _names_of(history: History) -> Dict[str, str]:
    names = {update.variable_id: update.variable_name for watch in history.watches for update in watch.told}
    names.update({id: name for name, (id, _, _) in history.present.items()})
    return names


def _judge_reads(history: History, truth: Truth) -> Iterator[str]:
    names = _names_of(history)
    versions: Dict[Tuple[str, int], Tuple[str, int]] = {}
    for (id, version), sequence in truth.items():
        versions[(names.get(id, ""), sequence)] = (id, version)
    for name, sequence, least, is_cached, transport in history.floors:
        if sequence in history.repeated or least.sequence in history.repeated:
            continue
        said, wanted = versions.get((name, sequence)), versions.get((name, least.sequence))
        if said is None or wanted is None or said[0] != wanted[0]:
            continue
        if said[1] < wanted[1]:
            whose = "its own" if is_cached else "an"
            yield f"09: a read of {name} ({transport}, cached: {is_cached}) says version {said[1]} behind {whose} acknowledged {wanted[1]}"
