"""EXECUTE: one run of one agent, or the children's answers put together."""

import re
from datetime import timedelta

from cluster.core.steps import (
    Ask,
    Delegate,
    Park,
    Record,
    RunAgent,
    RunOutcome,
    TakeSlot,
    Unavailable,
)
from cluster.core.types import (
    ChildView,
    CitedSpan,
    Executed,
    Matched,
    Scaled,
    Status,
    TaskView,
)

RETRY_AT_LEAST_S = 0.5
_MARKER = re.compile(r"\[(\d{1,3})\]")


def step(view: TaskView, matched: Matched, scaled: Scaled) -> RunAgent | TakeSlot | Park | Record:
    """Return the run to begin or go on with, or what becomes of the parts.

    Whoever waits holds no slot; so none may be left when the wait is over, and the run waits on.
    """
    # A winner has all three; without one the loop had ended the task.
    assert matched.node_id
    assert matched.agent_id
    assert matched.agent
    if not scaled.split:
        if not view.holds_slot:
            return TakeSlot(agent=matched.agent)
        return RunAgent(
            node_id=matched.node_id,
            agent_id=matched.agent_id,
            agent=matched.agent,
            goal=view.task.goal,
            context=_context(view),
        )
    waiting = [child for child in view.children if not child.done]
    if waiting:
        return Park(
            status=Status.WAITING,
            reason=f"{len(view.children) - len(waiting)} of {len(view.children)} parts done",
        )
    answered = [child for child in view.children if child.status == Status.SUCCEEDED]
    if scaled.merge == "assemble" or not answered:
        return Record(result=assembled(view))
    if not view.holds_slot:
        return TakeSlot(agent=matched.agent)
    return RunAgent(
        node_id=matched.node_id,
        agent_id=matched.agent_id,
        agent=matched.agent,
        goal=view.task.goal,
        context=_join(_context(view), _results("Results of the parts", view.children)),
    )


def conclude(view: TaskView, outcome: RunOutcome) -> Record | Ask | Delegate | Park:
    """Return what becomes of a run: its end, its question, its child, or its wait."""
    if outcome.suspended:
        if outcome.suspended.kind == "children":
            return Delegate(suspended=outcome.suspended)
        return Ask(suspended=outcome.suspended)
    if outcome.unavailable:
        return _wait(view, outcome.unavailable)
    assert outcome.executed  # one of the three is set
    return Record(result=_with_parts(view, outcome.executed))


def assembled(view: TaskView) -> Executed:
    """Return the parts' answers in order, each under its own goal, with all their citations."""
    failed = _failed(view)
    citations = _citations(view.children)
    sections = [
        f"### {_title(child)}\n\n{_renumbered(child, citations)}"
        for child in view.children
        if child.answer
    ] + [f"### {_title(child)}\n\n(No answer: {child.error_message})" for child in failed]
    answered = any(child.status == Status.SUCCEEDED for child in view.children)
    return Executed(
        stop="answered" if answered and not failed else "failed",
        answer="\n\n".join(sections),
        citations=citations,
        failed_parts=tuple(child.key for child in failed),
        error_code="cluster.parts_failed" if failed else "",
        error_message=_said(failed),
    )


def _wait(view: TaskView, unavailable: Unavailable) -> Park | Record:
    if view.unavailable_s >= view.patience_s:
        return Record(
            result=Executed(
                stop="unavailable",
                error_code="cluster.model_unavailable",
                error_message=(
                    f"No model answered for {view.unavailable_s:.0f} s: {unavailable.reason}"
                ),
            )
        )
    pause_s = max(unavailable.retry_after_s, RETRY_AT_LEAST_S)
    return Park(
        status=Status.RUNNING,
        reason=f"waiting for the model endpoint: {unavailable.reason}",
        until=view.now + timedelta(seconds=pause_s),
        unavailable=True,
    )


def _with_parts(view: TaskView, executed: Executed) -> Executed:
    """A merged answer keeps the parts' citations, and says which parts are missing."""
    if not view.children:
        return executed
    failed = _failed(view)
    own = {(c.document_id, c.start, c.end) for c in executed.citations}
    more = tuple(c for c in _citations(view.children) if (c.document_id, c.start, c.end) not in own)
    answered = executed.stop == "answered"
    return Executed(
        stop="failed" if failed and answered else executed.stop,
        answer=executed.answer,
        citations=executed.citations + more,
        run_id=executed.run_id,
        step_count=executed.step_count,
        error_code="cluster.parts_failed" if failed and answered else executed.error_code,
        error_message=_said(failed) if failed and answered else executed.error_message,
        failed_parts=tuple(child.key for child in failed),
        cost=executed.cost,
    )


def _failed(view: TaskView) -> list[ChildView]:
    return [child for child in view.children if child.status != Status.SUCCEEDED]


def _said(failed: list[ChildView]) -> str:
    return "; ".join(f"part {child.key!r} failed: {child.error_message}" for child in failed)


def _citations(children: tuple[ChildView, ...]) -> tuple[CitedSpan, ...]:
    seen: dict[tuple[str, int, int], CitedSpan] = {}
    for child in children:
        for citation in child.citations:
            seen.setdefault((citation.document_id, citation.start, citation.end), citation)
    return tuple(seen.values())


def _renumbered(child: ChildView, citations: tuple[CitedSpan, ...]) -> str:
    """Return a part's answer with its `[n]` markers counted over the whole answer's citations."""

    def whole(match: re.Match[str]) -> str:
        number = int(match.group(1))
        if not 1 <= number <= len(child.citations):
            return match.group()
        own = child.citations[number - 1]
        spot = (own.document_id, own.start, own.end)
        place = [(c.document_id, c.start, c.end) for c in citations].index(spot)
        return f"[{place + 1}]"

    return _MARKER.sub(whole, child.answer)


def _title(child: ChildView) -> str:
    first = child.goal.strip().splitlines()[0]
    return first if len(first) <= 120 else first[:117] + "…"  # noqa: PLR2004 -- a heading's width


def _context(view: TaskView) -> str:
    rejected = ""
    if view.rejection:
        rejected = (
            "An earlier answer to this was rejected.\n"
            f"What was wrong: {view.rejection.comment or view.rejection.outcome}"
        )
        if view.rejection.answer:
            rejected += f"\nThe rejected answer: {view.rejection.answer[:4000]}"
    return _join(view.task.context, _results("Results this builds on", view.inputs), rejected)


def _results(heading: str, children: tuple[ChildView, ...]) -> str:
    if not children:
        return ""
    parts = [
        f"## {_title(child)}\n{child.answer or '(no answer: ' + child.error_message + ')'}"
        for child in children
    ]
    return f"# {heading}\n\n" + "\n\n".join(parts)


def _join(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)
