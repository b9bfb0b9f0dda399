"""SKILL.md: read, called for, read again when wanted."""

import io
import zipfile

import pytest

from agents.core.errors import SkillInvalid
from agents.core.runtime import Agent
from agents.skills.loader import from_archive, from_folder, parse
from agents.skills.skill_library import SkillLibrary
from agents.testing import ScriptedProvider, WordEmbedder, calling

TEXT = """---
name: mending
description: How to mend torn cloth with needle and thread.
keywords: [mend, "torn cloth"]
patterns: ['\\bholes? in (my|the)\\b']
---
Wash it first.
"""


def archive(**files) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        for name, text in files.items():
            made.writestr(name.replace("__", "/"), text)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Wash it first.", "must begin with front matter"),
        ("---\nname: [\n---\nx", "is not YAML"),
        ("---\n- a\n---\nx", "must be a list of name: value"),
        ("---\ndescription: d\n---\nx", "needs a name"),
        ("---\nname: Not A Name\ndescription: d\n---\nx", "lower-case letters"),
        ("---\nname: a\n---\nx", "needs a description"),
        ("---\nname: a\ndescription: d\n---\n  ", "no instructions"),
        ("---\nname: a\ndescription: d\npatterns: ['(']\n---\nx", "is no pattern"),
        ("---\nname: a\ndescription: d\nkeywords: 3\n---\nx", "must be a list"),
        ("---\nname: a\ndescription: " + "d" * 2000 + "\n---\nx", "longer than 1024"),
    ],
)
def test_a_broken_skill_file_is_refused_with_its_reason(text, why):
    with pytest.raises(SkillInvalid, match=why):
        parse(text)


def test_a_folder_brings_its_scripts_and_references_as_text(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "SKILL.md").write_text(TEXT)
    (tmp_path / "scripts" / "darn.py").write_text("print('darn')")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\x00")

    skill = from_folder(tmp_path)

    assert (skill.name, skill.instructions) == ("mending", "Wash it first.")
    assert skill.files == {"scripts/darn.py": "print('darn')"}


def test_a_link_out_of_the_folder_and_a_missing_file_are_refused(tmp_path):
    inside = tmp_path / "skill"
    inside.mkdir()
    with pytest.raises(SkillInvalid, match=r"no SKILL\.md"):
        from_folder(inside)
    (tmp_path / "secret").write_text("x")
    (inside / "SKILL.md").write_text(TEXT)
    (inside / "link").symlink_to(tmp_path / "secret")

    with pytest.raises(SkillInvalid, match="leads out of the folder"):
        from_folder(inside)


@pytest.mark.parametrize(
    ("packed", "why"),
    [
        (b"no archive", "cannot be read"),
        (archive(**{"..__SKILL.md": TEXT}), "leads out of the archive"),
        (archive(**{"__etc__SKILL.md": TEXT}), "leads out of the archive"),
        (archive(**{"README.md": TEXT}), r"no SKILL\.md"),
        (archive(**{"SKILL.md": TEXT, "big": "x" * 600_000}), "larger than 500000"),
        (archive(**{"SKILL.md": b"---\nname: \xff\n---\n"}), "not UTF-8"),
        (archive(**{"SKILL.md": TEXT, **{f"f{n}": "" for n in range(250)}}), "more than 200"),
    ],
)
def test_a_bad_archive_is_refused(packed, why):
    with pytest.raises(SkillInvalid, match=why):
        from_archive(packed)


def test_an_archive_with_one_folder_is_a_skill_too():
    skill = from_archive(archive(**{"mending__SKILL.md": TEXT, "mending__notes.md": "n"}))

    assert (skill.name, dict(skill.files)) == ("mending", {"notes.md": "n"})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("goal", "called"),
    [
        ("Please MEND my scarf.", True),
        ("There is a hole in the sock.", True),
        ("Torn, cloth!", True),
        ("Needle and thread to repair torn fabric, how?", True),
        ("What is the weather?", False),
        ("Amendments to the law", False),
    ],
)
async def test_a_goal_calls_for_a_skill_by_word_by_pattern_or_by_meaning(goal, called):
    library = SkillLibrary([parse(TEXT)], embedder=WordEmbedder())

    found = await library.triggered(goal)

    assert ["Wash it first." in skill.text for skill in found] == [True] * called


@pytest.mark.asyncio
async def test_a_skill_is_named_always_and_read_when_wanted():
    provider = ScriptedProvider(
        calling(("activate_skill", '{"name": "mending"}')),
        calling(("activate_skill", '{"name": "mending", "file": "a.md"}')),
        calling(("activate_skill", '{"name": "cooking"}')),
        calling(("activate_skill", '{"name": "mending", "file": "b.md"}')),
        "ok",
    )
    skills = SkillLibrary([parse(TEXT, {"a.md": "Use wool."})])
    agent = Agent(provider=provider, instructions="Be kind.", skills=skills)

    result = await agent.run("Hello.")

    assert result.messages[0].content == (
        "Be kind.\n\nSkills, read with activate_skill:\n"
        "- mending: How to mend torn cloth with needle and thread."
    )
    assert [m.content for m in result.messages if m.role == "tool"] == [
        "# Skill mending\nWash it first.\n\nFiles of this skill: a.md",
        "Use wool.",
        "There is no skill 'cooking'. Skills: mending.",
        "The skill 'mending' has no file 'b.md'. Files: a.md.",
    ]


@pytest.mark.asyncio
async def test_skills_beyond_the_token_budget_are_left_to_the_model():
    assert await SkillLibrary([parse(TEXT)], max_tokens=3).triggered("mend") == []
