"""The skills of an agent: their names always in sight, their text when it is wanted."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from agents.core.errors import ToolRetry
from agents.core.ports import TextEmbedder, Tool, ToolContext
from agents.core.tokens import estimate
from agents.core.types import Json, Snippet, ToolOutput, ToolSpec
from agents.skills.loader import Skill
from agents.skills.triggers import Triggers

ACTIVATE = "activate_skill"
MAX_CATALOGUE_CHARS = 160  # of each description, in the system prompt


class SkillLibrary:
    """`SkillSet` over some skills.

    Args:
        embedder: For triggers by meaning.
        max_tokens: What the instructions of triggered skills may fill.
        count: Counts tokens.
    """

    def __init__(
        self,
        skills: Iterable[Skill],
        *,
        embedder: TextEmbedder | None = None,
        max_tokens: int = 2_000,
        count: Callable[[str], int] = estimate,
    ) -> None:
        self._skills = {skill.name: skill for skill in skills}
        self._triggers = Triggers(list(self._skills.values()), embedder)
        self._max_tokens = max_tokens
        self._count = count
        self._tool = _Activate(self._skills)
        self._catalog = self._listed()

    @property
    def tool(self) -> Tool:
        return self._tool

    def catalog(self) -> str:
        return self._catalog

    async def triggered(self, goal: str) -> list[Snippet]:
        """Return the instructions of the skills a goal calls for, as far as the budget goes."""
        left = self._max_tokens
        found: list[Snippet] = []
        for trigger in await self._triggers.match(goal):
            text = instructions_of(trigger.skill)
            tokens = self._count(text)
            if tokens <= left:
                found.append(Snippet(text=text, score=trigger.score, id=trigger.skill.name))
                left -= tokens
        return found

    def _listed(self) -> str:
        if not self._skills:
            return ""
        lines = [
            f"- {name}: {skill.description[:MAX_CATALOGUE_CHARS]}"
            for name, skill in sorted(self._skills.items())
        ]
        return "\n".join([f"Skills, read with {ACTIVATE}:", *lines])


def instructions_of(skill: Skill) -> str:
    """Return a skill's instructions and the names of its files, which are read one by one."""
    text = f"# Skill {skill.name}\n{skill.instructions}"
    if skill.files:
        text += f"\n\nFiles of this skill: {', '.join(sorted(skill.files))}"
    return text


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    file: str = ""


class _Activate:
    """The tool that reads a skill, or one of its files."""

    def __init__(self, skills: dict[str, Skill]) -> None:
        self._skills = skills
        text: Json = {"type": "string"}
        self._spec = ToolSpec(
            name=ACTIVATE,
            description="Read a skill's instructions, or one of its files.",
            parameters={
                "type": "object",
                "properties": {"name": text, "file": text},
                "required": ["name"],
            },
            idempotent=True,
        )

    @property
    def spec(self) -> ToolSpec:
        return self._spec

    def parse(self, arguments: str) -> _Wanted:
        try:
            given: Any = json.loads(arguments or "{}")
        except (ValueError, RecursionError) as error:
            raise ToolRetry(f"The arguments are not valid JSON ({error}).") from None
        wanted = cast("Json", given) if isinstance(given, dict) else {}
        name, file = wanted.get("name"), wanted.get("file") or ""
        if name not in self._skills:
            known = ", ".join(sorted(self._skills)) or "none"
            raise ToolRetry(f"There is no skill {name!r}. Skills: {known}.")
        skill = self._skills[name]
        if file and file not in skill.files:
            known = ", ".join(sorted(skill.files)) or "none"
            raise ToolRetry(f"The skill {name!r} has no file {file!r}. Files: {known}.")
        return _Wanted(name=name, file=file)

    async def call(self, arguments: _Wanted, context: ToolContext) -> ToolOutput:
        del context
        skill = self._skills[arguments.name]
        text = skill.files[arguments.file] if arguments.file else instructions_of(skill)
        return ToolOutput(text=text)
