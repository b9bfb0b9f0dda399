"""Markdown of models and people as markup that is safe to show beside an operator's session."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

RENDERED_CHARS = 100_000  # longer texts take too long for a page, and are shown as they are
_MARKER: Final = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")


def prose(text: str, cited: Sequence[str] = ()) -> SafeString:
    """Return Markdown as HTML: tags in it are text, images are links, nothing is fetched.

    Args:
        text: As a model or a person wrote it.
        cited: What the text cites, by title: its marker `[1]` becomes a link to `#cited-1`, which
            says the first of them. Markers of nothing that is cited stay as they are.
    """
    if len(text) > RENDERED_CHARS:
        return format_html('<div class="lm-text">{}</div>', text)
    # What is marked safe is the parser's own tags: with `html` off, all of the text is escaped.
    markup = f'<div class="lm-prose">{_parser().render(text, {"cited": cited})}</div>'
    return mark_safe(markup)  # noqa: S308 -- see above


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("js-default", {"html": False})
    # An image would be fetched from wherever a model says: `![…](…)` is left a link.
    parser.disable("image")
    parser.core.ruler.push("outside_links", _mark_links)
    parser.core.ruler.push("citations", _link_citations)
    return parser


def _mark_links(state: Any) -> None:
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("rel", "noopener noreferrer nofollow")
                child.attrSet("target", "_blank")


def _link_citations(state: Any) -> None:
    cited: Sequence[str] = state.env["cited"]
    if not cited:
        return
    for token in state.tokens:
        within, made = 0, []
        for child in token.children or ():
            within += child.nesting if child.type.startswith("link_") else 0
            made += [child] if within or child.type != "text" else _cut_at_markers(child, cited)
        if token.children:
            token.children = made


def _cut_at_markers(token: Token, cited: Sequence[str]) -> Iterator[Token]:
    """Yield a text in pieces: what stands between markers, and a link for each number."""
    at = 0
    for match in _MARKER.finditer(token.content):
        numbers = [int(number) for number in match.group(1).split(",")]
        if not all(1 <= number <= len(cited) for number in numbers):
            continue
        yield Token("text", "", 0, content=token.content[at : match.start()])
        for number in numbers:
            attrs: dict[str, str | int | float] = {
                "href": f"#cited-{number}", "class": "lm-cite", "title": cited[number - 1],
            }  # fmt: skip
            yield Token("link_open", "a", 1, attrs=attrs)
            yield Token("text", "", 0, content=str(number))
            yield Token("link_close", "a", -1)
        at = match.end()
    yield Token("text", "", 0, content=token.content[at:])
