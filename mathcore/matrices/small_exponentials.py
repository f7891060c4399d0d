"""Exponentials of small matrices in one kernel call, and the polynomials as the kernel's table."""

import functools
from fractions import Fraction

import numpy as np

from mathcore.matrices.taylor_polynomials import THETA, taylor_4, taylor_8, taylor_15, taylor_21

LARGEST_ORDER = 128
_LARGEST_BY_LANES = 16
_BUFFER_VECTORS = 64  # about: seven buffers fit the first cache
_SHARE = 8  # times what is taken together, for a thread at a time


def expm_of_small(a):
    """e^a of NumPy matrices (..., n, n), 1 < n ≤ `LARGEST_ORDER`, threaded over the batch."""
    from mathcore.matrices._kernels import expm_cpu

    flat = _flat(a)
    out = np.empty_like(flat)
    groups, share = _layout(*flat.shape, a.itemsize)
    numbers = (a.shape[-1], groups, *_kernel_numbers(a.dtype))
    if share >= flat.shape[0]:
        expm_cpu.expm_part(flat, out, 0, flat.shape[0], *numbers)
    else:
        expm_cpu.expm_batch(flat, out, share, *numbers)
    return out.reshape(a.shape)


def expm_and_derivative_of_small(a, e, *, adjoint):
    """e^a and L(a, e), or L(aᵀ, e) where `adjoint`; arguments as those of `expm_of_small`."""
    from mathcore.matrices._kernels import expm_derivative_cpu

    flat = _flat(a)
    value, derivative = np.empty_like(flat), np.empty_like(flat)
    groups, share = _layout(*flat.shape, a.itemsize)
    arrays = (flat, _flat(e), value, derivative, adjoint)
    numbers = (a.shape[-1], groups, *_kernel_numbers(a.dtype))
    if share >= flat.shape[0]:
        expm_derivative_cpu.derivative_part(*arrays, 0, flat.shape[0], *numbers)
    else:
        expm_derivative_cpu.derivative_batch(*arrays, share, *numbers)
    return value.reshape(a.shape), derivative.reshape(a.shape)


def _flat(a):
    return a.reshape(-1, a.shape[-1] ** 2)


def _layout(batch, entries, itemsize):
    """Vectors of matrices to take together (0: one matrix by its rows), matrices in a share.

    Neither depends on the number of threads, so that no result does.
    """
    from mathcore._vectors import VECTOR_BYTES

    lanes = VECTOR_BYTES // itemsize
    if batch < lanes:
        return 0, batch
    if entries > _LARGEST_BY_LANES**2:
        return 0, 1
    groups = max(1, _BUFFER_VECTORS // entries)
    return groups, _SHARE * groups * lanes


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
