"""Linear algebra: inverses are inverses, packing loses nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.core.linear import diagonal, inverse, outer, packed, plus, product, times, unpacked

VECTORS = st.lists(st.lists(st.floats(-3, 3), min_size=4, max_size=4), min_size=1, max_size=6)


def positive(vectors):
    found = diagonal([0.5] * 4)
    for vector in vectors:
        found = plus(found, outer(vector, vector))
    return found


@given(VECTORS)
def test_a_matrix_times_its_inverse_is_one(vectors):
    matrix = positive(vectors)

    found = product(matrix, inverse(matrix))

    assert all(
        math.isclose(found[i][j], float(i == j), abs_tol=1e-7) for i in range(4) for j in range(4)
    )


@given(VECTORS)
def test_packing_keeps_a_symmetric_matrix(vectors):
    matrix = positive(vectors)

    assert unpacked(packed(matrix)) == matrix
    assert len(packed(matrix)) == 10


def test_times_is_rows_by_vector():
    assert times([[1.0, 2.0], [3.0, 4.0]], [1.0, 10.0]) == [21.0, 43.0]


def test_a_matrix_that_is_not_positive_definite_has_no_inverse_here():
    with pytest.raises(ValueError, match="math domain error"):
        inverse([[1.0, 2.0], [2.0, 1.0]])


def test_a_length_that_no_matrix_has_is_refused():
    with pytest.raises(ValueError, match="4 values are no half of a symmetric matrix"):
        unpacked([1.0, 2.0, 3.0, 4.0])
