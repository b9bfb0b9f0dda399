"""The site's settings: every value from the environment, safe in production."""

import hashlib
import math
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
import structlog
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from redis.connection import parse_url

from loomsite.embedded import services, tokens
from loomsite.embedded.errors import EmbeddedError
from loomsite.embedded.home import Home, default_root

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
    if not (math.isfinite(value) and value >= least):
        raise ImproperlyConfigured(f"{name} is {raw!r}: use a number of at least {least:g}.")
    return value


def _words(name: str, default: str = "") -> list[str]:
    return [word.strip() for word in _text(name, default).split(",") if word.strip()]


def database(url: str) -> dict[str, Any]:
    """Return Django's description of the database behind a URL.

    Raises:
        ImproperlyConfigured: It is no URL of a PostgreSQL database.
    """
    try:
        parsed: dict[str, Any] = dict(dj_database_url.parse(url))
    except ValueError:  # its text may quote the URL, and that holds a password
        parsed = {}
    if parsed.get("ENGINE") != "django.db.backends.postgresql" or not parsed.get("NAME"):
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be used: give the URL of a PostgreSQL database,"
            " postgresql://user:password@host:port/name."
        )
    # One pool per process, as large as the bridge has threads and a few more for jobs.
    # It gives up on a connection soon: left to itself it tries again ever more rarely, and would
    # keep callers waiting long after a PostgreSQL that was away is back.
    pool = {"min_size": 0, "max_size": 20, "timeout": 10, "reconnect_timeout": 2}
    # A host that vanishes must not hold its row locks until TCP gives it up.
    limits = "-c idle_in_transaction_session_timeout=60000"
    options = {"connect_timeout": 10, "pool": pool, "options": limits, **parsed.get("OPTIONS", {})}
    # A restart of PostgreSQL breaks all connections that rest in the pool; each is looked at first.
    checks = {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}
    return {**parsed, "OPTIONS": options, **checks}


def _broker(url: str) -> str:
    try:
        parse_url(url)
        urlsplit(url).port  # noqa: B018 -- raises for a port that is no number
    except ValueError:
        raise ImproperlyConfigured(
            "REDIS_URL cannot be used: give the URL of a Redis or Valkey,"
            " redis://:password@host:port/0."
        ) from None
    return url


def _secret(name: str, file: str, make: Callable[[], str]) -> str:
    try:
        return _text(name) or _home.secret(file, make)
    except EmbeddedError as error:
        raise ImproperlyConfigured(str(error)) from None


def _fernet_key(key: str) -> str:
    try:
        Fernet(key)
    except ValueError:
        raise ImproperlyConfigured(
            "LOOM_SECRETS_KEY cannot be used: give 32 random bytes in URL-safe base64."
        ) from None
    return key


def _service_urls() -> dict[str, str]:
    """Return where database and broker are: the environment's word, else what runs in LOOM_HOME."""
    named = {name: _text(name) for name in ("DATABASE_URL", "REDIS_URL")}
    if all(named.values()):
        return named
    running = services.known(_home)
    # Nothing listens on port 1: without services the site loads, and says so when it needs them.
    nowhere = {
        "DATABASE_URL": "postgresql://loom@127.0.0.1:1/loom",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    return {name: named[name] or running.get(name) or nowhere[name] for name in named}


# ---------------------------------------------------------------- the instance
LOOM_HOME = default_root(os.environ)
_home = Home(root=LOOM_HOME)
DEBUG = _flag("DEBUG")
SECRET_KEY = _secret("SECRET_KEY", "secret_key", lambda: secrets.token_urlsafe(48))
LOOM_SECRETS_KEY = _fernet_key(
    _secret("LOOM_SECRETS_KEY", "secrets_key", lambda: Fernet.generate_key().decode())
)
LOOM_PUBLIC_URL = _text("LOOM_PUBLIC_URL").rstrip("/")
_public = urlsplit(LOOM_PUBLIC_URL)
if LOOM_PUBLIC_URL and not (_public.scheme in {"http", "https"} and _public.hostname):
    raise ImproperlyConfigured(
        f"LOOM_PUBLIC_URL is {LOOM_PUBLIC_URL!r}: use an address such as https://loom.example.com."
    )
ALLOWED_HOSTS = _words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = _words("CSRF_TRUSTED_ORIGINS")
if _public.hostname:
    ALLOWED_HOSTS.append(_public.hostname)
    CSRF_TRUSTED_ORIGINS.append(f"{_public.scheme}://{_public.netloc}")

_urls = _service_urls()
DATABASES = {"default": database(_urls["DATABASE_URL"])}
REDIS_URL = _broker(_urls["REDIS_URL"])
tokens.provide(_home, os.environ)

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
        "DIRS": [BASE_DIR / "loomsite" / "templates"],  # before the theme's, which ours extend
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
WHITENOISE_USE_FINDERS = True  # served from the packages: nothing to collect, also when installed
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---------------------------------------------------------------- browsers
# Cookies do not tell ports apart: two Looms on one machine must not log each other's people out.
SESSION_COOKIE_NAME = f"loom_session_{hashlib.sha256(SECRET_KEY.encode()).hexdigest()[:8]}"
_https = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# ---------------------------------------------------------------- logs: for operators, on stderr
_shared_processors = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
structlog.configure(
    processors=[*_shared_processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "lines": {
            "()": structlog.stdlib.ProcessorFormatter,
            # Not its default traceback, which prints local variables: keys are among them.
            "processor": structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            ),
            "foreign_pre_chain": _shared_processors,
        }
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stderr",
            "formatter": "lines",
        }
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        name: {"level": "INFO"}
        for name in ("agents", "cluster", "knowledge", "mcp_server", "loomsite")
    }
    # A line for each job and each model call would bury what matters.
    | {
        name: {"level": "WARNING"}
        for name in ("httpx", "httpx2", "celery.app.trace", "celery.worker.strategy")
    }
    | {"django": {"handlers": [], "propagate": True}},  # Django's own would mail and print twice
}

# ---------------------------------------------------------------- the API
LOOM_REQUESTS_PER_MINUTE = int(_number("LOOM_REQUESTS_PER_MINUTE", 30_000, least=1))  # per key
REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "loomsite.access.rest.problems.exception_response",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Loom",
    "DESCRIPTION": "The control plane of a self-organizing cluster of agents.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",  # served from here: no page needs a CDN
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SECURITY": [{"key": []}, {"session": []}],
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "key": {"type": "http", "scheme": "bearer", "description": "A key of Loom: lk_…"},
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": SESSION_COOKIE_NAME,
                "description": "Whoever is logged in to the admin.",
            },
        }
    },
}

# ---------------------------------------------------------------- the admin: all of it from here
LOGIN_REDIRECT_URL = "admin:index"
FORMAT_MODULE_PATH = "loomsite.formats"
UNFOLD = {
    "SITE_TITLE": "Loom",
    "SITE_HEADER": "Loom",
    "SITE_SUBHEADER": "a self-organizing cluster of agents",
    "SITE_URL": None,
    "SITE_ICON": lambda _: static("loom/icon.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("loom/icon.svg")}
    ],
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "STYLES": [lambda _: static("loom/admin.css"), lambda _: static("loom/console.css")],
    "SCRIPTS": [lambda _: static("loom/admin.js"), lambda _: static("loom/charts.js")],
    "DASHBOARD_CALLBACK": "cluster.admin.pulse.dashboard",
    "SIDEBAR": {"navigation": "cluster.admin.sidebar.navigation", "show_search": True},
    "COLORS": {
        "primary": {
            "50": "#f0fdfa", "100": "#ccfbf1", "200": "#99f6e4", "300": "#5eead4",
            "400": "#2dd4bf", "500": "#14b8a6", "600": "#0f766e", "700": "#115e59",
            "800": "#134e4a", "900": "#0f3f3c", "950": "#042f2e",
        },
    },
}  # fmt: skip

# ---------------------------------------------------------------- models, jobs, the cluster
OPENAI_API_KEY = _text("OPENAI_API_KEY")
OPENAI_BASE_URL = _text("OPENAI_BASE_URL")
LOOM_MODEL = _text("LOOM_MODEL")
LOOM_JUDGE_MODEL = _text("LOOM_JUDGE_MODEL")
LOOM_EMBEDDING_MODEL = _text("LOOM_EMBEDDING_MODEL")
LOOM_RERANK_URL = _text("LOOM_RERANK_URL")
LOOM_RERANK_MODEL = _text("LOOM_RERANK_MODEL")
LOOM_RERANK_API_KEY = _text("LOOM_RERANK_API_KEY")
LOOM_QUERY_EXPANSION = _text("LOOM_QUERY_EXPANSION")
LOOM_LEASE_S = _number("LOOM_LEASE_S", 15, least=0.1)
LOOM_SLOTS = int(_number("LOOM_SLOTS", 64, least=1))
LOOM_API_KEY = _text("LOOM_API_KEY")
LOOM_MCP_NO_AUTH = _flag("LOOM_MCP_NO_AUTH")
LOOM_EGRESS_ALLOW = _words("LOOM_EGRESS_ALLOW")
# What may be started as an MCP server: `/usr/bin/server --root /data; TOKEN= /usr/bin/other *`.
LOOM_MCP_COMMANDS = [
    command.strip() for command in _text("LOOM_MCP_COMMANDS").split(";") if command.strip()
]
LOOM_SECRETS = {
    name: value for name, value in os.environ.items() if name.startswith("LOOM_SECRET_")
}

# Postgres is the truth and a message is only a hint, so jobs are short, keep no result, and are
# acknowledged when taken; whoever asks is not kept waiting for a broker that is down.
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_DEFAULT_QUEUE = "loom"
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
}
CELERY_BROKER_CONNECTION_TIMEOUT = 3
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker for ever
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "socket_connect_timeout": 3,
    "socket_timeout": 10,
    "socket_keepalive": True,
    "health_check_interval": 15,
}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 2  # how late a changed schedule may be noticed
# What an hour without a worker would pile up is worth nothing: each message expires with its turn.
CELERY_BEAT_SCHEDULE = {
    "submit the goals of due schedules": {
        "task": "cluster.tasks.schedules_fire_job",
        "schedule": 1.0,
        "options": {"expires": 5},
    },
    "look for due tasks": {
        "task": "cluster.tasks.tasks_due_job",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "look at the health of the population": {
        "task": "cluster.tasks.health_job",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "race and evolve blueprints, crystallize skills": {
        "task": "cluster.tasks.grow_job",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "measure judges on answers of known worth": {
        "task": "cluster.tasks.judge_audit_job",
        "schedule": 900.0,
        "options": {"expires": 900},
    },
    "send webhooks what is due": {
        "task": "cluster.tasks.webhooks_send_job",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "forget what was sent to webhooks long ago": {
        "task": "cluster.tasks.deliveries_trim_job",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "free reservations of calls that never ended": {
        "task": "agents.tasks.reservations_expire_job",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "remember what was said in conversations at rest": {
        "task": "agents.tasks.sessions_consolidate_job",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "index what was remembered before there was an index": {
        "task": "agents.tasks.memories_index_job",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "ask MCP servers what they offer": {
        "task": "agents.tasks.mcp_connections_refresh_job",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "go on with moves to another embedding model": {
        "task": "knowledge.tasks.reembeddings_resume_job",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "queue documents whose ingest was lost": {
        "task": "knowledge.tasks.documents_requeue_job",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
}
