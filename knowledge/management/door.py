"""What the commands here share: one sentence and an exit code for each expected failure."""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from knowledge.core.errors import KnowledgeError
from loomsite.access.core.errors import AccessError

OTHER, USAGE = 1, 2
_BAD_REQUEST = 400


class KnowledgeCommand(BaseCommand):
    """A command that translates: arguments in, one call, progress to stderr, result to stdout."""

    requires_system_checks: list[str] = []  # pyright: ignore[reportIncompatibleVariableOverride] -- the stubs know "__all__" only

    def emit(self, value: Mapping[str, Any]) -> None:
        """Print one JSON object, the result of a `--json` command."""
        self.stdout.write(json.dumps(value, ensure_ascii=False, default=str))

    def refuse(self, sentence: str) -> CommandError:
        """Return the error that ends the command as wrongly used."""
        return CommandError(sentence, returncode=USAGE)

    @contextmanager
    def told_to_a_person(self) -> Generator[None]:
        """Turn every expected failure inside into one sentence on stderr and an exit code."""
        try:
            yield
        except (KnowledgeError, AccessError) as error:
            usage = error.status == _BAD_REQUEST
            raise CommandError(str(error), returncode=USAGE if usage else OTHER) from None
        except OSError as error:
            raise CommandError(
                f"{error.filename or ''}: {error.strerror}", returncode=OTHER
            ) from None
