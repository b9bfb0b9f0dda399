"""What a chat completion asks for, and what is told of an answer that grows."""

import pytest

from cluster.core.chat import Telling, chat_read
from cluster.core.errors import ChatInvalid

USER = {"role": "user", "content": "Name the moons of Mars."}


def asked(**fields):
    return {"model": "writer", "messages": [USER], **fields}


def test_the_last_message_is_the_goal_and_what_came_before_the_context():
    request = chat_read(
        asked(
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
                {"role": "assistant", "content": "Hello."},
                USER,
            ]
        )
    )

    assert (request.agent, request.goal) == ("writer", "Name the moons of Mars.")
    assert request.earlier == (("user", "Hello"), ("assistant", "Hello."))
    assert request.context(request.earlier) == (
        "Instructions of the caller:\nBe brief.\n\n"
        "The conversation so far:\nuser: Hello\n\nassistant: Hello."
    )


def test_the_cluster_is_a_model_and_no_agent():
    assert chat_read(asked(model="loom-cluster")).agent is None


def test_a_response_format_becomes_a_required_check():
    schema = {"type": "object", "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}

    request = chat_read(asked(response_format=form))

    assert request.checks == [{"kind": "json_schema", "schema": schema, "required": True}]
    assert '"required": ["a"]' in request.context(())


@pytest.mark.parametrize(
    ("fields", "culprit"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "boss", "content": "x"}]}, "messages[0]"),
        ({"messages": [USER, {"role": "assistant", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content",
        ),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"metadata": "x"}, "metadata"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"messagess": []}, "messagess"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(fields, culprit):
    with pytest.raises(ChatInvalid) as refusal:
        chat_read(asked(**fields))

    assert refusal.value.field == culprit


@pytest.mark.parametrize("body", [None, [], "x", 7])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(ChatInvalid):
        chat_read(body)


def told(*pieces, answer):
    telling = Telling()
    sent = [telling.add(teller=t, step=s, text=x) for t, s, x in pieces]
    return "".join([*sent, telling.rest(answer)])


@pytest.mark.parametrize(
    ("pieces", "answer", "sent"),
    [
        ([("a", 0, "Pho"), ("a", 0, "bos")], "Phobos", "Phobos"),
        ([("a", 0, "Pho")], "Phobos", "Phobos"),
        ([], "Phobos", "Phobos"),
        ([("a", 0, "Phobos\n")], "Phobos", "Phobos\n"),
        # a step before a tool call, then the answer
        ([("a", 0, "I look it up."), ("a", 1, "Phobos")], "Phobos", "I look it up.\n\nPhobos"),
        # a takeover: the second worker says the step again
        ([("a", 0, "Pho"), ("b", 0, "Ph"), ("b", 0, "obos")], "Phobos", "Phobos"),
        # and says something else
        ([("a", 0, "Dei"), ("b", 0, "Phobos")], "Phobos", "Dei\n\nPhobos"),
        # what was told is not the answer
        ([("a", 0, "Hm.")], "Phobos", "Hm.\n\nPhobos"),
    ],
)
def test_what_is_told_ends_with_the_answer_and_repeats_nothing(pieces, answer, sent):
    assert told(*pieces, answer=answer) == sent
