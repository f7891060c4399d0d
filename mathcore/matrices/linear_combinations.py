"""Linear combinations of the same few arrays: what polynomials of matrices do between products."""

import functools
import operator

import numpy as np

from mathcore import _arrays

_LARGE = 2**14  # numbers in an array from which a pass through memory is what a term costs


def combinations(terms, *rows):
    """[Σ_j c_j X_j for the row (c₀, c₁, …) of `rows`], where X is `terms` and then the sums before.

    Rows may end early; a coefficient of 0 leaves its term out.
    """
    views = _arrays.kernel_views(*terms) if getattr(terms[0], "size", 0) else None
    alike = views is not None and len({x.shape for x in views}) == 1
    if alike and views[0].size >= _LARGE:
        return [_arrays.from_kernel(x, terms[0]) for x in _in_one_pass(views, rows)]
    found = []
    for row in rows:
        pairs = zip(row, (*terms, *found), strict=False)
        parts = (x if c == 1 else c * x for c, x in pairs if c != 0)
        found.append(functools.reduce(operator.add, parts))
    return found


def combination(coefficients, *terms):
    """Σ_j c_j X_j."""
    return combinations(terms, coefficients)[0]


def _in_one_pass(terms, rows):
    from mathcore.matrices._kernels.combinations_cpu import MOST_SUMS, MOST_TERMS, combine

    first, most = terms[0], len(terms)
    coefficients = np.zeros((len(rows), MOST_TERMS + MOST_SUMS), first.dtype)
    for target, row in zip(coefficients, rows, strict=True):
        target[: len(row[:most])] = row[:most]
        target[MOST_TERMS : MOST_TERMS + len(row[most:])] = row[most:]
    sums = [np.empty(first.shape, first.dtype) for _ in rows]
    # a copy where `a` itself is read-only: compiled code takes arrays of one kind
    flat = [np.require(x, requirements="W").reshape(-1) for x in terms]
    combine(coefficients, _padded(flat, MOST_TERMS), _padded([x.ravel() for x in sums], MOST_SUMS))
    return sums


def _padded(arrays, length):
    return (*arrays, *arrays[:1] * (length - len(arrays)))
