"""The site's settings: every value from the environment, safe in production."""

import os
import secrets
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


def _text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def _flag(name: str, *, default: bool = False) -> bool:
    value = _text(name).lower()
    if value in {"", "0", "false", "no", "off"}:
        return default if value == "" else False
    if value in {"1", "true", "yes", "on"}:
        return True
    raise ImproperlyConfigured(f"{name} is {value!r}: use 1 or 0.")


def _number(name: str, default: float, *, least: float) -> float:
    raw = _text(name)
    try:
        value = float(raw) if raw else default
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {raw!r}: use a number.") from None
    if value < least:
        raise ImproperlyConfigured(f"{name} is {raw!r}: use a number of at least {least:g}.")
    return value


def _words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in _text(name, default).split(",") if word.strip()]


def database(url: str) -> dict[str, Any]:
    """Return Django's description of the database behind a URL."""
    try:
        parsed = dj_database_url.parse(url)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"DATABASE_URL cannot be read ({error}): use postgresql://user:password@host:port/name."
        ) from None
    if parsed.get("ENGINE") != "django.db.backends.postgresql" or not parsed.get("NAME"):
        raise ImproperlyConfigured(
            "DATABASE_URL must name a PostgreSQL database: postgresql://user:password@host:port/name."
        )
    # One pool per process, as large as the bridge has threads and a few more for jobs.
    pool = {"min_size": 0, "max_size": 20, "timeout": 30}
    options = {"connect_timeout": 10, "pool": pool, **parsed.get("OPTIONS", {})}
    return {**parsed, "OPTIONS": options, "CONN_MAX_AGE": 0}


# ---------------------------------------------------------------- the instance
LOOM_HOME = Path(_text("LOOM_HOME", str(BASE_DIR / ".loom"))).expanduser().absolute()
DEBUG = _flag("DEBUG")
SECRET_KEY = _text("SECRET_KEY") or secrets.token_urlsafe(48)
ALLOWED_HOSTS = _words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = _words("CSRF_TRUSTED_ORIGINS")
LOOM_PUBLIC_URL = _text("LOOM_PUBLIC_URL").rstrip("/")

DATABASES = {"default": database(_text("DATABASE_URL", "postgresql://loom@127.0.0.1:1/loom"))}
REDIS_URL = _text("REDIS_URL", "redis://127.0.0.1:1/0")

# ---------------------------------------------------------------- Django
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_celery_beat",
    "loomsite.access",
    "knowledge",
    "agents",
    "cluster",
    "loomsite",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "loomsite.access.rest.middleware.OptionalSlash",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "loomsite.urls"
ASGI_APPLICATION = "loomsite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---------------------------------------------------------------- the API
LOOM_REQUESTS_PER_MINUTE = int(_number("LOOM_REQUESTS_PER_MINUTE", 30_000, least=1))  # per key
SPECTACULAR_SETTINGS = {
    "TITLE": "Loom",
    "DESCRIPTION": "The control plane of a self-organizing cluster of agents.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",  # served from here: no page needs a CDN
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# ---------------------------------------------------------------- models, jobs, the cluster
OPENAI_API_KEY = _text("OPENAI_API_KEY")
OPENAI_BASE_URL = _text("OPENAI_BASE_URL")
LOOM_MODEL = _text("LOOM_MODEL")
LOOM_JUDGE_MODEL = _text("LOOM_JUDGE_MODEL")
LOOM_EMBEDDING_MODEL = _text("LOOM_EMBEDDING_MODEL")
LOOM_LEASE_S = _number("LOOM_LEASE_S", 15, least=1)
LOOM_SLOTS = int(_number("LOOM_SLOTS", 64, least=1))
LOOM_API_KEY = _text("LOOM_API_KEY")
LOOM_MCP_NO_AUTH = _flag("LOOM_MCP_NO_AUTH")
LOOM_SECRETS_KEY = _text("LOOM_SECRETS_KEY")
LOOM_SECRETS = {n: v for n, v in os.environ.items() if n.startswith("LOOM_SECRET_")}  # by reference
LOOM_EGRESS_ALLOW = _words("LOOM_EGRESS_ALLOW")  # private hosts, addresses, networks to be reached
CELERY_BROKER_URL = REDIS_URL
