"""The processes a supervisor keeps alive: started, watched, restarted with back-off, stopped."""

import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loomsite.embedded import process
from loomsite.embedded.home import Home, unusable
from loomsite.embedded.process import ProcessId

_LOG_LIMIT_BYTES = 16 * 1024 * 1024
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_STEADY_AFTER_S = 60.0


@dataclass(slots=True, kw_only=True)
class Child:
    """One process to keep alive, its log, and how its last starts went."""

    name: str
    command: Sequence[str]
    log: Path
    popen: subprocess.Popen[bytes] | None = None
    known: ProcessId | None = None
    started_at_s: float = 0.0
    failures: int = 0
    next_start_s: float = field(default=0.0)

    def start(self, home: Home, environment: Mapping[str, str], *, now_s: float) -> None:
        """Start the process; its life ends with ours."""
        try:
            with self.log.open("ab") as output:
                self.popen = subprocess.Popen(  # noqa: S603 -- ourselves
                    list(self.command),
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is for the supervisor, which stops us in order
                    preexec_fn=process.leash(signal.SIGKILL),  # noqa: PLW1509 -- one prctl, no lock
                )
        except OSError as error:
            raise unusable(home.root, error) from None
        self.started_at_s = now_s
        self.known = process.identify(self.popen.pid)

    def ended(self, *, now_s: float) -> str | None:
        """Say how the process ended since last asked and plan its next start; None if it lives."""
        if self.popen is None or (code := self.popen.poll()) is None:
            return None
        self.popen = self.known = None
        if now_s - self.started_at_s >= _STEADY_AFTER_S:
            self.failures = 0
        pause_s = min(_FIRST_PAUSE_S * 2**self.failures, _LONGEST_PAUSE_S)
        self.failures += 1
        self.next_start_s = now_s + pause_s
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return f"{self.name} {how}; starting it again in {pause_s:g} s"

    def is_due(self, *, now_s: float) -> bool:
        return self.popen is None and now_s >= self.next_start_s

    def last_words(self) -> str:
        """Return the last line of its log that says something."""
        try:
            lines = self.log.read_text(errors="replace")[-4000:].splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:300]

    def trim_log(self) -> None:
        """Move a log that has grown too long aside; one such file is kept."""
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            with self.log.open("r+b") as file:  # the process goes on appending to the same file
                file.truncate(0)


def stop_all(children: Sequence[Child], *, patience_s: float) -> None:
    """Ask all to end, wait for them together, and end those that do not."""
    alive = [child.popen for child in children if child.popen is not None]
    for popen in alive:
        popen.terminate()
    process.wait_until(
        lambda: all(popen.poll() is not None for popen in alive), timeout_s=patience_s
    )
    for popen in alive:
        if popen.poll() is None:
            popen.kill()
        popen.wait()
    for child in children:
        child.popen = child.known = None
