"""What the commands share: one clear sentence for what goes wrong, and an honest exit code."""

import json
import sys
import unicodedata
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError

from loomsite.access.core.errors import Stated

DONE, OTHER, USAGE, WAITING = 0, 1, 2, 3


def plain(text: str) -> str:
    """Return a text that a terminal shows and does not obey: models and documents wrote it."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")


class DoorCommand(BaseCommand):
    """A command that translates: arguments in, one service call, its result to stdout."""

    requires_system_checks = []  # pyright: ignore[reportAssignmentType] -- the stubs know only "__all__"

    def emit(self, value: Mapping[str, Any]) -> None:
        """Print one JSON object, the result of a `--json` command."""
        self.stdout.write(json.dumps(value, ensure_ascii=False, default=str))

    def say(self, sentence: str) -> None:
        """Tell a person how it goes; never part of the result."""
        self.stderr.write(plain(sentence), self.style.NOTICE)

    def refuse(self, sentence: str) -> NoReturn:
        """End with a usage error."""
        raise CommandError(sentence, returncode=USAGE)

    def fail(self, sentence: str) -> NoReturn:
        """End with one sentence that says why nothing was done."""
        raise CommandError(sentence, returncode=OTHER)

    @contextmanager
    def told_to_a_person(self) -> Generator[None]:
        """Turn every expected failure inside into one sentence on stderr and an exit code."""
        try:
            yield
        except (OperationalError, InterfaceError):
            sentence = "The database cannot be reached. Start the stack with `make up`."
            raise CommandError(sentence, returncode=OTHER) from None
        except KeyboardInterrupt:
            sys.exit(130)
        except Exception as error:  # the type is a structural one, which `except` cannot name
            if isinstance(error, Stated):
                usage = error.status == 400  # noqa: PLR2004 -- bad input is a usage error here
                raise CommandError(str(error), returncode=USAGE if usage else OTHER) from None
            raise
