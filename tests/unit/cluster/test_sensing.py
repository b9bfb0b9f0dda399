"""Trust in SENSE: label and embedding are believed as far as they have been right."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.errors import ScoreInvalid
from cluster.core.sensing import Trust, learn, weigh

COSINES = {"code": 0.8, "law": 0.1, "news": 0.3}


def test_label_and_embedding_that_agree_leave_little_doubt():
    found = weigh(COSINES, "code", Trust())

    assert sum(found.values()) == pytest.approx(1.0)
    assert found["code"] > 0.95


def test_a_distrusted_label_gives_way_to_the_embedding():
    trusting = weigh(COSINES, "law", Trust(label=0.95, cosine=0.4))
    doubting = weigh(COSINES, "law", Trust(label=0.3, cosine=0.8))

    assert trusting["law"] > 0.5 > doubting["law"]


def test_labels_that_embeddings_contradict_lose_trust():
    trust = Trust(cosine=0.8)
    for _ in range(200):
        trust = learn(trust, COSINES, "law", weigh(COSINES, "law", trust))

    assert trust.label < 0.4


def test_without_a_label_only_the_embedding_counts_and_no_trust_in_labels_is_learned():
    found = weigh(COSINES, None, Trust())

    assert max(found, key=lambda d: found[d]) == "code"
    assert learn(Trust(), COSINES, None, found).label == Trust().label


def test_a_label_without_a_centroid_counts_as_near_as_the_nearest():
    assert weigh(COSINES, "poetry", Trust())["poetry"] > 0.5


def test_nothing_to_weigh_is_nothing():
    assert weigh({}, None, Trust()) == {}


def test_a_label_whose_domain_has_no_weight_any_more_counts_as_wrong():
    before = Trust()

    after = learn(before, {"code": 0.4}, "law", {"code": 1.0})

    assert after.label < before.label


def test_a_similarity_that_is_no_number_is_refused():
    with pytest.raises(ScoreInvalid, match="similarity to 'code'"):
        weigh({"code": math.nan}, None, Trust())


@given(st.dictionaries(st.sampled_from("abcd"), st.floats(-1, 1), min_size=1), st.floats(-3, 3))
def test_weights_are_a_distribution(cosines, far):
    trust = Trust(label=min(max(far, 0.01), 0.99))

    found = weigh(cosines, "a", trust)

    assert sum(found.values()) == pytest.approx(1.0)
    assert 0.2 <= learn(trust, cosines, "a", found).cosine <= 0.98
