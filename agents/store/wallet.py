"""The wallet of a run over the ledger: what a call may cost is set aside before it is made."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from agents.core.errors import BudgetExceeded
from agents.core.ports import ModelRequest
from agents.core.types import ModelProfile, ServedBy, Usage
from agents.store import ledger
from loomsite.access.bridge import db

_MILLION = Decimal(1_000_000)
# What a call that names no limit of its own may answer, and how text weighs at most: prices hold
# money back, so the estimate errs upwards.
_COMPLETION_TOKENS = 4096
_BYTES_PER_TOKEN = 3
_TOKENS_PER_MESSAGE = 8
# A caller that has not settled this long after its deadline is dead.
_GRACE = timedelta(seconds=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class DbWallet:
    """`Wallet` over the budgets; each write is fenced."""

    payer: ledger.Payer
    fence: Callable[[], None]

    async def reserve(self, *, key: str, request: ModelRequest, profile: ModelProfile) -> None:
        amount_usd = estimate(request, profile)
        lifetime = timedelta(seconds=request.timeout_s) + _GRACE
        await db(self._reserve, key=key, amount_usd=amount_usd, lifetime=lifetime)

    async def settle(self, *, key: str, usage: Usage, served: ServedBy | None = None) -> None:
        await db(self._settle, key=key, usage=usage, served=served)

    def _reserve(self, *, key: str, amount_usd: Decimal, lifetime: timedelta) -> None:
        try:
            self._reserve_once(key=key, amount_usd=amount_usd, lifetime=lifetime)
        except BudgetExceeded:
            now = timezone.now()
            if not ledger.release_expired(now=now, workspace_id=self.payer.workspace_id):
                raise
            self._reserve_once(key=key, amount_usd=amount_usd, lifetime=lifetime)

    def _reserve_once(self, *, key: str, amount_usd: Decimal, lifetime: timedelta) -> None:
        with transaction.atomic():
            self.fence()
            now = timezone.now()
            ledger.reserve(
                self.payer, key=key, amount_usd=amount_usd, now=now, expires_at=now + lifetime
            )

    def _settle(self, *, key: str, usage: Usage, served: ServedBy | None) -> None:
        payer = self.payer
        if served is not None:  # a fallback may have answered
            payer = replace(
                payer, endpoint=served.endpoint, model=served.model, priced=served.priced
            )
        with transaction.atomic():
            self.fence()
            ledger.settle(payer, key=key, usage=usage, now=timezone.now())


def estimate(request: ModelRequest, profile: ModelProfile) -> Decimal:
    """Return what a call may cost at most, in US dollars; an unknown price counts 0."""
    size = sum(
        len(message.content.encode(errors="replace"))
        + sum(len(call.name) + len(call.arguments) for call in message.tool_calls)
        for message in request.messages
    )
    size += sum(len(tool.description) + len(str(tool.parameters)) for tool in request.tools)
    size += len(str(request.json_schema or ""))
    prompt = size // _BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE * (len(request.messages) + 1)
    completion = request.max_tokens or _COMPLETION_TOKENS
    return (
        prompt * (profile.usd_per_million_prompt or Decimal(0))
        + completion * (profile.usd_per_million_completion or Decimal(0))
    ) / _MILLION
