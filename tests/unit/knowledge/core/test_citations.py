from knowledge.core.citations import Citation, check_citations

TEXTS = {"d1": "Looms weave cloth."}


def test_a_quote_that_stands_where_it_says_is_no_problem():
    cited = [Citation(document_id="d1", start=6, end=11, quote="weave")]

    assert check_citations(cited, TEXTS) == []


def test_each_wrong_citation_is_named_with_its_position():
    cited = [
        Citation(document_id="d1", start=6, end=11, quote="weave"),
        Citation(document_id="d2", start=0, end=1, quote="L"),
        Citation(document_id="d1", start=6, end=99, quote="weave"),
        Citation(document_id="d1", start=-3, end=5, quote="weave"),
        Citation(document_id="d1", start=0, end=5, quote="weave"),
    ]

    problems = check_citations(cited, TEXTS)

    assert [(item.position, item.code) for item in problems] == [
        (1, "document_missing"),
        (2, "span_invalid"),
        (3, "span_invalid"),
        (4, "quote_differs"),
    ]
