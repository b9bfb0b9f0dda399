"""Where a run keeps what is too large for its transcript."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction

from agents.models import Artifact
from agents.store.codec import storable
from loomsite.access.bridge import db


@dataclass(frozen=True, slots=True, kw_only=True)
class DbArtifacts:
    """`Artifacts` over the table, once per key."""

    workspace_id: str
    run_id: str
    task_id: str
    fence: Callable[[], None]

    async def put(self, *, key: str, name: str, text: str) -> str:
        return await db(self._put, key=key, name=name, text=text)

    def _put(self, *, key: str, name: str, text: str) -> str:
        content = text.encode(errors="replace")
        with transaction.atomic():
            self.fence()
            row, _ = Artifact.objects.get_or_create(
                workspace_id=self.workspace_id,
                key=key,
                defaults={
                    "run_id": self.run_id,
                    "task_id": self.task_id,
                    "name": storable(name)[:200],
                    "content": content,
                    "size": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                },
            )
        return str(row.pk)
