"""Replies and streams as vendors really send them."""

import pytest

from agents.core.errors import ModelReplyInvalid
from agents.core.types import Usage
from agents.providers import wire
from agents.providers.sse import EventData


def reply(**message):
    return {"choices": [{"message": message, "finish_reason": "stop"}]}


def chunk(finish=None, **delta):
    return {"choices": [{"delta": delta, "finish_reason": finish}]}


def streamed(*chunks):
    assembler = wire.StreamAssembler()
    deltas = [delta for piece in chunks for delta in assembler.add(piece)]
    return assembler, [*deltas, *assembler.end()]


@pytest.mark.parametrize(
    ("said", "content", "reasoning"),
    [
        ({"content": "x", "reasoning_content": "r"}, "x", "r"),
        ({"content": "x", "reasoning": "r"}, "x", "r"),
        ({"content": "<think>r</think>\n\nx"}, "x", "r"),
        ({"content": [{"type": "text", "text": "x"}, {"type": "image"}]}, "x", ""),
        ({"content": None}, "", ""),
    ],
)
def test_reasoning_is_kept_out_of_the_answer(said, content, reasoning):
    message, _ = wire.reply_of(reply(**said))

    assert (message.content, message.reasoning) == (content, reasoning)


@pytest.mark.parametrize("data", [{}, {"choices": []}, {"choices": [{}]}, {"error": {"m": 1}}])
def test_a_body_without_a_message_is_no_reply(data):
    with pytest.raises(ModelReplyInvalid):
        wire.reply_of(data)


def test_a_refusal_and_arguments_that_are_an_object_are_understood():
    message, finish = wire.reply_of(reply(content=None, refusal="No."))
    assert (message.content, finish) == ("No.", "content_filter")

    calls = [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "g"}}]
    message, _ = wire.reply_of(reply(tool_calls=calls))
    assert [(c.id, c.arguments) for c in message.tool_calls] == [
        ("call_0", '{"a": 1}'),
        ("call_1", "{}"),
    ]


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_thought_in_a_stream_is_told_apart_however_it_is_cut(cut):
    text = "<think>Hmm < so</think>\nThe answer."
    pieces = [text[i : i + cut] for i in range(0, len(text), cut)]

    assembler, deltas = streamed(*(chunk(content=p) for p in pieces), chunk("stop"))

    assert "".join(d.reasoning for d in deltas) == "Hmm < so"
    assert "".join(d.text for d in deltas).strip() == "The answer."
    assert assembler.message().reasoning == "Hmm < so"


def test_a_text_that_only_begins_like_a_thought_is_text():
    assembler, deltas = streamed(chunk(content="<th"), chunk("stop"))

    assert [d.text for d in deltas] == ["<th"]
    assert assembler.message().content == "<th"


def test_parallel_calls_are_put_together_by_index_or_by_their_ids():
    def part(index, call_id=None, name=None, arguments=""):
        function = {"name": name, "arguments": arguments}
        return chunk(tool_calls=[{"index": index, "id": call_id, "function": function}])

    by_index, _ = streamed(
        part(0, "a", "f"), part(1, "b", "g"), part(0, arguments="{}"), part(1, arguments="[]"),
        chunk("tool_calls"),
    )  # fmt: skip
    all_zero, _ = streamed(part(0, "a", "f", "{}"), part(0, "b", "g", "[]"), chunk("tool_calls"))

    for assembler in (by_index, all_zero):
        assert [(c.id, c.name, c.arguments) for c in assembler.message().tool_calls] == [
            ("a", "f", "{}"),
            ("b", "g", "[]"),
        ]


def test_a_stream_without_a_finish_reason_or_with_an_error_is_no_reply():
    assembler, _ = streamed(chunk(content="half"))
    with pytest.raises(ModelReplyInvalid, match="without a finish reason"):
        assembler.message()
    with pytest.raises(ModelReplyInvalid, match="broke off"):
        streamed({"error": {"message": "overloaded"}})
    with pytest.raises(ModelReplyInvalid, match="no known shape"):
        streamed({"choices": [3]})


def test_usage_is_read_with_its_details_and_may_be_missing():
    data = {
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 3},
            "completion_tokens_details": None,
        }
    }
    assert wire.usage_of(data) == Usage(prompt_tokens=7, completion_tokens=5, cached_tokens=3)
    assert wire.usage_of({}) is None


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b"null", b"\xff"])
def test_what_is_no_json_object_is_refused(raw):
    with pytest.raises(ModelReplyInvalid):
        wire.loads(raw)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_events_are_found_however_the_bytes_are_cut(size):
    raw = (
        'data: {"a": "\u2028"}\n\n: a comment\n\nevent: x\ndata: 1\ndata: 2\n\n'
        "data:last\r\n\r\ndata: tail"
    ).encode()
    events = EventData()

    found = [e for i in range(0, len(raw), size) for e in events.feed(raw[i : i + size])]

    assert [*found, *events.end()] == ['{"a": "\u2028"}'.encode(), b"1\n2", b"last", b"tail"]
