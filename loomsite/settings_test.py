"""Overrides for tests only."""

import os
import tempfile
from pathlib import Path

# A home of the test run's own: nothing a test does may touch the one of this checkout.
os.environ["LOOM_HOME"] = str(Path(tempfile.gettempdir()) / f"loom-test-{os.getpid()}")
os.environ.setdefault("SECRET_KEY", "tests-only-" + "x" * 40)
os.environ.setdefault("LOOM_SECRETS_KEY", "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=")

from loomsite.settings import *  # noqa: F403 -- a settings module is its names

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
