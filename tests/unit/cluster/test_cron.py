"""When a cron is due: by the clock of its zone, also where that clock is put forward or back."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cluster.services.schedules import _next_cron


@pytest.mark.parametrize(
    ("cron", "zone", "now", "due"),
    [
        ("0 7 * * *", "UTC", "2030-01-01T06:59:59", "2030-01-01T07:00:00"),
        ("0 7 * * *", "UTC", "2030-01-01T07:00:00", "2030-01-02T07:00:00"),
        ("0 7 * * *", "Asia/Tokyo", "2030-01-01T21:00:00", "2030-01-01T22:00:00"),
        ("30 6 * * 1", "America/New_York", "2030-01-01T00:00:00", "2030-01-07T11:30:00"),
        ("*/15 * * * *", "Asia/Kathmandu", "2030-01-01T00:01:00", "2030-01-01T00:15:00"),
        ("0 0 29 2 *", "UTC", "2030-01-01T00:00:00", "2032-02-29T00:00:00"),
        # Berlin: 02:00 becomes 03:00 on 31 March 2030, 03:00 becomes 02:00 on 27 October 2030.
        ("30 2 * * *", "Europe/Berlin", "2030-03-31T00:45:00", "2030-03-31T01:30:00"),
        ("30 2 * * *", "Europe/Berlin", "2030-10-26T23:00:00", "2030-10-27T00:30:00"),
        ("*/30 * * * *", "Europe/Berlin", "2030-10-27T00:10:00", "2030-10-27T00:30:00"),
    ],
)
def test_a_cron_is_due_by_the_clock_of_its_zone(cron: str, zone: str, now: str, due: str) -> None:
    came = _next_cron(cron, ZoneInfo(zone), datetime.fromisoformat(now).replace(tzinfo=UTC))

    assert came == datetime.fromisoformat(due).replace(tzinfo=UTC)


@pytest.mark.parametrize("minute", range(0, 180, 7))
def test_the_next_time_is_always_ahead_while_the_clock_is_put_back(minute: int) -> None:
    now = datetime(2030, 10, 27, minute // 60, minute % 60, tzinfo=UTC)

    assert _next_cron("*/30 * * * *", ZoneInfo("Europe/Berlin"), now) > now
