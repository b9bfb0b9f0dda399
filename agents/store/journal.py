"""The journal of a run in the database: what a takeover needs to go on behind the last step."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from agents.core.types import EffectRecord, EffectState, StepRecord, ToolCall, ToolSpec, Usage
from agents.models import Approval, Run, Step, ToolEffect
from agents.store.codec import json_storable, message_from_json, message_to_json, storable
from loomsite.access.bridge import db

Fence = Callable[[], None]

_ENDED: dict[str, EffectState] = {
    ToolEffect.State.DONE: "done",
    ToolEffect.State.FAILED: "failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DbJournal:
    """`Journal` over the tables; each write is fenced, so that a lost claim can write nothing."""

    workspace_id: str
    run_id: str
    fence: Fence
    begun_count: int = 0

    async def begin(self) -> int:
        """Return how often the run was begun before; `run_open` has counted this time."""
        return self.begun_count

    async def steps(self) -> list[StepRecord]:
        return await db(self._steps)

    async def effects(self) -> list[EffectRecord]:
        return await db(self._effects)

    async def step_record(self, step: StepRecord) -> None:
        await db(self._step_record, step)

    async def effect_begin(
        self, *, key: str, step: int, call: ToolCall, tool: ToolSpec
    ) -> EffectRecord:
        return await db(self._effect_begin, key=key, step=step, call=call, tool=tool)

    async def effect_end(
        self, *, key: str, step: int, call: ToolCall, ok: bool, result: str, latency_ms: int
    ) -> None:
        await db(
            self._effect_end,
            key=key,
            step=step,
            call=call,
            ok=ok,
            result=result,
            latency_ms=latency_ms,
        )

    def _steps(self) -> list[StepRecord]:
        rows = Step.objects.filter(workspace_id=self.workspace_id, run_id=self.run_id)
        return [_step(row) for row in rows.order_by("index")]

    def _effects(self) -> list[EffectRecord]:
        decided = self._decisions()
        rows = ToolEffect.objects.filter(workspace_id=self.workspace_id, run_id=self.run_id)
        records = [_known(row, decided.pop(row.key, None)) for row in rows.order_by("pk")]
        return records + [_decided(key, approval) for key, approval in sorted(decided.items())]

    def _step_record(self, step: StepRecord) -> None:
        with transaction.atomic():
            self.fence()
            # Nobody else writes behind the fence, so looking first needs no savepoint.
            new = not Step.objects.filter(run_id=self.run_id, index=step.index).exists()
            if new:
                Step.objects.create(
                    run_id=self.run_id,
                    index=step.index,
                    workspace_id=self.workspace_id,
                    message=message_to_json(step.message),
                    prompt_tokens=step.usage.prompt_tokens,
                    completion_tokens=step.usage.completion_tokens,
                    cached_tokens=step.usage.cached_tokens,
                    reasoning_tokens=step.usage.reasoning_tokens,
                    cost_usd=step.usage.cost_usd,
                    finish_reason=step.finish_reason[:32],
                    model=storable(step.model)[:200],
                    latency_ms=step.latency_ms,
                    report=json_storable(step.report),
                    opening=json_storable(step.opening),
                    estimated=step.usage.estimated,
                )
                Run.objects.filter(workspace_id=self.workspace_id, pk=self.run_id).update(
                    step_count=F("step_count") + 1,
                    prompt_tokens=F("prompt_tokens") + step.usage.prompt_tokens,
                    completion_tokens=F("completion_tokens") + step.usage.completion_tokens,
                    cost_usd=F("cost_usd") + step.usage.cost_usd,
                )

    def _effect_begin(self, *, key: str, step: int, call: ToolCall, tool: ToolSpec) -> EffectRecord:
        with transaction.atomic():
            self.fence()
            row = ToolEffect.objects.filter(run_id=self.run_id, key=key).first()
            approval = self._decisions().get(key)
            if row is not None:
                record = _known(row, approval)
            elif approval is not None:
                record = _decided(key, approval)
            else:
                record = EffectRecord(key=key, state="new")
            if record.state in {"new", "approved"}:
                ToolEffect.objects.update_or_create(
                    run_id=self.run_id,
                    key=key,
                    defaults={
                        "workspace_id": self.workspace_id,
                        "step": step,
                        "tool": storable(tool.name)[:128],
                        "arguments": storable(call.arguments),
                        "state": ToolEffect.State.BEGUN,
                        "approval_id": None if approval is None else approval.pk,
                        "begun_at": Now(),
                    },
                )
            return record

    def _effect_end(
        self, *, key: str, step: int, call: ToolCall, ok: bool, result: str, latency_ms: int
    ) -> None:
        ended = {
            "state": ToolEffect.State.DONE if ok else ToolEffect.State.FAILED,
            "result": storable(result),
            "latency_ms": max(0, latency_ms),
            "ended_at": Now(),
        }
        with transaction.atomic():
            self.fence()
            _, new = ToolEffect.objects.get_or_create(
                run_id=self.run_id,
                key=key,
                defaults={
                    **ended,
                    "workspace_id": self.workspace_id,
                    "step": step,
                    "tool": storable(call.name)[:128],
                    "arguments": storable(call.arguments),
                    "begun_at": Now(),
                },
            )
            if not new:  # the first outcome stands
                ToolEffect.objects.filter(
                    run_id=self.run_id, key=key, state=ToolEffect.State.BEGUN
                ).update(**ended)

    def _decisions(self) -> dict[str, Approval]:
        """Return the latest answer of each key that a person decided on.

        What one answer changed of a call stays changed when a later one lets it begin again.
        """
        rows = Approval.objects.filter(
            workspace_id=self.workspace_id,
            run_id=self.run_id,
            status=Approval.Status.ANSWERED,
            kind__in=(Approval.Kind.APPROVAL, Approval.Kind.UNKNOWN_EFFECT),
        )
        latest: dict[str, Approval] = {}
        for row in rows.order_by("answered_at", "pk"):
            if row.edited is None and row.key in latest:
                row.edited = latest[row.key].edited
            latest[row.key] = row
        return latest


def _step(row: Step) -> StepRecord:
    return StepRecord(
        index=row.index,
        message=message_from_json(row.message),
        usage=Usage(
            prompt_tokens=row.prompt_tokens,
            completion_tokens=row.completion_tokens,
            cached_tokens=row.cached_tokens,
            reasoning_tokens=row.reasoning_tokens,
            cost_usd=row.cost_usd,
            estimated=row.estimated,
        ),
        finish_reason=row.finish_reason,
        model=row.model,
        latency_ms=row.latency_ms,
        report=row.report,
        opening=row.opening,
    )


def _known(row: ToolEffect, approval: Approval | None) -> EffectRecord:
    """Return what a begun call is: ended, decided on since it began, or unknown."""
    if row.state in _ENDED:
        return EffectRecord(key=row.key, state=_ENDED[row.state], result=row.result)
    if approval is not None and approval.pk != row.approval_id:
        return _decided(row.key, approval)
    return EffectRecord(key=row.key, state="unknown", arguments=_edited(approval))


def _decided(key: str, approval: Approval) -> EffectRecord:
    if approval.decision not in Approval.APPROVING:
        return EffectRecord(key=key, state="denied", result=approval.text)
    return EffectRecord(
        key=key, state="approved", result=approval.text, arguments=_edited(approval)
    )


def _edited(approval: Approval | None) -> str | None:
    if approval is None or approval.edited is None:
        return None
    return json.dumps(approval.edited, ensure_ascii=False)
