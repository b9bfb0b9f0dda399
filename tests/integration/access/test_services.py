"""Workspaces, keys and the audit."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from loomsite.access import selectors, services
from loomsite.access.core.errors import InputInvalid, KeyUnknown, WorkspaceTaken, WorkspaceUnknown
from loomsite.access.core.types import Principal
from loomsite.access.models import ApiKey, AuditEntry, Membership, Workspace
from tests.factories.access import make_key, make_tenant
from tests.requirements import requirement

pytestmark = pytest.mark.django_db


def test_a_key_stands_for_its_workspace_user_and_scopes():
    tenant = make_tenant()
    key = make_key(tenant.slug, ["tasks:read"], user="grace")
    row = ApiKey.objects.get(user__username="grace")

    principal = services.apikey_authenticate(key)

    assert principal == Principal(
        workspace_id=tenant.workspace_id,
        workspace_slug=tenant.slug,
        actor=f"key:{row.prefix}",
        scopes=frozenset({"tasks:read"}),
        user_id=row.user.pk,
        key_id=str(row.id),
    )


@requirement("bad_days.key_leaks")
def test_a_key_is_nowhere_in_the_database_in_clear():
    tenant = make_tenant()
    secret = tenant.key.rpartition("_")[2]

    stored = [*ApiKey.objects.values_list(), *AuditEntry.objects.values_list()]

    assert stored
    assert secret not in repr(stored)


@requirement("commands.apikey_create")
def test_making_a_key_makes_the_user_without_a_password_and_the_membership():
    tenant = make_tenant()

    make_key(tenant.slug, ["tasks:read"], user="grace")
    make_key(tenant.slug, ["tasks:read"], user="grace")

    grace = get_user_model().objects.get(username="grace")
    assert not grace.has_usable_password()
    assert Membership.objects.filter(user=grace, workspace__slug=tenant.slug).count() == 1


def test_a_revoked_key_opens_nothing_and_revoking_is_recorded_once():
    tenant = make_tenant()
    key_id = str(ApiKey.objects.get(workspace_id=tenant.workspace_id).id)

    for _ in range(2):
        services.apikey_revoke(
            workspace_id=tenant.workspace_id, key_id=key_id, actor="user:ada", door="admin"
        )

    assert services.apikey_authenticate(tenant.key) is None
    assert AuditEntry.objects.filter(action="apikey.revoke").count() == 1


def test_another_workspaces_key_cannot_be_revoked():
    ours, theirs = make_tenant(), make_tenant()
    key_id = str(ApiKey.objects.get(workspace_id=theirs.workspace_id).id)

    with pytest.raises(KeyUnknown):
        services.apikey_revoke(
            workspace_id=ours.workspace_id, key_id=key_id, actor="user:ada", door="admin"
        )

    assert services.apikey_authenticate(theirs.key) is not None


@requirement("http.keys")
def test_an_expired_key_opens_nothing():
    tenant = make_tenant()
    key = make_key(tenant.slug, expires_days=1)
    assert services.apikey_authenticate(key) is not None

    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert services.apikey_authenticate(key) is None


def test_the_key_of_an_inactive_user_opens_nothing():
    tenant = make_tenant()

    get_user_model().objects.update(is_active=False)

    assert services.apikey_authenticate(tenant.key) is None


def test_a_key_with_another_secret_opens_nothing():
    tenant = make_tenant()
    head, _, secret = tenant.key.rpartition("_")

    forged = f"{head}_{'0' * len(secret)}"

    assert services.apikey_authenticate(forged) is None


def test_use_is_noted_to_the_minute(django_assert_num_queries):
    tenant = make_tenant()

    with django_assert_num_queries(2):
        services.apikey_authenticate(tenant.key)
    with django_assert_num_queries(1):
        services.apikey_authenticate(tenant.key)

    assert ApiKey.objects.get(workspace_id=tenant.workspace_id).last_used_at is not None


@pytest.mark.parametrize("slug", ["", "Upper", "a b", "-a", "a-", "a" * 64, "ä", "a\x00"])
def test_a_workspace_needs_a_slug(slug):
    with pytest.raises(InputInvalid):
        services.workspace_create(slug=slug)

    assert Workspace.objects.count() == 0


def test_a_slug_is_used_once():
    services.workspace_create(slug="one")

    with pytest.raises(WorkspaceTaken):
        services.workspace_create(slug="one")

    assert services.workspace_ensure(slug="one") == selectors.workspace_id_of(slug="one")


@pytest.mark.parametrize(
    "wrong",
    [{"scopes": []}, {"scopes": ["tasks:everything"]}, {"user": ""}, {"user": "a b"},
     {"expires_days": 0}, {"expires_days": -1}, {"expires_days": 10**9}, {"name": "x" * 101}],
)  # fmt: skip
def test_a_key_that_makes_no_sense_writes_nothing(wrong):
    services.workspace_create(slug="one")
    asked = {"workspace_slug": "one", "user": "ada", "scopes": ["admin"]} | wrong

    with pytest.raises(InputInvalid):
        services.apikey_create(**asked)

    assert (ApiKey.objects.count(), get_user_model().objects.count()) == (0, 0)


def test_a_key_for_no_workspace_writes_nothing():
    with pytest.raises(WorkspaceUnknown):
        services.apikey_create(workspace_slug="none", user="ada", scopes=["admin"])

    assert get_user_model().objects.count() == 0
