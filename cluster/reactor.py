"""The engine of a worker process: one event loop that claims due tasks and drives them."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connections

from cluster.core import amoeba
from cluster.core.errors import ClaimLost
from cluster.core.perform import Ports, perform
from cluster.core.steps import InsideStep, OutsideStep, Written, is_outside
from cluster.core.types import Claim, TaskView
from cluster.runner import Happenings
from cluster.selectors.spine import task_view
from cluster.services import claims as leases
from cluster.services.mishaps import mishap_record
from cluster.services.spine import step_record
from cluster.services.tasks import orphans_cancel
from loomsite.access.bridge import db

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

LOOK_EACH_S = 1.0
SWEEP_EACH_S = 5.0
TAKE_AT_ONCE = 16
CANCEL_GRACE_S = 3.0
STOP_GRACE_S = 5.0
DB_PAUSE_S = (0.1, 0.3, 1.0)
"""Pauses between tries while the database is away; the last one repeats."""

PortsFor = Callable[[Claim, asyncio.Event, Happenings], Ports]


@dataclass(slots=True)
class _Run:
    """A claimed task that this process is driving."""

    claim: Claim
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class Reactor:
    """Drives up to `slots` tasks at once on a background thread.

    Start it once per worker process. `wake` may be called from any thread; without it the reactor
    looks for due work each second, so a lost message only delays. `at_start` is called, on another
    thread, before the first task is claimed: what takes long when it is first used is then no part
    of a step in flight. `at_end` is awaited on its loop when everything else has ended.
    """

    def __init__(
        self,
        *,
        name: str,
        slots: int,
        lease_s: float,
        ports_for: PortsFor,
        at_start: Callable[[], object] | None = None,
        at_end: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self._at_start = at_start
        self._at_end = at_end
        self._slots = slots
        self._lease_s = lease_s
        self._ports_for = ports_for
        self._runs: dict[str, _Run] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken: asyncio.Event | None = None
        self._stopping = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._main, name="reactor", daemon=True)

    def start(self) -> None:
        """Begin to claim and drive tasks."""
        self._thread.start()

    def wake(self) -> None:
        """Look for due work now."""
        loop, woken = self._loop, self._woken
        if loop is not None and woken is not None and not loop.is_closed():
            loop.call_soon_threadsafe(woken.set)

    def stop(self, timeout_s: float = STOP_GRACE_S + 5) -> None:
        """Let go of every task, so that another worker can go on at once, and end the thread."""
        self._stopping = True
        self.wake()
        self._thread.join(timeout_s)

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            # A worker without its reactor would sit there idle: better to be started anew.
            logger.exception("the reactor died, and the worker with it")
            os.kill(os.getpid(), signal.SIGTERM)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        heart = threading.Thread(target=self._keep_leases, name="heartbeat", daemon=True)
        heart.start()
        try:
            async with asyncio.TaskGroup() as group:  # none outlives a failure of another
                watcher = group.create_task(self._watch_cancels())
                sweeper = group.create_task(self._sweep())
                try:
                    await self._look_for_work(self._woken)
                finally:
                    watcher.cancel()
                    sweeper.cancel()
                    await self._let_go()
        finally:
            self._over.set()
            await asyncio.to_thread(heart.join, STOP_GRACE_S)
        await _carefully(leases.worker_stopped, name=self.name)
        if self._at_end is not None:
            await self._at_end()

    async def _look_for_work(self, woken: asyncio.Event) -> None:
        if self._at_start is not None:
            await _carefully(self._at_start)
        logger.info("reactor %s takes tasks", self.name)
        while not self._stopping:
            taken = await self._take()
            if taken and len(self._runs) < self._slots:
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), LOOK_EACH_S)
            woken.clear()

    async def _take(self) -> int:
        free = self._slots - len(self._runs)
        if free <= 0:
            return 0
        claims = await _carefully(
            leases.claims_take,
            worker=self.name,
            limit=min(free, TAKE_AT_ONCE),
            lease_s=self._lease_s,
        )
        for claim in claims or ():
            # A lease of our own may have lapsed, as while the database was away.
            earlier = self._runs.get(claim.task_id)
            run = _Run(claim=claim)
            self._runs[claim.task_id] = run
            run.task = asyncio.create_task(self._drive(run, earlier))
        return len(claims or ())

    async def _drive(self, run: _Run, earlier: _Run | None = None) -> None:
        """Loop over the pure decision until the task ends, waits, or is another's."""
        claim = run.claim
        happenings = Happenings()
        ports = self._ports_for(claim, run.cancelled, happenings)
        view: TaskView | None = None
        try:
            if earlier is not None and earlier.task is not None:
                earlier.task.cancel()
                await asyncio.wait({earlier.task})
            while True:
                view = view or await patiently(task_view, claim=claim)
                step = amoeba.next_step(view)
                inside = await self._perform(run, view, step, ports) if is_outside(step) else step
                if inside is None:
                    view = None
                    continue  # cancelled, or the database went away: what is recorded says it all
                written = await _write(claim, view, inside, happenings)
                if written is not None and not written.go_on:
                    return
                view = amoeba.advance(view, inside, written) if written else None
        except ClaimLost:
            logger.info("task %s: another worker holds it now", claim.task_id)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            logger.exception("task %s failed in the loop", claim.task_id)
            await self._mishap(claim, error)
        finally:
            if self._runs.get(claim.task_id) is run:
                del self._runs[claim.task_id]
            self.wake()

    async def _perform(
        self, run: _Run, view: TaskView, step: OutsideStep, ports: Ports
    ) -> InsideStep | None:
        """Carry out an outside step.

        None when the task was cancelled in the middle of it, or the database went away: then the
        step is asked for again, and a run goes on behind what it has journaled.
        """
        work = asyncio.create_task(perform(view, step, ports))
        stop = asyncio.create_task(run.cancelled.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await asyncio.wait({work}, timeout=CANCEL_GRACE_S)
            if not work.done() or (run.cancelled.is_set() and work.cancelled()):
                return None
            return amoeba.conclude(view, step, work.result())
        except (OperationalError, InterfaceError) as error:
            logger.warning("task %s: no database, again: %s", view.task.id, _first(error))
            await asyncio.sleep(DB_PAUSE_S[-1])
            return None
        finally:
            for task in (work, stop):
                if not task.done():
                    task.cancel()
            await asyncio.gather(work, stop, return_exceptions=True)

    async def _mishap(self, claim: Claim, error: Exception) -> None:
        try:
            await patiently(mishap_record, claim=claim, error=type(error).__name__)
        except ClaimLost:
            pass
        except Exception:
            logger.exception("task %s: not even its failure could be recorded", claim.task_id)

    def _keep_leases(self) -> None:
        """Renew all leases in one statement; whoever lost one stops at once.

        On a thread and a connection of its own, so that no queue of work ever delays it.
        """
        while True:
            runs = list(self._runs.values())
            renewal = _tried(
                leases.leases_renew,
                claims=[run.claim for run in runs],
                worker=self.name,
                lease_s=self._lease_s,
            )
            _tried(leases.worker_seen, name=self.name, slots=self._slots, running=len(runs))
            connections.close_all()
            gone = renewal.lost if renewal else frozenset()
            lost = [run for run in runs if run.claim.task_id in gone]
            if lost and self._loop is not None and not self._over.is_set():
                self._loop.call_soon_threadsafe(self._drop, lost)
            if self._over.wait(self._lease_s / 3):
                return

    def _drop(self, lost: list[_Run]) -> None:
        for run in lost:
            if self._runs.get(run.claim.task_id) is run and run.task:
                run.task.cancel()

    async def _sweep(self) -> None:
        while True:
            await _carefully(orphans_cancel)
            await asyncio.sleep(SWEEP_EACH_S)

    async def _watch_cancels(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EACH_S)
            runs = dict(self._runs)
            if not runs:
                continue
            asked = await _carefully(
                leases.cancels_pending, claims=[run.claim for run in runs.values()]
            )
            for task_id in asked or ():
                runs[task_id].cancelled.set()

    async def _let_go(self) -> None:
        """Stop driving and give the claims back, so that nobody has to wait for a lease to end."""
        runs = list(self._runs.values())
        for run in runs:
            if run.task:
                run.task.cancel()
        await asyncio.wait(
            [asyncio.create_task(_settled(run.task)) for run in runs if run.task]
            or [asyncio.create_task(asyncio.sleep(0))],
            timeout=STOP_GRACE_S,
        )
        # Where this fails, the leases end by themselves.
        await _carefully(
            leases.claims_release, claims=[run.claim for run in runs], worker=self.name
        )


async def patiently(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a service; while the database is away or a deadlock is resolved, try again."""
    attempt = 0
    while True:
        try:
            return await db(fn, *args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            pause_s = DB_PAUSE_S[min(attempt, len(DB_PAUSE_S) - 1)]
            logger.warning(
                "the database does not answer, again in %s s: %s", pause_s, _first(error)
            )
            attempt += 1
            await asyncio.sleep(pause_s)


async def _write(
    claim: Claim, view: TaskView, step: InsideStep, happenings: Happenings
) -> Written | None:
    """Record a step, once; None when the database went away and had kept it before it did."""
    while True:
        try:
            return await db(step_record, claim=claim, view=view, step=step, happenings=happenings)
        except (OperationalError, InterfaceError) as error:
            logger.warning("task %s: not sure of a write: %s", claim.task_id, _first(error))
            await asyncio.sleep(DB_PAUSE_S[0])
        now = await patiently(task_view, claim=claim)
        if _recorded(now) != _recorded(view):
            return None


def _recorded(view: TaskView) -> tuple[int | bool, ...]:
    """Return how far a task has come."""
    return (
        view.cycle, view.sensed is None, view.matched is None, view.scaled is None, view.spawned,
        view.executed is None, view.verdict is None, view.adapted is None,
    )  # fmt: skip


async def _carefully(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Call a service from a loop that must not end; None when that failed, for the next round."""
    return await db(_tried, fn, *args, **kwargs)


def _tried(fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    try:
        return fn(*args, **kwargs)
    except (OperationalError, InterfaceError) as error:
        logger.warning("%r: the database does not answer: %s", fn, _first(error))
    except Exception:
        logger.exception("%r failed", fn)
    return None


async def _settled(task: "asyncio.Task[None]") -> None:
    await asyncio.gather(task, return_exceptions=True)


def _first(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
