"""Who looks at the pages, and where."""

import pytest
from django.test import Client

from loomsite.access.models import Workspace
from tests.integration.admin.seeding import member, person, signed_in


@pytest.fixture
def home() -> Workspace:
    return Workspace.objects.create(slug="home", name="Home")


@pytest.fixture
def client(home: Workspace) -> Client:
    """Return the browser of an operator of `home`, whose name is olga."""
    return signed_in(member(home.pk, "operator", "olga"))


@pytest.fixture
def root() -> Client:
    return signed_in(person("root", is_superuser=True))
