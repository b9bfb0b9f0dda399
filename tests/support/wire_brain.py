"""What the local model says: a function of the request, so that equal runs give equal answers.

Marks in the goal steer it:

    [[tool=NAME]]  [[tool=NAME {"a": 1}]]   call that tool, one mark per reply, before answering
    [[answer=TEXT]]                         answer exactly that
    [[words=N]]                             an answer of N words
    [[judge=0.3]]  [[judge=0.3 then 0.9]]   the judge's score; the second for a revised answer
    [[right=TEXT]]                          the judge gives .95 to answers with TEXT, .05 to others
    [[complexity=0.8]]  [[domain=SLUG]]  [[needs=TOOL]]    what SENSE says
    [[split=3]]  [[chain]]                  PLAN gives 3 parts; each depending on the one before
    [[junk]]                                replies under a schema are no JSON
    [[fail]]                                the run's call is refused (400)
    [[latency=MS]]  [[itl=MS]]              before the reply; between streamed words
    [[fault=KIND]]  [[fault=KIND*N]]        the first N (default: all) such calls fail; KIND is one
                                            of 429 500 503 401 hang drop nofinish empty badbody
                                            badargs unknown whole (no stream) stall (in mid-stream)
                                            open (nothing closes the stream)

`latency`, `itl` and `fault` may be limited to one purpose: `[[judge.latency=500]]`; purposes are
the names of the schemas (`sense`, `plan`, `judge`, …), and `run` where there is none.

`[[answer=TEXT]]` in an agent's instructions is what that agent answers to every goal without one.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_MARK = re.compile(r"\[\[(?P<name>[\w.]+)(?:=(?P<value>.*?))?\]\]", re.DOTALL)
_GOAL = re.compile(r"<(goal|asked)>\s*(?P<text>.*?)\s*</\1>", re.DOTALL)
_ANSWER = re.compile(r"<answer>\s*(?P<text>.*?)\s*</answer>", re.DOTALL)
_CONTEXT = re.compile(r"^<context>\n(?P<context>.*?)\n</context>\n\n", re.DOTALL)
_PART = re.compile(r"^\s*(?:\d+[.)]|[-*])\s+(?P<text>.+)$", re.MULTILINE)
_WORDS = ("plain", "words", "fill", "the", "answer", "as", "far", "as", "it", "was", "asked")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model says to one request."""

    text: str = ""
    calls: tuple[Json, ...] = ()
    finish: str = "stop"


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of a text, in order."""

    found: tuple[tuple[str, str], ...] = ()

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.found if key == name]

    def get(self, name: str, purpose: str = "") -> str | None:
        values = (self.all(f"{purpose}.{name}") if purpose else []) or self.all(name)
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, taken apart."""

    purpose: str
    goal: str
    context: str
    answer: str
    marks: Marks
    results: tuple[str, ...]
    body: Json = field(repr=False)
    persona: Marks = field(default_factory=Marks)

    @property
    def clean_goal(self) -> str:
        return " ".join(_MARK.sub("", self.goal).split())


def read(body: Json) -> Asked:
    """Return what a chat request asks for."""
    messages: list[Json] = body.get("messages") or []
    last_user = max((i for i, m in enumerate(messages) if m.get("role") == "user"), default=-1)
    turns = [i for i, m in enumerate(messages) if m.get("role") == "user" and not _nudge(m)]
    start = turns[-1] if turns else last_user
    text = _text(messages[start].get("content")) if messages else ""
    context = ""
    if framed := _CONTEXT.match(text):
        context, text = framed["context"], text[framed.end() :]
    goal = _GOAL.search(text)
    answer = _ANSWER.search(text)
    results = [_text(m.get("content")) for m in messages[start + 1 :] if m.get("role") == "tool"]
    format_ = body.get("response_format") or {}
    named: Json = format_.get("json_schema") or {}
    words = goal["text"] if goal else text
    return Asked(
        purpose=str(named.get("name") or "run") if format_ else "run",
        goal=words,
        context=context,
        answer=answer["text"] if answer else "",
        marks=_marks(words),
        results=tuple(results),
        body=body,
        persona=_marks(" ".join(_text(m.get("content")) for m in messages if _leads(m))),
    )


def _leads(message: Json) -> bool:
    return message.get("role") in ("system", "developer")


def _marks(text: str) -> Marks:
    return Marks(tuple((m["name"], m["value"] or "") for m in _MARK.finditer(text)))


def reply(asked: Asked) -> Reply:
    """Return the undisturbed reply."""
    format_: Json = asked.body.get("response_format") or {}
    if format_:
        schema: Json = (format_.get("json_schema") or {}).get("schema") or {"type": "object"}
        if asked.marks.get("junk", asked.purpose) is not None:
            return Reply(text="Sure! Here is the {JSON you asked for: complexity = high")
        makers = {"sense": _sense, "plan": _plan, "judge": _judge}
        known = makers[asked.purpose](asked, schema) if asked.purpose in makers else {}
        return Reply(text=json.dumps(_fitting(instance(schema), known, schema)))
    wanted = asked.marks.all("tool")
    if len(asked.results) < len(wanted) and asked.body.get("tools"):
        return _call(asked, wanted[len(asked.results)])
    return Reply(text=_said(asked))


def instance(schema: Json, root: Json | None = None) -> Any:  # noqa: C901, PLR0911 -- one branch a keyword
    """Return a smallest value that fits a JSON Schema of the usual kind."""
    root = schema if root is None else root
    if "$ref" in schema:
        node: Any = root
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            node = node[part]
        return instance(node, root)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return instance(schema[key][0], root)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object" or "properties" in schema:
        required = schema.get("required", list(schema.get("properties", {})))
        properties: Json = schema.get("properties", {})
        return {name: instance(properties.get(name, {}), root) for name in required}
    if kind == "array":
        return [instance(schema.get("items", {}), root)] * int(schema.get("minItems", 0))
    if kind in ("number", "integer"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        return low + (1 if "exclusiveMinimum" in schema else 0)
    simple: Json = {"boolean": False, "null": None}
    return simple.get(str(kind), "text".ljust(int(schema.get("minLength", 0)), "."))


def parts_of(asked: Asked) -> list[str]:
    """Return the parts that a goal lists, or that a mark asks for."""
    if split := asked.marks.get("split"):
        return [f"{asked.clean_goal} (part {n})" for n in range(1, int(split) + 1)]
    return [match["text"].strip() for match in _PART.finditer(asked.goal)]


def embedding(text: str, dim: int) -> list[float]:
    """Return a unit vector in which texts with common words are near."""
    values = [0.0] * dim
    for word in re.findall(r"\w+", text.lower()):
        seed = sum(ord(letter) * 31**place for place, letter in enumerate(word))
        values[seed % dim] += 1.0
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values] if length else [1.0, *values[1:]]


def _sense(asked: Asked, schema: Json) -> Json:
    parts = len(parts_of(asked))
    enum: list[str] = schema.get("properties", {}).get("domain", {}).get("enum") or []
    named = asked.marks.get("domain") or next((d for d in enum if d in asked.goal.lower()), None)
    known: Json = {
        "complexity": float(asked.marks.get("complexity") or min(0.2 + 0.15 * parts, 0.9)),
        "confidence": 0.8,
        "tools": asked.marks.all("needs"),
    }
    return {**known, "domain": named} if named in enum else known


def _plan(asked: Asked, schema: Json) -> Json:
    chain = asked.marks.get("chain") is not None
    goals = parts_of(asked) or [asked.clean_goal]
    plan = [
        {
            "key": f"part-{number}",
            "goal": goal,
            "depends_on": [f"part-{number - 1}"] if chain and number > 1 else [],
        }
        for number, goal in enumerate(goals, 1)
    ]
    listed = [k for k, v in schema.get("properties", {}).items() if v.get("type") == "array"]
    return {listed[0]: plan} if listed else {}


def _judge(asked: Asked, schema: Json) -> Json:
    del schema
    if (right := asked.marks.get("right")) is not None:
        found = right in asked.answer
        comment = "It is there." if found else f"{right!r} is missing."
        return {"score": 0.95 if found else 0.05, "comment": comment}
    first, _, then = (asked.marks.get("judge") or "0.9").partition(" then ")
    revised = bool(then) and "(revised)" in asked.answer
    score = float(then if revised else first)
    return {"score": score, "comment": f"Scored {score:g} as the goal told me to."}


def _fitting(made: Any, known: Json, schema: Json) -> Any:
    allowed = schema.get("properties", {})
    return {**made, **{k: v for k, v in known.items() if k in allowed}} if known else made


def _call(asked: Asked, wanted: str) -> Reply:
    name, _, given = wanted.partition(" ")
    schemas = {t["function"]["name"]: t["function"] for t in asked.body["tools"]}
    arguments = given.strip()
    if not arguments:
        made = instance(schemas.get(name, {}).get("parameters") or {"type": "object"})
        if "query" in made:
            made["query"] = asked.clean_goal
        arguments = json.dumps(made)
    call = {
        "id": f"call_{len(asked.results)}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }
    return Reply(calls=(call,), finish="tool_calls")


def _said(asked: Asked) -> str:
    fixed = asked.marks.get("answer")
    if (fixed := asked.persona.get("answer") if fixed is None else fixed) is not None:
        return fixed
    if words := asked.marks.get("words"):
        return " ".join(_WORDS[n % len(_WORDS)] for n in range(int(words)))
    said = f"Answer: {asked.clean_goal}"
    for result in asked.results:
        said += f"\n{_reported(result)}"
    if asked.context:
        said += f"\nGiven: {' '.join(_MARK.sub('', asked.context).split())}"
    return said + (" (revised)" if "rejected" in asked.context.lower() else "")


def _reported(result: str) -> str:
    """Return a tool result as the model tells it; the first sentence of each passage, cited."""
    try:
        passages: list[Json] = json.loads(result)["passages"]
    except (ValueError, KeyError, TypeError):
        return f"Result: {result}"
    said = [f"{p['text'].split('. ')[0].rstrip('.')}. [{p['ref']}]" for p in passages[:3]]
    return "\n".join(said) or "Nothing was found."


def _nudge(message: Json) -> bool:
    text = _text(message.get("content"))
    again = (
        "Your last reply was empty.",
        "Go on exactly where you stopped",
        "That cannot be used:",
    )
    return text.startswith(again)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return ""
