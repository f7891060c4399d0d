"""Exponentials of small matrices in one kernel call, and the polynomials as the kernel's table."""

import functools
from fractions import Fraction

import numpy as np

from mathcore.matrices.taylor_polynomials import THETA, taylor_4, taylor_8, taylor_15, taylor_21

LARGEST_ORDER = 128
_LARGEST_BY_LANES = 16
_BUFFER_VECTORS = 64  # about: seven buffers fit the first cache


def expm_of_small(a):
    """e^a of NumPy matrices (..., n, n), 1 < n ≤ `LARGEST_ORDER`, threaded over the batch."""
    from mathcore.matrices._kernels import expm_cpu as kernels

    flat = _flat(a)
    out = np.empty_like(flat)
    _launch(kernels.expm_rows, kernels.expm_lanes, a.shape[-1], flat, out)
    return out.reshape(a.shape)


def expm_and_derivative_of_small(a, e, *, adjoint):
    """e^a and L(a, e), or L(aᵀ, e) where `adjoint`; arguments as those of `expm_of_small`."""
    from mathcore.matrices._kernels import expm_derivative_cpu as kernels

    flat = _flat(a)
    value, derivative = np.empty_like(flat), np.empty_like(flat)
    arrays = (flat, _flat(e), value, derivative, adjoint)
    _launch(kernels.derivative_rows, kernels.derivative_lanes, a.shape[-1], *arrays)
    return value.reshape(a.shape), derivative.reshape(a.shape)


def _flat(a):
    return a.reshape(-1, a.shape[-1] ** 2)


def _launch(rows, lanes, n, flat, *others):
    numbers, batch = _kernel_numbers(flat.dtype), flat.shape[0]
    if batch == 1:  # a fifth of the time of a small one would go below
        rows(0, 1, flat, *others, n, *numbers)
        return
    from mathcore._compile import launch

    nanoseconds = batch * (50 + n**3)  # thirty products of 8 × 8 matrices take half of it
    together = _taken_together(batch, n * n, flat.itemsize)
    if together == 1:
        launch(rows, batch, nanoseconds, flat, *others, n, *numbers)
    else:
        shares = -(-batch // together)
        launch(lanes, shares, nanoseconds, flat, *others, together, n, *numbers)


def _taken_together(batch, entries, itemsize):
    """Matrices that a kernel takes together, one in each lane; 1: by their rows.

    The number of threads does not count, so that no result depends on it.
    """
    if batch == 1 or entries > _LARGEST_BY_LANES**2:
        return 1
    from mathcore._vectors import VECTOR_BYTES

    lanes = VECTOR_BYTES // itemsize
    if batch < lanes:
        return 1
    return max(1, _BUFFER_VECTORS // entries) * lanes


# --- the table ------------------------------------------------------------------------------------


@functools.cache
def _kernel_numbers(dtype):
    """θ of each polynomial, and the sums of T4, T8, T15+, T21+ one after the other."""
    ladder = ((taylor_4, 2), (taylor_8, 2), (taylor_15, 2), (taylor_21, 3))
    numbers = [c for polynomial, powers in ladder for c in _sums_of(polynomial, powers)]
    return np.asarray(THETA[np.finfo(dtype).bits]), np.asarray(numbers, dtype=dtype)


class _Sum:
    """A sum of symbols; a product of two sums is a new symbol, and is recorded."""

    def __init__(self, terms, products):
        self.terms, self._products = terms, products

    def __add__(self, other):
        terms = dict(self.terms)
        for symbol, factor in other.terms.items():
            terms[symbol] = terms.get(symbol, 0) + factor
        return _Sum(terms, self._products)

    def __rmul__(self, factor):
        return _Sum({k: Fraction(factor) * x for k, x in self.terms.items()}, self._products)

    def __matmul__(self, other):
        self._products.append((self, other))
        return _Sum({f"product {len(self._products)}": Fraction(1)}, self._products)


def _sums_of(polynomial, powers):
    """The sums that a Taylor polynomial multiplies, as rows of coefficients.

    Before each product its factors, and before the last also what is added to it: coefficients of
    the powers of A and of the earlier products, then those of I, ones and zeros left out. Recorded
    from the definition, so that kernel and definition are one polynomial.
    """
    products = []
    symbols = ["identity", *(f"power {k + 1}" for k in range(powers))]
    x = polynomial(*(_Sum({k: Fraction(1)}, products) for k in symbols))
    numbers = []
    for k, factors in enumerate(products):
        rows = [y.terms for y in factors if y.terms.keys() != {f"power {powers}"}]
        if k + 1 == len(products):
            rows.append({name: c for name, c in x.terms.items() if name != f"product {k + 1}"})
        known = symbols[1:] + [f"product {j + 1}" for j in range(k)]
        numbers += [row.get(name, 0) for row in rows for name in known]
        numbers += [row.get("identity", 0) for row in rows]
    return [float(c) for c in numbers if c not in (0, 1)]
