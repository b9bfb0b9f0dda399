"""Markdown of models and people as markup that is safe to show beside an operator's session."""

from functools import cache

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

RENDERED_CHARS = 100_000  # longer texts take too long for a page, and are shown as they are


def prose(text: str) -> SafeString:
    """Return Markdown as HTML: tags in it are text, images are links, nothing is fetched."""
    if len(text) > RENDERED_CHARS:
        return format_html('<div class="lm-text">{}</div>', text)
    # What is marked safe is the parser's own tags: with `html` off, all of the text is escaped.
    markup = f'<div class="lm-prose">{_parser().render(text)}</div>'
    return mark_safe(markup)  # noqa: S308 -- see above


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("js-default", {"html": False})
    # An image would be fetched from wherever a model says: `![…](…)` is left a link.
    parser.disable("image")
    parser.core.ruler.push("outside_links", _mark_links)
    return parser


def _mark_links(state: object) -> None:
    tokens: list[Token] = state.tokens  # pyright: ignore[reportAttributeAccessIssue] -- StateCore
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("rel", "noopener noreferrer nofollow")
                child.attrSet("target", "_blank")
