"""Form fields that the admin's forms share, in unfold's clothes."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold import widgets

from loomsite.access.admin.display import json_text

_DIGITS = 10  # more would not fit a column


def text(label: str, **options: Any) -> forms.CharField:
    """Return a field for a line of text."""
    options.setdefault("required", False)
    return forms.CharField(label=label, widget=widgets.UnfoldAdminTextInputWidget(), **options)


class _Suggesting(widgets.UnfoldAdminTextInputWidget):
    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__()
        self._values = values

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        field = super().render(name, value, {**(attrs or {}), "list": f"{name}-values"}, renderer)
        options = format_html_join("", '<option value="{}" label="{}">', self._values.items())
        return format_html('{}<datalist id="{}-values">{}</datalist>', field, name, options)


def suggesting(label: str, values: Mapping[str, str], **options: Any) -> forms.CharField:
    """Return a field for a line of text that offers these values, with what each is."""
    return forms.CharField(label=label, widget=_Suggesting(values), **options)


def area(label: str, *, rows: int = 4, placeholder: str = "", **options: Any) -> forms.CharField:
    """Return a field for a longer text, kept as it was typed."""
    options.setdefault("required", False)
    widget = widgets.UnfoldAdminTextareaWidget(attrs={"rows": rows, "placeholder": placeholder})
    return forms.CharField(label=label, widget=widget, strip=False, **options)


def whole(label: str, **options: Any) -> forms.IntegerField:
    """Return a field for a whole number."""
    options.setdefault("required", False)
    widget = widgets.UnfoldAdminIntegerFieldWidget()
    return forms.IntegerField(label=label, widget=widget, **options)


def whole_of(raw: str | None, default: int) -> int:
    """Return a whole number that came in an address or a hidden field, else the default."""
    fits = raw is not None and raw.isascii() and raw.isdigit() and len(raw) < _DIGITS
    return int(raw) if raw is not None and fits else default


def number(label: str, **options: Any) -> forms.FloatField:
    """Return a field for a number."""
    options.setdefault("required", False)
    return forms.FloatField(label=label, widget=widgets.UnfoldAdminDecimalFieldWidget(), **options)


def amount(label: str, **options: Any) -> forms.DecimalField:
    """Return a field for US dollars."""
    options.setdefault("required", False)
    widget = widgets.UnfoldAdminDecimalFieldWidget()
    return forms.DecimalField(label=label, widget=widget, **options)


def switch(label: str, **options: Any) -> forms.BooleanField:
    """Return a field for yes or no."""
    widget = widgets.UnfoldBooleanSwitchWidget()
    return forms.BooleanField(label=label, required=False, widget=widget, **options)


def secret(label: str, help_text: str) -> forms.CharField:
    """Return a field that takes a secret and never shows one."""
    widget = widgets.UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, required=False, help_text=help_text, widget=widget)


def choice(label: str, choices: list[tuple[str, str]], **options: Any) -> forms.ChoiceField:
    """Return a field for one of a few."""
    widget = widgets.UnfoldAdminSelectWidget()
    return forms.ChoiceField(label=label, choices=choices, widget=widget, **options)


class WordsField(forms.CharField):
    """A list of short names, typed with commas or line ends between them."""

    separator = re.compile(r"[,\n]")
    joint = ", "
    rows = 1

    def __init__(self, **options: Any) -> None:
        options.setdefault("required", False)
        options.setdefault(
            "widget",
            widgets.UnfoldAdminTextInputWidget()
            if self.rows == 1
            else widgets.UnfoldAdminTextareaWidget(attrs={"rows": self.rows}),
        )
        super().__init__(**options)

    def prepare_value(self, value: Any) -> Any:
        return self.joint.join(map(str, value)) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return list(value)
        words = [word.strip() for word in self.separator.split(value or "")]
        return list(dict.fromkeys(word for word in words if word))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)

    def validate(self, value: Any) -> None:
        forms.Field.validate(self, value)

    def run_validators(self, value: Any) -> None:
        for word in value:
            super().run_validators(word)


class LinesField(WordsField):
    """A list with one entry a line: entries may hold commas."""

    separator = re.compile(r"\n")
    joint = "\n"
    rows = 3


class JsonField(forms.JSONField):
    """JSON as text, indented; a wrong one is shown again as it was typed."""

    def __init__(self, **options: Any) -> None:
        rows = options.pop("rows", 6)
        options.setdefault("required", False)
        attrs = {"rows": rows, "class": "lm-code", "spellcheck": "false"}
        options.setdefault("widget", widgets.UnfoldAdminTextareaWidget(attrs=attrs))
        super().__init__(**options)

    def to_python(self, value: Any) -> Any:
        try:
            return _storable(super().to_python(value))
        except (ValueError, RecursionError):
            raise forms.ValidationError(
                "Enter JSON that can be kept: no NaN, no null characters, no numbers of thousands"
                " of digits, not nested without end."
            ) from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return _storable(super().bound_data(data, initial))
        except (ValueError, RecursionError):
            return InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        shown = super().prepare_value(value)
        return shown if isinstance(value, str) else ("" if value is None else json_text(value))


def _storable(value: Any) -> Any:
    """Return what was parsed as JSON; what no column can hold is a ValueError."""
    if "\\u0000" in json.dumps(value, allow_nan=False):
        raise ValueError("a null character")
    json.dumps(value, ensure_ascii=False).encode()  # halves of characters cannot be
    return value
