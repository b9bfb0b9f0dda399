"""How much of a suite passed."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came of one suite."""

    suite: str
    passed: int
    failed: tuple[str, ...]

    def line(self) -> str:
        """Return the suite's last line."""
        return f"{self.suite}: {self.passed} passed, {len(self.failed)} failed"


def say(sentence: str) -> None:
    """Tell a person how it goes."""
    print(sentence, file=sys.stderr, flush=True)
