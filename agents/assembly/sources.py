"""Which model serves a call: an endpoint row, the environment's, a local one, or the reader."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from agents.assembly import discovery, reach
from agents.assembly.secrets import SecretBox
from agents.core.errors import AgentsError, EndpointUnusable, ModelError
from agents.core.ports import Breaker, ModelProvider
from agents.core.types import ModelProfile, ServedBy
from agents.models import Endpoint
from agents.providers.clients import Clients
from agents.providers.fallback import FallbackProvider
from agents.providers.openai_compat import OpenAIProvider
from agents.providers.profiles import profile_for
from agents.providers.world import system_world

Kind = Literal["endpoint", "ollama", "extractive"]

OPENAI_URL = "https://api.openai.com/v1"
_REMEMBERED_S = 60.0  # what an endpoint listed, and whether Ollama answered
_PROVIDERS_AT_MOST = 256
_CHOOSE = "Set LOOM_MODEL to the one to use."
_CHOOSE_ROW = "Set the endpoint's model to the one to use."


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the environment says of models; an endpoint named there counts as listed."""

    base_url: str
    api_key: str = field(repr=False)
    model: str
    listed: tuple[str, ...]

    @property
    def has_endpoint(self) -> bool:
        return bool(self.base_url or self.api_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a call goes."""

    kind: Kind
    slug: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    model: str = ""
    profile: ModelProfile | None = None
    guarded: bool = False

    @property
    def served(self) -> ServedBy:
        """On whose account its calls are booked; local models cost nothing per token."""
        profile = self.profile or profile_for(self.model, self.base_url)
        prices = (profile.usd_per_million_prompt, profile.usd_per_million_completion)
        priced = self.kind != "endpoint" or prices != (None, None)
        return ServedBy(endpoint=self.slug, model=self.model, priced=priced)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A provider, and what to call it in usage and descriptions."""

    provider: ModelProvider
    target: Target


class ModelSource:
    """Finds targets and keeps one provider for each.

    Args:
        environment: What the environment says.
        box: Opens the secrets of endpoint rows.
        breaker: Shared by all providers.
        reader: Makes the provider of last resort, which needs no model.
    """

    def __init__(
        self,
        *,
        environment: Environment,
        box: SecretBox,
        breaker: Breaker,
        reader: Callable[[], ModelProvider],
    ) -> None:
        self._environment = environment
        self._box = box
        self._breaker = breaker
        self._make_reader = reader
        self._monotonic = system_world().monotonic
        self._known: dict[tuple[str, str], tuple[float, list[str] | None]] = {}
        self._providers: dict[Any, ModelProvider] = {}
        listed = environment.listed
        self._guarded = Clients(partial(reach.guarded_client, listed=listed))
        self._open = Clients()

    def rowless(self) -> dict[str, str]:
        """Return the addresses of what may answer without a row, by slug; the reader has none."""
        here = {"environment": self.environment_url} if self.environment_url else {}
        return {**here, "ollama": discovery.OLLAMA_URL, "extractive": ""}

    @property
    def environment_url(self) -> str:
        """The address of the environment's endpoint; empty when it names none."""
        here = self._environment
        return (here.base_url or OPENAI_URL) if here.has_endpoint else ""

    def listed(self, row: Endpoint) -> list[str]:
        """Return the models that an endpoint lists, asked anew; blocks.

        Raises:
            EndpointUnusable: Its address is not allowed, its secret unreadable, or it is none.
            ModelUnavailable: Nobody answers.
            ModelRefused: It will not say.
        """
        if row.read_only:
            if not self.environment_url:
                raise EndpointUnusable("The environment names no endpoint any more.")
            return discovery.models_of(self.environment_url, api_key=self._environment.api_key)
        reach.check_reach(row.base_url, listed=self._environment.listed)
        return discovery.models_of(row.base_url, api_key=self._box.open(row.secret))

    def targets(self, rows: Sequence[Endpoint], *, model: str = "") -> list[Target]:
        """Return where a call may go, in order; blocks while endpoints are asked what they have.

        Args:
            rows: The endpoints to call, in order; empty lets the environment decide.
            model: Instead of the first endpoint's own.

        Raises:
            EndpointUnusable: No model is chosen, an address is not allowed, a secret unreadable.
            ModelUnavailable: The endpoint that has to be asked for its models does not answer.
            ModelRefused: It will not say.
        """
        if not rows:
            return [self._of_environment(model)]
        found: list[Target] = []
        problem: AgentsError | None = None
        for row in rows:
            wanted = model if row is rows[0] else ""
            try:
                found.append(self._of_row(row, model=wanted))
            except (EndpointUnusable, ModelError) as error:
                problem = problem or error
        if not found:
            assert problem is not None  # each row gave a target or a problem
            raise problem
        return found

    def serve(self, targets: Sequence[Target]) -> Served:
        """Return the provider of the first target, the next one behind it; the same one each time.

        Fallbacks are used where nobody answers at those before them.
        """
        *before, last = [self._provider(target) for target in targets]
        for first in reversed(before):
            key = ("fallback", id(first), id(last))
            if key not in self._providers:
                self._providers[key] = FallbackProvider(first, last)
            last = self._providers[key]
        return Served(provider=last, target=targets[0])

    def _provider(self, target: Target) -> ModelProvider:
        digest = hashlib.sha256(target.api_key.encode()).digest()
        key = (target.kind, target.slug, target.base_url, digest, target.model, target.profile)
        provider = self._providers.get(key)
        if provider is None:
            if len(self._providers) >= _PROVIDERS_AT_MOST:
                self._providers.clear()  # clients stay open until `close`: they belong to the pools
            provider = self._providers[key] = self._build(target)
        return provider

    async def close(self) -> None:
        """Close the running loop's clients."""
        for provider in list(self._providers.values()):
            await provider.close()

    def _build(self, target: Target) -> ModelProvider:
        if target.kind == "extractive":
            return self._make_reader()
        return OpenAIProvider(
            target.model,
            base_url=target.base_url,
            api_key=target.api_key or None,
            profile=target.profile,
            served=target.served,
            breaker=self._breaker,
            clients=self._guarded if target.guarded else self._open,
        )

    def _of_row(self, row: Endpoint, *, model: str) -> Target:
        if row.read_only:
            return self._of_environment(model)
        reach.check_reach(row.base_url, listed=self._environment.listed)
        api_key = self._box.open(row.secret)
        chosen = model or row.model
        if not chosen:
            models = self._models(row.base_url, api_key)
            chosen = discovery.only_model(row.base_url, models, how=_CHOOSE_ROW)
        return Target(
            kind="endpoint",
            slug=row.slug,
            base_url=row.base_url,
            api_key=api_key,
            model=chosen,
            profile=_profile(row, chosen),
            guarded=True,
        )

    def _of_environment(self, model: str) -> Target:
        here = self._environment
        if here.has_endpoint:
            base_url = self.environment_url
            chosen = model or here.model
            if not chosen:
                models = self._models(base_url, here.api_key)
                chosen = discovery.only_model(base_url, models, how=_CHOOSE)
            return Target(
                kind="endpoint",
                slug="environment",
                base_url=base_url,
                api_key=here.api_key,
                model=chosen,
            )
        models = self._ollama()
        if not models:
            return Target(kind="extractive", slug="extractive", model="extractive-reader")
        wanted = model or here.model
        chosen = wanted or discovery.only_model(discovery.OLLAMA_URL, models, how=_CHOOSE)
        return Target(kind="ollama", slug="ollama", base_url=discovery.OLLAMA_URL, model=chosen)

    def _models(self, base_url: str, api_key: str) -> list[str]:
        key = (base_url, hashlib.sha256(api_key.encode()).hexdigest())
        known = self._remembered(key)
        if known is None:
            known = discovery.models_of(base_url, api_key=api_key)
            self._known[key] = (self._monotonic() + _REMEMBERED_S, known)
        return known

    def _ollama(self) -> list[str] | None:
        key = (discovery.OLLAMA_URL, "")
        if key in self._known and self._known[key][0] > self._monotonic():
            return self._known[key][1]
        models = discovery.ollama_models()
        self._known[key] = (self._monotonic() + _REMEMBERED_S, models)
        return models

    def _remembered(self, key: tuple[str, str]) -> list[str] | None:
        until, models = self._known.get(key, (0.0, None))
        return models if until > self._monotonic() else None


def described(target: Target) -> str:
    """Return one honest line: which model it is, and what that means for answers."""
    match target.kind:
        case "endpoint":
            return f"The model {target.model} at {target.base_url} answers ({target.slug})."
        case "ollama":
            return f"The model {target.model} of the Ollama on this machine answers."
        case "extractive":
            return (
                "No model is configured and no Ollama answers: the extractive reader quotes the "
                "best sentences of your documents word for word, with citations; it is no language "
                "model and writes, plans and judges nothing. Set OPENAI_API_KEY or OPENAI_BASE_URL "
                "for a model."
            )


async def targets(
    source: ModelSource, rows: Sequence[Endpoint], *, model: str = ""
) -> list[Target]:
    """Return `source.targets` without holding up the event loop."""
    return await asyncio.to_thread(source.targets, rows, model=model)


async def served(source: ModelSource, rows: Sequence[Endpoint], *, model: str) -> Served:
    """Return the provider that serves these endpoints, without holding up the event loop."""
    return source.serve(await targets(source, rows, model=model))


def _profile(row: Endpoint, model: str) -> ModelProfile:
    """Return what is known of a model, corrected by what the operator says of it."""
    known = profile_for(model, row.base_url)
    overrides: dict[str, Any] = {
        name: value
        for name, value in row.profile.items()
        if name in ModelProfile.__dataclass_fields__
    }
    if row.usd_per_million_prompt is not None:
        overrides["usd_per_million_prompt"] = row.usd_per_million_prompt
    if row.usd_per_million_completion is not None:
        overrides["usd_per_million_completion"] = row.usd_per_million_completion
    return replace(known, **overrides)
