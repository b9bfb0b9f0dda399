"""Bring the database up to this version of the code."""

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

_LOCK = 0x4C6F6F6D  # "Loom", and nothing else here locks a plain number


def migrate_once() -> None:
    """Apply what is missing; of several processes at once, on any machine, one does it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        try:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                call_command("migrate", verbosity=0, interactive=False)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
