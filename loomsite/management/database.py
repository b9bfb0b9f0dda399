"""Whether the database can be used, asked without the pool that would try for a while."""

import psycopg
from django.conf import settings

_TIMEOUT_S = 5


def database_fault() -> str | None:
    """Return in one line why the database cannot be reached, or None when it can."""
    database = settings.DATABASES["default"]
    options = {name: value for name, value in database["OPTIONS"].items() if name != "pool"}
    try:
        psycopg.connect(
            dbname=database["NAME"],
            user=database["USER"] or None,
            password=database["PASSWORD"] or None,
            host=database["HOST"] or None,
            port=database["PORT"] or None,
            **{**options, "connect_timeout": _TIMEOUT_S},
        ).close()
    except psycopg.Error as error:
        return " ".join(str(error).split())[:300].rstrip(".")
    return None
