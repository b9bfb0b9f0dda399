"""The real `openai` client against the door, through a real worker."""

from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.processes import Stack, poll
from tests.requirements import requirement
from tests.support.wire_server import WireServer


@pytest.fixture
def cluster(stack: Stack) -> Iterator[Stack]:
    with WireServer() as model:
        stack.environment |= {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "test"}
        stack.start_web()
        stack.start_worker()
        made = httpx.post(
            f"{stack.url}/api/v1/agents",
            headers={"Authorization": f"Bearer {stack.api_key}"},
            json={"slug": "writer", "name": "Writer", "instructions": "Answer plainly."},
            timeout=30,
        )
        assert made.status_code == 201, made.text
        yield stack


@pytest.fixture
def client(cluster: Stack) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{cluster.url}/v1", api_key=cluster.api_key, timeout=60) as made:
        yield made


def said(text: str, **more: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text, **more}]


@requirement("http.chat_completions")
def test_one_agent_and_the_cluster_answer_whole_and_streamed(
    cluster: Stack, client: openai.OpenAI
) -> None:
    listed = [model.id for model in client.models.list()]
    whole = client.chat.completions.create(
        model="writer", messages=said("Say it. [[answer=Phobos and Deimos]]"), temperature=0.2
    )
    stream = client.chat.completions.create(
        model="loom-cluster",
        messages=said("Say more. [[words=40]] [[itl=20]]"),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    split = client.chat.completions.create(
        model="loom-cluster",
        messages=said("1. Say one. [[answer=uno]]\n2. Say two. [[answer=dos]]"),
    )

    assert "writer" in listed
    assert "loom-cluster" in listed
    assert whole.choices[0].message.content == "Phobos and Deimos"
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens > 0
    pieces = [
        c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content
    ]
    (answer,) = cluster.sql("SELECT answer FROM cluster_task WHERE goal LIKE 'Say more.%%'")[0]
    assert len(pieces) > 1
    assert "".join(pieces).strip() == answer.strip()
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0
    assert "uno" in (split.choices[0].message.content or "")
    assert "dos" in (split.choices[0].message.content or "")
    pinned = cluster.sql(
        "SELECT a.pinned FROM cluster_auction a JOIN cluster_task t ON t.id = a.task_id"
        " WHERE t.goal LIKE 'Say it.%%' AND t.door = 'openai'"
    )
    assert pinned == [(True,)]


def test_a_session_goes_on_where_it_was(cluster: Stack, client: openai.OpenAI) -> None:
    for model in ("writer", "loom-cluster"):
        for text in ("My cat is called Minka.", "What is she called?", "And again?"):
            client.chat.completions.create(
                model=model, messages=said(text), metadata={"session_id": f"about-{model}"}
            )
    client.chat.completions.create(model="writer", messages=said("Whose cat?"))

    seen = httpx.get(
        f"{cluster.environment['OPENAI_BASE_URL'].removesuffix('/v1')}/requests"
    ).json()
    runs = [str(body["messages"]) for body in seen if "response_format" not in body]
    assert len(runs) == 7
    assert ["Minka" in run for run in runs] == [True] * 6 + [False]
    assert ["And again?" in run for run in runs] == [False, False, True, False, False, True, False]


def test_a_client_that_leaves_cancels_nothing(cluster: Stack, client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="writer", messages=said("Go on. [[words=30]] [[itl=60]]"), stream=True
    )
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5, max_retries=0).chat.completions.create(
            model="writer", messages=said("Take your time. [[run.latency=1500]]")
        )

    poll(
        lambda: (
            cluster.sql("SELECT count(*) FROM cluster_task WHERE status = 'succeeded'")[0][0] == 2
        )
    )


def test_a_failure_is_raised_once_and_says_why(cluster: Stack, client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as whole:
        client.chat.completions.create(model="writer", messages=said("Fail. [[fail]]"))
    with pytest.raises(openai.APIError) as streamed:
        list(
            client.chat.completions.create(
                model="writer", messages=said("Fail. [[fail]]"), stream=True
            )
        )
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="nobody", messages=said("Hello."))
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="lk_nothing").models.list()

    assert whole.value.status_code == 502
    assert "task" in streamed.value.message
    assert unknown.value.param == "model"
    assert cluster.sql("SELECT count(*) FROM cluster_task") == [(2,)]


def test_an_answer_under_a_schema_fits_it_or_is_no_answer(
    cluster: Stack, client: openai.OpenAI
) -> None:
    form = {
        "type": "json_schema",
        "json_schema": {"name": "moons", "schema": {"type": "object", "required": ["moons"]}},
    }

    good = client.chat.completions.create(
        model="writer",
        messages=said('Which? [[answer={"moons": ["Phobos"]}]]'),
        response_format=form,  # pyright: ignore[reportArgumentType]
    )
    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(
            model="writer",
            messages=said("Which? [[answer=Phobos]]"),
            response_format=form,  # pyright: ignore[reportArgumentType]
        )

    assert good.choices[0].message.content == '{"moons": ["Phobos"]}'
