"""Settings that cannot work are said at start-up."""

import pytest

from agents.checks import check_settings


def ids(settings, **values):
    for name, value in values.items():
        setattr(settings, name, value)
    return [message.id for message in check_settings(None)]


def test_good_settings_have_no_faults(settings):
    assert ids(settings, OPENAI_BASE_URL="https://example.org/v1", OPENAI_API_KEY="key") == []


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"OPENAI_BASE_URL": "example.org"}, "agents.E001"),
        ({"OPENAI_BASE_URL": "https://user:pw@example.org"}, "agents.E001"),
        ({"OPENAI_API_KEY": "ключ"}, "agents.E002"),
        ({"LOOM_EGRESS_ALLOW": ["10.0.0.0/99"]}, "agents.E003"),
        ({"LOOM_MCP_COMMANDS": ["server 'unfinished"]}, "agents.E004"),
        ({"LOOM_MCP_COMMANDS": ["TOKEN= *"]}, "agents.E004"),
        (
            {"LOOM_JUDGE_MODEL": "judge", "OPENAI_BASE_URL": "", "OPENAI_API_KEY": ""},
            "agents.W001",
        ),
    ],
)
def test_a_setting_that_cannot_work_is_named(settings, values, found):
    assert ids(settings, **values) == [found]
