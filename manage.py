#!/usr/bin/env python3
"""Run a management command of the Loom site."""

import os
import sys


def main() -> None:
    """Hand the command line to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loomsite.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 -- needs the line above

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
