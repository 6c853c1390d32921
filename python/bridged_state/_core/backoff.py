"""When to try again: exponential with full jitter, as an immutable value. Path: a failed attempt -> [backoff] -> reconnecting shell."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BackoffOptions:
    """How a session comes back after a break: exponentially, with jitter. Milliseconds."""

    base_ms: float = 100.0
    """Ceiling of the first delay that is not immediate."""
    factor: float = 2.0
    """Each ceiling is so many times the one before."""
    cap_ms: float = 5_000.0
    """Ceiling of every delay."""
    jitter: float = 1.0
    """1 = full jitter (uniform from 0 to the ceiling), 0.1 = within 10 % below it, 0 = none."""
    spread_ms: float = 100.0
    """The first retry comes within this time: what failed together does not return together."""
    reset_after_ms: float = 10_000.0
    """A connection that was live for so long has succeeded: the next failure is the first again."""


@dataclass(frozen=True)
class Backoff:
    options: BackoffOptions = BackoffOptions()
    attempt: int = 0
    """Failures in a row so far."""

    def delay_ms(self, chance: float) -> float:
        """Milliseconds until the next try. `chance` is a random number from 0 to below 1."""
        options = self.options
        if self.attempt == 0:
            return options.spread_ms * chance
        return self._ceiling() * (1.0 - options.jitter * chance)

    def _ceiling(self) -> float:
        options = self.options
        try:
            return min(options.cap_ms, options.base_ms * options.factor ** (self.attempt - 1))
        except OverflowError:
            return options.cap_ms

    def next(self) -> "Backoff":
        """After one more failure."""
        return Backoff(self.options, self.attempt + 1)

    def reset(self) -> "Backoff":
        """After a success that lasted."""
        return self if self.attempt == 0 else Backoff(self.options)

    def after_live(self, live_ms: float) -> "Backoff":
        """After a connection that was live for so long, and is lost."""
        return self.reset() if live_ms >= self.options.reset_after_ms else self
