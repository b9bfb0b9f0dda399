"""The cluster's jobs, and the reactor's life in a worker process."""

import logging

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.db import OperationalError

from cluster.reactor import Reactor
from cluster.services.lifecycle import health_look
from cluster.services.schedules import schedules_fire
from cluster.services.webhooks import deliveries_trim
from cluster.wiring import grow, judge_audits, reactor, webhooks_send

logger = logging.getLogger(__name__)

_here: list[Reactor] = []


@worker_ready.connect
def _start(**_: object) -> None:
    engine = reactor()
    _here.append(engine)
    engine.start()


@worker_shutting_down.connect
def _stop(**_: object) -> None:
    while _here:
        _here.pop().stop()


@shared_task
def task_wake_job(task_id: str) -> None:
    """Make this process look for due work; the id is a hint, it takes what is most urgent."""
    del task_id
    for engine in _here:
        engine.wake()


@shared_task
def tasks_due_job() -> None:
    """Make this process look for due work: the second trigger, should a wake-up have been lost."""
    for engine in _here:
        engine.wake()


@shared_task
def webhooks_send_job() -> None:
    """Send webhooks what is due; what a lost job leaves, beat's next one finds."""
    try:
        while webhooks_send():
            pass
    except OperationalError as error:
        logger.warning("webhooks not sent, the database does not answer: %s", error)


@shared_task
def deliveries_trim_job() -> None:
    """Forget what was sent to webhooks long ago."""
    deliveries_trim()


@shared_task
def schedules_fire_job() -> None:
    """Submit what schedules are due; beat calls it each second, and twice does no harm."""
    try:
        fired = schedules_fire()
    except OperationalError as error:
        logger.warning("schedules not looked at, the database does not answer: %s", error)
        return
    if fired:
        logger.info("%d schedules fired", fired)


@shared_task
def health_job() -> None:
    """Judge nodes that could not be judged when they were scored; hand on what was learned."""
    try:
        changed = health_look()
    except OperationalError as error:
        logger.warning("nobody's health was looked at, the database does not answer: %s", error)
        return
    if changed:
        logger.info("%d nodes changed their state", changed)


@shared_task
def judge_audit_job() -> None:
    """Measure the judges whose calibration set has changed, or who were measured long ago."""
    try:
        done = judge_audits()
    except OperationalError as error:
        logger.warning("no judge was measured, the database does not answer: %s", error)
        return
    if done:
        logger.info("%d judges measured", done)


@shared_task
def grow_job() -> None:
    """End races, evolve and prune blueprints, make skills of what worked, retire the useless."""
    try:
        grown = grow()
    except OperationalError as error:
        logger.warning("nothing grew, the database does not answer: %s", error)
        return
    logger.info("grown: %s", grown)
