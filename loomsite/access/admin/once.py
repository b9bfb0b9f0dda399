"""A form that was sent twice does its work once: each one carries a token that can be spent."""

import uuid
from typing import Final

from django.db import IntegrityError, transaction
from django.http import HttpRequest

from loomsite.access.models import IdempotencyKey

FIELD: Final = "_once"
_LONGEST = 100


class SentBefore(Exception):
    """This very form has been sent before, and what it asks for was done then."""


def spend(request: HttpRequest, *, workspace_id: object, target: object) -> None:
    """Spend a form's token in the transaction that does its work; a form without one is let in.

    Two at once: the second waits here until the first is committed.

    Raises:
        SentBefore: It was spent by an earlier sending.
    """
    token = request.POST.get(FIELD, "").replace("\x00", "")[:_LONGEST]
    if not token or workspace_id is None:
        return
    try:
        with transaction.atomic():
            IdempotencyKey.objects.create(
                workspace_id=workspace_id,
                key=f"form:{token}",
                body_sha256="",
                target_id=target if isinstance(target, uuid.UUID) else uuid.UUID(int=0),
            )
    except IntegrityError:
        raise SentBefore("This form was sent before: what it asked for was done then.") from None
