"""Keys over REST, and what every REST door has in common."""

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from loomsite.access import services
from loomsite.access.models import ApiKey, Membership
from tests.factories.access import client_with, make_key, make_tenant
from tests.requirements import requirement

pytestmark = pytest.mark.django_db
KEYS = "/api/v1/keys"


def problem_of(response):
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == response.status_code
    assert {"type", "title", "detail", "code"} <= set(body)
    assert "Traceback" not in response.content.decode()
    return response.status_code, body["code"]


def test_a_new_key_is_shown_once_and_works():
    tenant = make_tenant()

    created = tenant.client().post(KEYS, {"scopes": ["admin"], "name": "ci"}, format="json")
    listed = client_with(created.json()["key"]).get(KEYS).json()

    assert created.status_code == 201
    assert [row["name"] for row in listed["results"]] == ["ci", ""]
    assert "key" not in listed["results"][0]


def test_a_revoked_key_is_refused_on_the_next_request():
    tenant = make_tenant()
    created = tenant.client().post(KEYS, {"scopes": ["admin"]}, format="json").json()

    deleted = tenant.client().delete(f"{KEYS}/{created['id']}")

    assert deleted.status_code == 204
    assert problem_of(client_with(created["key"]).get(KEYS)) == (401, "access.not_authenticated")


def test_a_stranger_sees_and_revokes_none_of_ours():
    ours, stranger = make_tenant(), make_tenant()
    key_id = ApiKey.objects.get(workspace_id=ours.workspace_id).id

    listed = stranger.client().get(KEYS).json()["results"]
    foreign = stranger.client().delete(f"{KEYS}/{key_id}")
    missing = stranger.client().delete(f"{KEYS}/00000000-0000-4000-8000-000000000000")

    assert str(key_id) not in [row["id"] for row in listed]
    assert foreign.json() == missing.json()
    assert problem_of(foreign) == (404, "access.key_unknown")


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer nonsense", "Basic YTpi", "Bearer lk_" + "0" * 12 + "_x",
     "Bearer " + "x" * 10_000, "Bearer lk_é"],
)  # fmt: skip
@requirement("http.problems")
def test_without_a_good_key_the_answer_is_401_and_how_to_send_one(header):
    client = APIClient()
    if header is not None:
        client.credentials(HTTP_AUTHORIZATION=header)

    response = client.get(KEYS)

    assert problem_of(response) == (401, "access.not_authenticated")
    assert response["WWW-Authenticate"] == 'Bearer realm="loom"'


def test_an_underscoped_key_is_told_which_scope_is_missing():
    tenant = make_tenant()
    client = client_with(make_key(tenant.slug, ["tasks:read"]))

    response = client.get(KEYS)

    assert problem_of(response) == (403, "access.scope_missing")
    assert "'admin'" in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(b"", 400, "invalid"), (b"{", 400, "parse_error"), (b"\xff\xfe", 400, "parse_error"),
     (b"[]", 400, "invalid"), (b'"x"', 400, "invalid"), (b"{}", 400, "invalid"),
     (b'{"scopes": "admin"}', 400, "invalid"), (b'{"scopes": [1]}', 400, "invalid"),
     (b'{"scopes": ["admin"], "surplus": 1}', 400, "invalid"),
     (b'{"scopes": ["admin"], "name": "a\\u0000"}', 400, "access.input_invalid"),
     (b'{"scopes": ["admin"], "name": "\\ud800"}', 400, "access.input_invalid"),
     (b'{"scopes": ["no"]}', 400, "access.input_invalid"),
     (b"[" * 100_000, 400, "parse_error"), (b'{"a": NaN}', 400, "parse_error"),
     (b'"' + b"x" * 2_000_001 + b'"', 413, "access.body_too_large")],
)  # fmt: skip
@requirement("http.problems")
def test_a_body_that_makes_no_sense_is_a_problem_and_writes_nothing(body, status, code):
    client = make_tenant().client()
    before = ApiKey.objects.count()

    response = client.generic("POST", KEYS, body, content_type="application/json")

    assert problem_of(response) == (status, code)
    assert ApiKey.objects.count() == before


@requirement("http.problems")
def test_each_wrong_field_is_named():
    client = make_tenant().client()

    response = client.post(KEYS, {"scopes": [], "name": 5}, format="json")

    assert {error["field"] for error in response.json()["errors"]} == {"scopes", "name"}


def test_a_body_that_is_no_json_is_415():
    client = make_tenant().client()

    response = client.generic(
        "POST", KEYS, b"a=b", content_type="application/x-www-form-urlencoded"
    )

    assert problem_of(response) == (415, "unsupported_media_type")


def test_a_method_that_is_not_there_is_405():
    assert problem_of(make_tenant().client().put(KEYS)) == (405, "method_not_allowed")


def test_a_path_that_leads_nowhere_is_404():
    assert problem_of(APIClient().get("/api/v1/nothing")) == (404, "not_found")


@requirement("http.slashes")
def test_paths_work_with_and_without_a_trailing_slash():
    client = make_tenant().client()

    statuses = [client.get(path).status_code for path in (KEYS, KEYS + "/")]

    assert statuses == [200, 200]


def test_a_browsers_accept_header_gets_json():
    response = make_tenant().client().get(KEYS, headers={"accept": "text/html"})

    assert response["Content-Type"] == "application/json"


@requirement("http.problems")
def test_a_crash_is_a_500_problem_without_its_words(settings):
    settings.LOOM_REQUESTS_PER_MINUTE = "not a number"

    response = make_tenant().client().get(KEYS)

    assert problem_of(response) == (500, "internal")
    assert "not a number" not in response.content.decode()


def test_a_flood_is_429_and_says_when_to_come_back(settings):
    settings.LOOM_REQUESTS_PER_MINUTE = 2
    client = make_tenant().client()

    responses = [client.get(KEYS) for _ in range(3)]

    assert [response.status_code for response in responses] == [200, 200, 429]
    assert problem_of(responses[-1]) == (429, "access.rate_limited")
    assert 1 <= int(responses[-1]["Retry-After"]) <= 60


def test_without_redis_everybody_is_served(settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert make_tenant().client().get(KEYS).status_code == 200


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1.5", "", "\u0661", "9" * 50])
def test_a_limit_that_is_no_number_from_1_to_100_is_400(limit):
    response = make_tenant().client().get(KEYS, {"limit": limit})

    assert problem_of(response) == (400, "access.input_invalid")


@pytest.mark.parametrize("cursor", ["x", "é", "\x00", "a" * 5000])
def test_a_cursor_of_somebody_else_is_400(cursor):
    response = make_tenant().client().get(KEYS, {"cursor": cursor})

    assert problem_of(response) == (400, "access.cursor_invalid")


def test_following_next_visits_each_key_once():
    tenant = make_tenant()
    for _ in range(4):
        make_key(tenant.slug)
    client, seen, url = tenant.client(), [], f"{KEYS}?limit=2"

    while url:
        page = client.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]

    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize("rows", [1, 3])
def test_a_list_of_keys_costs_the_same_for_one_and_for_many(rows, django_assert_num_queries):
    tenant = make_tenant()
    for _ in range(rows - 1):
        make_key(tenant.slug)
    client = tenant.client()
    client.get(KEYS)  # notes the use of the key

    with django_assert_num_queries(2):
        client.get(KEYS)


def person(*, slugs, role="owner", superuser=False):
    user = get_user_model().objects.create_user("lin", password="x", is_superuser=superuser)
    for slug in slugs:
        workspace_id = services.workspace_ensure(slug=slug)
        Membership.objects.create(workspace_id=workspace_id, user=user, role=role)
    client = APIClient()
    client.force_login(user)
    return client


def test_a_person_uses_their_only_workspace():
    client = person(slugs=["one"])

    assert client.get(KEYS).status_code == 200


def test_a_person_of_several_workspaces_names_one():
    client = person(slugs=["one", "two"])

    unnamed = client.get(KEYS)
    named = client.get(KEYS, headers={"X-Loom-Workspace": "two"})

    assert problem_of(unnamed) == (400, "access.workspace_ambiguous")
    assert named.status_code == 200


@pytest.mark.parametrize("slug", ["theirs", "missing"])
def test_a_person_cannot_name_a_workspace_of_others(slug):
    client = person(slugs=["one"])
    services.workspace_create(slug="theirs")

    response = client.get(KEYS, headers={"X-Loom-Workspace": slug})

    assert problem_of(response) == (404, "access.workspace_unknown")


def test_a_superuser_may_name_any_workspace():
    client = person(slugs=[], superuser=True)
    services.workspace_create(slug="any")

    assert client.get(KEYS, headers={"X-Loom-Workspace": "any"}).status_code == 200


def test_an_operator_is_no_admin():
    assert problem_of(person(slugs=["one"], role="operator").get(KEYS))[0] == 403


def test_a_session_without_the_csrf_token_changes_nothing():
    user = get_user_model().objects.create_user("lin", password="x", is_superuser=True)
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)

    response = client.post(KEYS, {"scopes": ["admin"]}, format="json")

    assert problem_of(response)[0] == 403
    assert ApiKey.objects.count() == 0
