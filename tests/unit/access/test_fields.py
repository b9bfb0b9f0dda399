"""Fields of the admin's forms."""

import pytest
from django import forms

from loomsite.access.admin.fields import JsonField


class _Form(forms.Form):
    plan = JsonField()


@pytest.mark.parametrize(
    "text",
    [
        "9" * 10_000,
        "NaN",
        '{"a": 1e999}',
        '["\\u0000"]',
        '["\\ud800"]',
        "[" * 100_000,
        "{",
    ],
    ids=["digits", "nan", "infinity", "null", "half a character", "nested", "cut off"],
)
def test_what_is_no_json_to_keep_is_refused_and_shown_as_it_was_typed(text: str) -> None:
    form = _Form({"plan": text})

    assert not form.is_valid()
    assert str(form["plan"]).encode()
    assert form["plan"].value() == text


def test_json_is_kept_as_it_is() -> None:
    form = _Form({"plan": '{"a": ["\\u00e9", 1, null, true], "b": "\\\\u0041"}'})

    assert form.is_valid()
    assert form.cleaned_data == {"plan": {"a": ["é", 1, None, True], "b": "\\u0041"}}
