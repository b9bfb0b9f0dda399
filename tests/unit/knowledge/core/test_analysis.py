import pytest

from knowledge.core.analysis import (
    MAX_HIGHLIGHTS,
    TERM_SPACE,
    analyze,
    highlights,
    term_counts,
    term_id,
)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The wings of aircraft", ["wing", "aircraft"]),
        ("Aircraft's wings don't", ["aircraft", "wing"]),
        ("the of and", []),
        ("?!... --- ''", []),
        ("Café NAÏVE", ["cafe", "naiv"]),
        ("état", ["etat"]),
        ("שלום 🎉 مرحبا", ["שלום", "🎉", "مرحبا"]),
        ("cafe\u0301s", ["cafe"]),
        ("हिन्दी", ["हिनदी"]),
        ("مُحَمَّد محمد", ["محمد", "محمد"]),
    ],
)
def test_words_become_stems_without_stop_words(text, terms):
    assert analyze(text) == terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("getUserById", ["getuserbyid", "get", "user", "id"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("MAX_RETRY_COUNT", ["max_retry_count", "max", "retri", "count"]),
        ("os.path.join", ["os.path.join", "os", "path", "join"]),
        ("covid-19", ["covid-19", "covid", "19"]),
        ("well-known", ["well", "known"]),
        ("sha256", ["sha256"]),
    ],
)
def test_identifiers_give_themselves_and_their_parts(text, terms):
    assert analyze(text) == terms


def test_a_query_of_cjk_letters_gives_pairs_and_a_document_the_letters_too():
    assert analyze("東京都", query=True) == ["東京", "京都"]
    assert analyze("東京都") == ["東", "京", "都", "東京", "京都"]
    assert analyze("猫", query=True) == ["猫"]
    assert analyze("แมวกิน", query=True) == ["แม", "มว", "วก", "กิ", "ิน"]


def test_cjk_and_latin_in_one_run_are_told_apart():
    assert analyze("PostgreSQLの設定", query=True) == [
        "postgresql",
        "postgr",
        "sql",
        "の設",
        "設定",
    ]


def test_a_language_has_its_own_stems_and_stop_words():
    assert analyze("die Häuser", language="german") == ["haus"]


def test_term_ids_fit_a_sparse_vector():
    assert all(1 <= term_id(term) <= TERM_SPACE for term in ["", "a", "東京", "\ud800"])


def test_a_title_counts_twice_and_a_heading_once():
    counts = term_counts("wing", "lift", "wing lift drag")

    assert counts.counts == {term_id("wing"): 3, term_id("lift"): 2, term_id("drag"): 1}
    assert counts.length == 6


@pytest.mark.parametrize(
    ("text", "query", "language", "marked"),
    [
        ("Weaving and weavers weave.", "weave", "english", ["Weaving", "weave"]),
        ("call parseHttpHeader() now", "http", "english", ["parseHttpHeader"]),
        ("Die Webstühle stehen.", "Webstuhl", "german", ["Webstühle"]),
        ("私は東京都に住む", "東京都", "english", ["東京都"]),
        ("🧶 𠀋𠀀 loom 👩‍👧", "🧶 𠀋𠀀 👧", "english", ["🧶", "𠀋𠀀", "👧"]),
        (
            "re\u0301sume\u0301 and r\u00e9sum\u00e9",
            "résumé",
            "english",
            ["re\u0301sume\u0301", "r\u00e9sum\u00e9"],
        ),
        ("nothing of the kind", "loom", "english", []),
    ],
)
def test_highlights_are_the_words_that_were_looked_for(text, query, language, marked):
    sought = {language: frozenset(analyze(query, language=language, query=True))}

    assert [text[start:end] for start, end in highlights(text, sought)] == marked


def test_highlights_of_a_long_text_are_bounded():
    assert len(highlights("loom " * 1_000, {"english": frozenset({"loom"})})) == MAX_HIGHLIGHTS
