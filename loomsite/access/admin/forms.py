"""Forms that write through services, and show on their fields what a service refuses."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import models, transaction
from django.http import HttpRequest

from loomsite.access.admin.reach import actor_of
from loomsite.access.core.errors import AccessError

_SEEN = "_seen"
_STALE = (
    "Somebody changed this while you were at it. Compare your version with the new one; saving"
    " again replaces it."
)


class FreshForm(forms.ModelForm):
    """A form that is refused once when its row was changed after it was shown.

    It carries a digest of the values it was filled with; a client that sends none is not checked.
    """

    def digest(self) -> str:
        """Return what tells the row's values from others."""
        shown = {name: str(self.initial[name]) for name in sorted(self.initial)}
        return hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:24]

    @property
    def seen(self) -> str:
        """The digest for the next attempt: of what the person has been told of."""
        posted = self.data.get(_SEEN, "") if self.is_bound else ""
        return self.digest() if not posted or self.has_error(NON_FIELD_ERRORS, "stale") else posted

    def check_fresh(self) -> None:
        """Add an error when the row is not as it was when the form was shown."""
        posted = self.data.get(_SEEN, "")
        if posted and not self.instance._state.adding and posted != self.digest():  # noqa: SLF001 -- Django's public hook
            self.add_error(None, forms.ValidationError(_STALE, code="stale"))


class RowForm(FreshForm):
    """A form for rows that need no service: what it refers to is of the row's own workspace.

    The page sets `request` on a subclass.
    """

    request: ClassVar[HttpRequest]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        self.check_fresh()
        home = workspace_of(self)
        for name, value in list(cleaned.items()):
            other = (
                getattr(value, "workspace_id", None) if isinstance(value, models.Model) else None
            )
            if home is not None and other is not None and other != home:
                self.add_error(name, "This belongs to another workspace.")
        return cleaned


class ServiceForm(FreshForm):
    """A form whose values are written by a service, as the last step of its validation.

    So an error of the service is an error of the form, and nothing was written. The row itself is
    never saved from here.
    """

    request: ClassVar[HttpRequest]
    refusals: ClassVar[tuple[type[Exception], ...]] = (AccessError,)
    names: ClassVar[Mapping[str, str]] = {}  # a service's name for a field → the form's

    def write(self) -> object:
        """Call the service with `cleaned_data` and return the row's primary key."""
        raise NotImplementedError

    @property
    def workspace_id(self) -> str:
        return str(workspace_of(self))

    @property
    def actor(self) -> str:
        return actor_of(self.request)

    @property
    def given(self) -> dict[str, Any]:
        """What was filled in, for a service that calls it by the same names."""
        return {name: value for name, value in self.cleaned_data.items() if name != "workspace"}

    def _post_clean(self) -> None:
        self.check_fresh()
        if self.errors:
            return
        try:
            with transaction.atomic():
                written = self.write()
                model = type(self.instance)
                self.instance = model._default_manager.get(pk=written)  # noqa: SLF001 -- Django's public hook
        except self.refusals as error:
            refuse(self, error)

    def save(self, commit: bool = True) -> models.Model:  # noqa: ARG002, FBT001, FBT002 -- Django's signature
        return self.instance

    def save_m2m(self) -> None:
        """Have nothing to save: the service wrote it all."""


def workspace_of(form: forms.ModelForm) -> UUID | None:
    """Return the workspace that a form's row is, or will be, in."""
    chosen = form.cleaned_data.get("workspace")
    return chosen.pk if chosen is not None else getattr(form.instance, "workspace_id", None)


def refuse(form: forms.Form | forms.ModelForm, error: Exception) -> None:
    """Put a service's refusal where it belongs: on the fields that it names, else on the form."""
    named = getattr(error, "errors", ()) or ()
    for each in named:
        _add(form, each.field, each.message)
    if not named:
        _add(form, getattr(error, "field", ""), str(error))


def _add(form: forms.Form | forms.ModelForm, field: str, message: str) -> None:
    name = field.partition("[")[0].partition(".")[0]
    name = getattr(form, "names", {}).get(name, name)
    name = name if name in form.fields else name.removesuffix("_id")
    if name in form.fields:
        form.add_error(name, message)
    else:
        form.add_error(None, f"{field}: {message}" if field and field not in message else message)
