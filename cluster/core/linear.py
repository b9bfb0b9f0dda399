"""Linear algebra of a dozen rows, in plain Python: what a node's skill needs, and nothing else."""

import math
from collections.abc import Sequence
from operator import mul

Vector = list[float]
Matrix = list[list[float]]


def dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(map(mul, a, b))


def times(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> Vector:
    """Return matrix times vector."""
    return [sum(map(mul, row, vector)) for row in matrix]


def product(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> Matrix:
    """Return a times b."""
    columns = list(zip(*b, strict=True))
    return [[sum(map(mul, row, column)) for column in columns] for row in a]


def plus(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]], scale: float = 1.0) -> Matrix:
    """Return a + scale · b."""
    return [[x + scale * y for x, y in zip(p, q, strict=True)] for p, q in zip(a, b, strict=True)]


def moved(a: Sequence[float], b: Sequence[float], scale: float = 1.0) -> Vector:
    """Return a + scale · b."""
    return [x + scale * y for x, y in zip(a, b, strict=True)]


def outer(a: Sequence[float], b: Sequence[float], scale: float = 1.0) -> Matrix:
    # Scaled last: x * y and y * x are the same number, so that a square stays symmetric.
    return [[scale * (x * y) for y in b] for x in a]


def symmetric(matrix: Sequence[Sequence[float]]) -> Matrix:
    """Return the lower half, mirrored: what rounding left apart becomes one number."""
    return unpacked(packed(matrix))


def diagonal(values: Sequence[float]) -> Matrix:
    return [[v if i == j else 0.0 for j in range(len(values))] for i, v in enumerate(values)]


def zeros(size: int) -> Matrix:
    return [[0.0] * size for _ in range(size)]


def inverse(matrix: Sequence[Sequence[float]]) -> Matrix:
    """Return the inverse of a symmetric positive definite matrix, exactly symmetric.

    Raises:
        ValueError: It is not positive definite.
    """
    lower = _inverse_lower(_cholesky(matrix))
    size = len(lower)
    columns = list(zip(*lower, strict=True))
    found = zeros(size)
    for i in range(size):
        for j in range(i, size):
            found[i][j] = found[j][i] = sum(map(mul, columns[i][j:], columns[j][j:]))
    return found


def _cholesky(matrix: Sequence[Sequence[float]]) -> Matrix:
    size = len(matrix)
    lower = zeros(size)
    for i in range(size):
        row = lower[i]
        for j in range(i):
            other = lower[j]
            row[j] = (matrix[i][j] - sum(map(mul, row[:j], other[:j]))) / other[j]
        rest = matrix[i][i] - sum(map(mul, row[:i], row[:i]))
        row[i] = math.sqrt(rest)
    return lower


def _inverse_lower(lower: Matrix) -> Matrix:
    size = len(lower)
    found = zeros(size)
    for i in range(size):
        row, scale = lower[i], 1.0 / lower[i][i]
        found[i][i] = scale
        for j in range(i):
            found[i][j] = -scale * sum(row[k] * found[k][j] for k in range(j, i))
    return found


def packed(matrix: Sequence[Sequence[float]]) -> Vector:
    """Return the lower half of a symmetric matrix, row by row, as a database row keeps it."""
    return [value for i, row in enumerate(matrix) for value in row[: i + 1]]


def unpacked(values: Sequence[float]) -> Matrix:
    """Return the symmetric matrix whose lower half this is.

    Raises:
        ValueError: No matrix has a half of this length.
    """
    size = (math.isqrt(8 * len(values) + 1) - 1) // 2
    if size * (size + 1) // 2 != len(values):
        raise ValueError(f"{len(values)} values are no half of a symmetric matrix")
    found = zeros(size)
    at = 0
    for i in range(size):
        for j in range(i + 1):
            found[i][j] = found[j][i] = values[at]
            at += 1
    return found
