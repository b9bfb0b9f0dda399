"""Markdown of models as markup for the admin."""

import pytest

from loomsite.access.admin.prose import RENDERED_CHARS, prose


def test_headings_lists_and_tables_become_markup() -> None:
    shown = prose("## Findings\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |")

    assert "<h2>Findings</h2>" in shown
    assert "<li>two</li>" in shown
    assert "<td>2</td>" in shown


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "a <b onmouseover=alert(1)>b</b>",
        "```\n</code></pre><script>alert(1)</script>\n```",
        "[x](<javascript:alert(1)>)",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](http://elsewhere.example/pixel.png)",
    ],
)
def test_nothing_in_a_text_runs_or_is_fetched(text: str) -> None:
    shown = prose(text)

    for tag in ("<script", "<img", "<b ", 'href="javascript', 'href="data'):
        assert tag not in shown


def test_a_link_leads_outside_without_telling_where_from() -> None:
    shown = prose("[docs](https://elsewhere.example/)")

    assert 'rel="noopener noreferrer nofollow"' in shown
    assert 'target="_blank"' in shown


def test_a_text_too_long_to_render_is_shown_as_it_is() -> None:
    shown = prose("# <b>\n" * (RENDERED_CHARS // 4))

    assert "<h1>" not in shown
    assert "# &lt;b&gt;" in shown


def test_a_marker_leads_to_what_it_cites_and_says_its_title() -> None:
    shown = prose("Cards [1]; both [1, 2]. `a[1]`", ["Looms", 'A "<b>" of it'])

    assert shown.count('href="#cited-1" class="lm-cite" title="Looms">1</a>') == 2
    assert 'title="A &quot;&lt;b&gt;&quot; of it">2</a>' in shown
    assert "a[1]" in shown
    assert "_blank" not in shown


def test_a_marker_of_nothing_that_is_cited_stays_as_it_is() -> None:
    assert "lm-cite" not in prose("As [3] and [0] say, [1, 9].", ["Looms"])
    assert "[1]" in prose("Nothing is cited [1].")
