"""The cluster's jobs, and the reactor's life in a worker process."""

import logging

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.db import OperationalError

from cluster.reactor import Reactor
from cluster.services.schedules import schedules_fire
from cluster.wiring import reactor

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
def schedules_fire_job() -> None:
    """Submit what schedules are due; beat calls it each second, and twice does no harm."""
    try:
        fired = schedules_fire()
    except OperationalError as error:
        logger.warning("schedules not looked at, the database does not answer: %s", error)
        return
    if fired:
        logger.info("%d schedules fired", fired)
