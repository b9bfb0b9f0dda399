"""Overrides for tests only."""

from loomsite.settings import *  # noqa: F403 -- a settings module is its names

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
