"""The command line: `loom` and `python manage.py` are this."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext, suppress
from types import FrameType
from typing import NoReturn

import psycopg

from loomsite.embedded import services
from loomsite.embedded.errors import EmbeddedError, ServiceFailed
from loomsite.embedded.home import Home, default_root

USAGE_EXIT = 2
# These need no services, or see for themselves what runs.
_ALONE = {"up", "down", "submit", "mcp_config", "help", "version", "check", "test", "diffsettings"}
_ALONE |= {"makemigrations", "spectacular", "findstatic", "startapp"}
_NEW_KEY = "--new-key"  # of mcp_config: it needs the database after all
# These look at the tables as they are, or migrate themselves.
_UNMIGRATED = {"migrate", "showmigrations", "sqlmigrate", "bootstrap", "dbshell", "inspectdb"}


def main() -> NoReturn:
    """Run the command of this process's arguments and exit with its code."""
    sys.exit(run(sys.argv))


def run(argv: Sequence[str]) -> int:
    """Run one management command; a failure is one sentence on stderr, never a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loomsite.settings")
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415 -- needs the line above
    from django.db import InterfaceError, OperationalError  # noqa: PLC0415 -- as above
    from kombu.exceptions import OperationalError as BrokerError  # noqa: PLC0415 -- as above

    try:
        return _run(list(argv))
    except (ImproperlyConfigured, EmbeddedError) as error:
        return _complain(str(error))
    except (OperationalError, InterfaceError, psycopg.OperationalError) as error:
        return _complain(f"The database cannot be used ({_one_line(error)}): see `doctor`.")
    except BrokerError as error:
        return _complain(f"The broker cannot be used ({_one_line(error)}): see `doctor`.")
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        sys.stdout = None  # the reader left; there is nobody to tell
        return 1


def _run(argv: list[str]) -> int:
    from django.core.management import (  # noqa: PLC0415 -- needs the settings module
        execute_from_command_line,
        get_commands,
    )

    name = next((word for word in argv[1:] if not word.startswith("-")), "help")
    wants_help = any(word in {"-h", "--help", "--version"} for word in argv[1:])
    with ExitStack() as held:
        needs_services = (name not in _ALONE or _NEW_KEY in argv) and not wants_help
        if needs_services:
            home = Home(root=default_root(os.environ))
            is_external = bool(os.environ.get("DATABASE_URL", "").strip())
            signal.signal(signal.SIGTERM, _leave)
            with suppress(EmbeddedError) if name == "doctor" else nullcontext():  # it reports them
                urls = held.enter_context(services.held(home, os.environ))
                os.environ.update(urls.to_environment())
            _set_up()
            with suppress(EmbeddedError) if name == "doctor" else nullcontext():
                _check_database(migrate=not is_external and name not in _UNMIGRATED)
        else:
            _set_up()
        if name not in get_commands() and name not in {"help", "version"}:
            return _complain(f"There is no command {name!r}: see `help`.", USAGE_EXIT)
        execute_from_command_line(argv)
    return 0


def _set_up() -> None:
    import django  # noqa: PLC0415 -- after the environment is complete

    django.setup()


def _check_database(*, migrate: bool) -> None:
    """Fail at once and with the reason, where the pool would try for a while and forget it."""
    from loomsite.management.database import database_fault  # noqa: PLC0415 -- needs the settings
    from loomsite.management.migrating import migrate_once  # noqa: PLC0415 -- as above

    if fault := database_fault():
        raise ServiceFailed(
            f"The database of DATABASE_URL cannot be used ({fault}): start it, correct the URL, or"
            " unset DATABASE_URL to use an embedded one."
        )
    if migrate:
        migrate_once()


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # unwinds, so that services held by this process are let go


def _complain(sentence: str, code: int = 1) -> int:
    print(f"loom: {sentence}", file=sys.stderr)  # noqa: T201 -- the command line's answer
    return code


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")


if __name__ == "__main__":
    main()
