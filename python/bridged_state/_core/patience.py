"""How long a silent server is waited for. Pure: it is told when one fell silent, and for how long it had stood.

Where another server can go on, waiting costs more than a needless change: it is short. Servers that fall silent one soon after the other are
busy rather than dead, and leaving them makes them busier: it doubles, up to what a server alone is given.
Path: connection -> [patience] -> carriers.
"""

from typing import Optional


class Patience:
    def __init__(self, heartbeat_ms: Optional[float], answer_ms: Optional[float]) -> None:
        """By the user; None where he said nothing."""
        self._heartbeat_ms = heartbeat_ms
        self._answer_ms = answer_ms
        # Servers left for their silence, each before it had stood for long.
        self._silences = 0

    def handle_silence(self, stood_for_ms: float) -> None:
        """The present server is left for its silence, after it had stood for so long."""
        self._silences = 1 if stood_for_ms >= TRUSTED_AFTER_MS else self._silences + 1

    def heartbeat_ms(self, has_others: bool) -> int:
        """What a server is asked for. `has_others`: another server can go on."""
        if self._heartbeat_ms is not None:
            return int(self._heartbeat_ms)
        return SHORT_HEARTBEAT_MS if has_others else HEARTBEAT_MS

    def silence_ms(self, has_others: bool, stands_for_ms: float) -> float:
        """Before a server that was asked for such heartbeats is asked whether it lives."""
        return self._wait(self._heartbeat_ms, SHORT_HEARTBEAT_MS, HEARTBEAT_MS, has_others, stands_for_ms) * 1.5

    def answer_ms(self, has_others: bool, stands_for_ms: float) -> float:
        """For the answer then."""
        return self._wait(self._answer_ms, SHORT_ANSWER_MS, ANSWER_MS, has_others, stands_for_ms)

    def late_ms(self) -> float:
        """Without a heartbeat of a link whose server answers calls."""
        return 4.5 * (HEARTBEAT_MS if self._heartbeat_ms is None else self._heartbeat_ms)

    def _wait(self, asked: Optional[float], short: float, alone: float, has_others: bool, stands_for_ms: float) -> float:
        if asked is not None:
            return asked
        if not has_others:
            return alone
        silences = 0 if stands_for_ms >= TRUSTED_AFTER_MS else min(self._silences, MOST_DOUBLINGS)
        return min(short * 2.0**silences, alone)


# A server that has stood for so long is not blamed for those before it.
TRUSTED_AFTER_MS = 10_000
# Together with the way to another server below two seconds.
SHORT_HEARTBEAT_MS = 400
SHORT_ANSWER_MS = 1_000
HEARTBEAT_MS = 5_000
ANSWER_MS = 5_000
MOST_DOUBLINGS = 30
