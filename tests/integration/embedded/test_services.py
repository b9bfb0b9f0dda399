"""The embedded services against real programs."""

import psycopg
import pytest
import redis
from django.contrib.auth import get_user_model

from loomsite.embedded import services


def test_the_services_of_a_test_run_answer(service_urls: services.Urls):
    with psycopg.connect(service_urls.database_url) as connection:
        row = connection.execute("SELECT 1").fetchone()
    with redis.Redis.from_url(service_urls.redis_url) as client:
        pong = client.ping()

    assert (row, pong) == ((1,), True)


@pytest.mark.django_db
def test_django_reaches_the_test_database():
    get_user_model().objects.create_user("somebody")

    assert list(get_user_model().objects.values_list("username", flat=True)) == ["somebody"]
