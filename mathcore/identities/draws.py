"""Hypothesis strategies of argument tuples, written with a strategies module handed in at run time.

The records name no test library: ``strategy(strategies, dtype)`` is called by the law.
"""

import numpy as np


def drawn(*ranges, build):
    """A record's strategy: sizes within `ranges`, then ``build(strategies, dtype, *sizes)``."""

    def strategy(strategies, dtype):
        st = strategies.st
        sizes = st.tuples(*(st.integers(least, most) for least, most in ranges))
        return sizes.flatmap(lambda found: st.tuples(*build(strategies, dtype, *found)))

    return strategy


def hermitian_part(a):
    """(A + Aᴴ) / 2."""
    return (a + np.conj(np.swapaxes(a, -1, -2))) / 2


def antisymmetric_part(a):
    """(A − Aᵀ) / 2, without conjugation."""
    return (a - np.swapaxes(a, -1, -2)) / 2


def shifted(a):
    """A + cI with a c that keeps every A of entries within ±1 away from singular."""
    n = a.shape[-1]
    return a + (2.0 * n + 1) * np.eye(n, dtype=a.dtype)


def of_rank(strategies, dtype, n, deficiency):
    """n × n matrices of rank n − `deficiency` (0 at least), singular values of size one."""
    rank = max(n - deficiency, 0)
    left = strategies.matrices(rank, dtype, m=n, condition=4.0)
    right = strategies.matrices(n, dtype, m=rank, condition=4.0)
    return strategies.st.tuples(left, right).map(lambda pair: pair[0] @ pair[1])


def scattered(strategies, dtype, n, offset=0.0):
    """n nodes in the order of their indices, a quarter of a step or more apart."""
    steps = np.arange(n).astype(dtype)
    jitter = strategies.matrices(n, dtype, m=1, bound=0.375)
    return jitter.map(lambda row: row[0] + steps + np.asarray(offset, dtype=dtype))
