"""The other end of a link, as far as sets go: makes them in order, remembers outcomes by link id. Path: link session <-> [plain server] <-> tests."""

from typing import Any, Dict, List, Optional, Tuple

from bridged_state._wire.messages import LinkDown, LinkUp, Message


class PlainServer:
    """One life of a server. What it sends waits in `outbox` until the test takes it, or loses it."""

    def __init__(self, epoch: str = "e1", window: int = 10_000) -> None:
        self.epoch = epoch
        self.window = window
        # Every set that was made, in order: identifier and value.
        self.made: List[Tuple[str, Any]] = []
        self.refused: List[str] = []
        # By link id: version and code of each set, from 1 on.
        self._outcomes: Dict[bytes, List[Tuple[int, str]]] = {}
        self._versions: Dict[str, int] = {}
        self.begin()

    def begin(self) -> None:
        """Another stream."""
        self.outbox: List[bytes] = []
        self.ups: List[Message] = []
        self._names: Dict[int, str] = {}
        self._link_id: Optional[bytes] = None

    def handle(self, data: bytes) -> None:
        up = LinkUp.FromString(data)
        self.ups.append(up)
        down = LinkDown()
        if up.HasField("hello"):
            self._link_id = up.hello.link_id
            known = self._outcomes.get(self._link_id)
            down.welcome.epoch = self.epoch
            down.welcome.max_bytes = 4 * 1024 * 1024
            outcomes = self._outcomes.setdefault(up.hello.link_id, [])
            if known is not None:
                lost = max(0, len(outcomes) - self.window)
                down.welcome.sets_continue = True
                down.welcome.sets_made = len(outcomes)
                down.welcome.sets_lost = lost
                for outcome in outcomes[max(lost, int(up.hello.sets_answered)) :]:
                    self._say(down, outcome)
        assert self._link_id is not None, "the hello comes first"
        if up.set_kinds:
            self._make(up, down)
        if down.ByteSize() > 0:
            self.outbox.append(down.SerializeToString())

    def _make(self, up: Message, down: Message) -> None:
        assert self._link_id is not None
        outcomes = self._outcomes[self._link_id]
        if not outcomes and up.set_sequence > 1:
            outcomes.extend([(0, "UNKNOWN_OUTCOME")] * (int(up.set_sequence) - 1))
        assert up.set_sequence == len(outcomes) + 1, "sets come in their order"
        values = {1: iter(up.set_doubles), 2: iter(up.set_integers), 5: iter(up.set_texts), 6: iter(up.set_payloads)}
        names = iter(up.set_names)
        batch: List[Tuple[str, Any]] = []
        for kind, target in zip(up.set_kinds, up.set_targets):
            if kind & 8:
                assert target <= len(self._names)
                self._names[target] = next(names)
            form = kind & 7
            value = form == 3 if form in (3, 4) else next(values[form])
            batch.append((self._names[target], value))
            if kind & 128:
                continue
            is_refused = any(one == "bad" for _, one in batch)
            for name, one in batch:
                if is_refused:
                    self.refused.append(name)
                    outcome = (0, "INVALID_VALUE" if one == "bad" else "BATCH_REFUSED")
                else:
                    self.made.append((name, one))
                    self._versions[name] = self._versions.get(name, 0) + 1
                    outcome = (self._versions[name], "")
                outcomes.append(outcome)
                self._say(down, outcome)
            batch = []
        assert not batch, "a batch is whole in its message"

    def _say(self, down: Message, outcome: Tuple[int, str]) -> None:
        version, code = outcome
        down.set_versions.append(version)
        if version == 0:
            down.refusal_codes.append(code)
            down.refusal_messages.append("it was refused")
