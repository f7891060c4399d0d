"""References and edges of adjugates, normals, pseudo-determinants, updates and Pfaffians."""

import fractions
import math

import numpy as np
import pytest

from mathcore import _arrays, det, distance_to_span, slogdet
from mathcore.matrices.adjugates import adjugate, generalized_cross
from mathcore.matrices.determinant_updates import inverse_update, slogdet_update
from mathcore.matrices.pfaffians import pfaffian, slogpfaffian
from mathcore.matrices.pseudo_determinants import pseudo_slogdet


def _in(xp, a):
    return xp.asarray(a.tolist(), dtype=getattr(xp, a.dtype.name))


def _exact_determinant(rows):
    if not rows:
        return fractions.Fraction(1)
    minors = [[row[:j] + row[j + 1 :] for row in rows[1:]] for j in range(len(rows))]
    return sum((-1) ** j * rows[0][j] * _exact_determinant(m) for j, m in enumerate(minors))


def _exact_adjugate(a):
    rows, n = [[fractions.Fraction(x) for x in row] for row in a.tolist()], range(len(a))
    return [
        [
            (-1) ** (i + j)
            * _exact_determinant([row[:i] + row[i + 1 :] for r, row in enumerate(rows) if r != j])
            for j in n
        ]
        for i in n
    ]


RNG = np.random.default_rng(0)
SINGULAR = {
    "integers": np.arange(1.0, 10.0).reshape(3, 3),
    "rank one less": RNG.standard_normal((4, 3)) @ RNG.standard_normal((3, 4)),
    "nearly singular": np.diag([1.0, 1e-17, 1.0]) + np.eye(3, k=1),
    "badly scaled": np.diag([1e200, 1e-200, 3.0]),
    "small": 1e-100 * RNG.standard_normal((3, 3)),
    "nilpotent": np.eye(5, k=1),
}


@pytest.mark.parametrize("name", SINGULAR)
def test_adjugate_against_minors(name, xp):
    a = SINGULAR[name]
    exact = np.array([[float(x) for x in row] for row in _exact_adjugate(a)])
    found = _arrays.to_numpy(adjugate(_in(xp, a)))
    assert np.abs(found - exact).max() <= 1e-14 * np.abs(exact).max()


def test_adjugate_of_orders_zero_and_one_and_of_no_member(xp):
    np.testing.assert_array_equal(
        _arrays.to_numpy(adjugate(xp.zeros((2, 1, 1)))), np.ones((2, 1, 1))
    )
    assert adjugate(xp.zeros((2, 0, 0))).shape == (2, 0, 0)
    assert adjugate(xp.zeros((0, 3, 3))).shape == (0, 3, 3)


@pytest.mark.parametrize("function", [adjugate, pseudo_slogdet])
def test_nan_stays_in_its_member(function, xp):
    a = np.stack([np.eye(3), np.full((3, 3), np.nan), np.diag([1.0, np.inf, 1.0])])
    results = function(_in(xp, a))
    values = _arrays.to_numpy(results if function is adjugate else results.logabsdet)
    assert np.isfinite(values[0]).all() and np.isnan(values[1:]).all()


def test_generalized_cross_is_the_cross_product(xp):
    x, y = RNG.standard_normal((2, 3))
    found = generalized_cross(_in(xp, np.stack([x, y], axis=1)))
    np.testing.assert_allclose(_arrays.to_numpy(found), np.cross(x, y), atol=1e-14)
    turned = generalized_cross(xp.asarray([[3.0], [4.0]]))
    np.testing.assert_allclose(_arrays.to_numpy(turned), [-4.0, 3.0], rtol=1e-6)
    np.testing.assert_array_equal(_arrays.to_numpy(generalized_cross(xp.zeros((1, 0)))), [1.0])


def test_generalized_cross_needs_one_column_less():
    with pytest.raises(ValueError, match=r"`a` must have shape \(..., n, n - 1\)"):
        generalized_cross(np.eye(3))


def test_pseudo_determinant_of_hermitian_matrices(xp):
    q = np.linalg.qr(RNG.standard_normal((5, 5)) + 1j * RNG.standard_normal((5, 5)))[0]
    for values in ([2.0, -3.0, 0.5, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0, 0.0], [-1.0] * 5):
        a = (q * values) @ q.conj().T
        sign, log, rank = pseudo_slogdet(_in(xp, (a + a.conj().T) / 2), rtol=1e-13)
        kept = [x for x in values if x]
        assert abs(complex(sign) - np.sign(np.prod(kept))) <= 1e-14
        assert abs(float(log) - np.log(np.abs(kept)).sum()) <= 1e-13
        assert int(rank) == len(kept)


def test_pseudo_determinant_extends_the_determinant(xp):
    a = _in(xp, RNG.standard_normal((3, 4, 4)))
    for found, expected in zip(pseudo_slogdet(a)[:2], slogdet(a), strict=True):
        np.testing.assert_allclose(_arrays.to_numpy(found), _arrays.to_numpy(expected), atol=1e-13)
    sign, log, rank = pseudo_slogdet(xp.zeros((2, 3)))
    assert (float(sign), float(log), int(rank)) == (1.0, 0.0, 0)
    assert [int(x) for x in pseudo_slogdet(xp.zeros((0, 2))).rank.shape] == []
    assert float(pseudo_slogdet(_in(xp, np.eye(3, k=1))).sign) == 1.0  # 0 is defective
    with pytest.raises(ValueError, match="`rtol` must be finite and >= 0"):
        pseudo_slogdet(a, rtol=-1.0)


def test_a_walk_of_updates(xp):
    a = 4 * np.eye(6) + RNG.standard_normal((6, 6))
    current, inverse = slogdet(_in(xp, a)), _in(xp, np.linalg.inv(a))
    for _ in range(20):
        u, v = RNG.standard_normal((2, 6, 2)) / 3
        a = a + u @ v.T
        current = slogdet_update(current, inverse, _in(xp, u), _in(xp, v))
        inverse = inverse_update(inverse, _in(xp, u), _in(xp, v))
    exact = np.linalg.slogdet(a)
    assert float(current.sign) == exact.sign
    assert abs(float(current.logabsdet) - exact.logabsdet) <= 1e-10
    np.testing.assert_allclose(_arrays.to_numpy(inverse), np.linalg.inv(a), atol=1e-10)


def test_an_update_to_a_singular_matrix(xp):
    e = _in(xp, np.eye(3)[:, :1])
    sign, log = slogdet_update(slogdet(xp.eye(3, dtype=e.dtype)), xp.eye(3, dtype=e.dtype), -e, e)
    assert (float(sign), float(log)) == (0.0, -math.inf)
    assert np.isnan(_arrays.to_numpy(inverse_update(xp.eye(3, dtype=e.dtype), -e, e))).any()


def test_updates_must_fit():
    with pytest.raises(ValueError, match="`v` must have the rows and columns of `u`"):
        slogdet_update((1.0, 0.0), np.eye(3), np.ones((3, 1)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="`solve_a` must have the order 3"):
        slogdet_update((1.0, 0.0), np.eye(2), np.ones((3, 1)), np.ones((3, 1)))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6])
def test_pfaffian_of_ones_above_the_diagonal(n, xp):
    a = np.triu(np.ones((n, n)), 1)
    expected = 0.0 if n % 2 else 1.0  # the alternating sum over all perfect matchings
    assert abs(float(pfaffian(_in(xp, a - a.T))) - expected) <= 1e-13


def test_pfaffian_of_no_rows_and_of_no_member(xp):
    np.testing.assert_array_equal(_arrays.to_numpy(pfaffian(xp.zeros((2, 0, 0)))), [1.0, 1.0])
    assert pfaffian(xp.zeros((0, 4, 4))).shape == (0,)


def test_pfaffian_far_beyond_the_range_of_floats(xp):
    blocks = np.kron(np.diag([1e200, 1e-200] * 2), np.array([[0.0, 1.0], [-1.0, 0.0]]))
    assert abs(float(pfaffian(_in(xp, blocks))) - 1.0) <= 1e-13
    sign, log = slogpfaffian(_in(xp, blocks * 1e100))
    assert (float(sign), round(float(log) / math.log(10))) == (1.0, 400)
    sign, log = slogpfaffian(_in(xp, np.zeros((2, 4, 4))))
    np.testing.assert_array_equal(_arrays.to_numpy(sign), [0.0, 0.0])
    np.testing.assert_array_equal(_arrays.to_numpy(log), [-np.inf, -np.inf])


def test_pfaffian_refuses_what_is_not_skew():
    with pytest.raises(ValueError, match="`a` must be skew-symmetric; got a"):
        pfaffian(np.eye(2))


def test_dtypes_are_kept(xp):
    a = _in(xp, np.array([[0.0, 2.0], [-2.0, 0.0]]).astype("complex64"))
    results = [adjugate(a), slogpfaffian(a).sign, pseudo_slogdet(a).sign, inverse_update(a, a, a)]
    assert {x.dtype for x in results} == {a.dtype}
    assert pseudo_slogdet(a).logabsdet.dtype == slogpfaffian(a).logabspfaffian.dtype == xp.float32


def test_volumes_that_only_their_factors_overflow(xp):
    a = np.vstack([np.diag([1e300, 1e-300, 1e200, 1e-200]), np.zeros((1, 4))])
    for side in (a, a.T):
        assert abs(float(det(_in(xp, side))) - 1.0) <= 1e-14


def test_distance_broadcasts_and_vanishes_inside(xp):
    b = _in(xp, RNG.standard_normal((5, 2)))
    x = xp.stack([b[:, 0], b[:, 0] + b[:, 1]])
    assert float(xp.max(distance_to_span(x, b))) <= 1e-14
