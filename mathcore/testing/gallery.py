"""Named test matrices for functions of matrices, small and hard, as NumPy arrays.

From R. C. Ward, SIAM J. Numer. Anal. 14 (1977) ("ward"), I. Najfeld & T. F. Havel, Adv. Appl. Math.
16 (1995), A. H. Al-Mohy & N. J. Higham, SIAM J. Matrix Anal. Appl. 31 (2009) (overscaling), and the
families of N. J. Higham's Test Matrix Toolbox (1995), written from their definitions.
"""

import numpy as np

_N = 8


def _indices(n=_N):
    i, j = np.indices((n, n)) + 1.0
    return i, j


def _bidiagonal(diagonal, upper):
    return np.diag(np.asarray(diagonal, float)) + np.diag(np.asarray(upper, float), 1)


def _binomials():
    table = np.zeros((_N, _N))
    table[:, 0] = 1.0
    for i in range(1, _N):
        table[i, 1:] = table[i - 1, 1:] + table[i - 1, :-1]
    return table


def _toeplitz(n=_N, **bands):
    offsets = {"low2": -2, "low": -1, "mid": 0, "up": 1, "up2": 2, "up3": 3}
    return sum(
        np.diag(np.full(n - abs(offsets[name]), float(value)), offsets[name])
        for name, value in bands.items()
    )


def _naha95():
    t = np.array([[1.0, 10, 100], [1, 9, 100], [1, 11, 99]])
    return t @ np.diag([-0.001, -1, -100]) @ np.linalg.inv(t)


def _chebyshev_differentiation():
    k = np.arange(_N)
    x = np.cos(np.pi * k / (_N - 1))
    weights = np.where((k == 0) | (k == _N - 1), 2.0, 1.0) * (-1.0) ** k
    d = np.outer(weights, 1 / weights) / (x[:, None] - x + np.eye(_N))
    return d - np.diag(d.sum(axis=1))


def _frank(n=12):
    i, j = _indices(n)
    return np.where(j >= i - 1, n + 1 - np.maximum(i, j), 0.0)


def _hanowa():
    d = np.diag(np.arange(1.0, _N // 2 + 1))
    return np.block([[0 * d, -d], [d, 0 * d]]) - np.eye(_N)


def _structured():
    i, j = _indices()
    k = np.arange(1.0, _N)
    return {
        "cauchy": 1 / (i + j),
        "chow": np.where(j <= i + 1, 1.0, 0.0),
        "clement": np.diag(k, -1) + np.diag(_N - k, 1),
        "chebspec": _chebyshev_differentiation(),
        "circulant": (j - i) % _N / 4,
        "fiedler": np.abs(i - j),
        "forsythe": np.diag(np.ones(9), 1) + np.diag([1e-10], -9),
        "frank": _frank(),
        "gear": _toeplitz(low=1, up=1) + np.where(i - j == 1 - _N, 1, 0) - (i - j == _N - 1),
        "grcar": _toeplitz(20, low=-1, mid=1, up=1, up2=1, up3=1),
        "hanowa": _hanowa(),
        "hilbert": 1 / (i + j - 1),
        "invhess": np.where(j >= i, i, -j),
        "jordan_block": _toeplitz(mid=1, up=1),
        "kahan": np.triu(-np.cos(1.2) * np.ones((_N, _N)), 1) + np.eye(_N),
        "kms": 0.5 ** np.abs(i - j),
        "laplacian": 100 * _toeplitz(low=1, mid=-2, up=1),
        "lehmer": np.minimum(i, j) / np.maximum(i, j),
        "lesp": np.diag(-(2 * np.arange(_N) + 5.0)) + np.diag(1 / (k + 1), -1) + np.diag(k + 1, 1),
        "lotkin": np.where(i == 1, 1.0, 1 / (i + j - 1)),
        "minij": np.minimum(i, j),
        "moler": np.minimum(i, j) - 2.0 + np.where(i == j, 2.0, 0.0),
        "ones": np.ones((10, 10)),
        "parter": 1 / (i - j + 0.5),
        "pascal": _binomials(),
        "pascal_logarithm": np.diag(k, -1),
        "pei": np.ones((_N, _N)) + np.eye(_N),
        "redheff": np.where((j % i == 0) | (j == 1), 1.0, 0.0),
        "riemann": np.where((j + 1) % (i + 1) == 0, i, -1.0),
        "ris": 0.5 / (_N - i - j + 1.5),
        "toeppen": _toeplitz(low2=1, low=-10, up=10, up2=1),
        "tridiagonal": _toeplitz(low=-1, mid=2, up=-1),
        "triw": np.triu(-2 * np.ones((_N, _N)), 1) + np.eye(_N),
        "wilkinson": np.diag(np.abs(np.arange(_N) - (_N - 1) / 2)) + _toeplitz(low=1, up=1),
    }


def _classics():
    rng = np.random.default_rng(0)
    skew = rng.standard_normal((_N, _N))
    rosser = np.array(
        [
            [611.0, 196, -192, 407, -8, -52, -49, 29],
            [196, 899, 113, -192, -71, -43, -8, -44],
            [-192, 113, 899, 196, 61, 49, 8, 52],
            [407, -192, 196, 611, 8, 44, 59, -23],
            [-8, -71, 61, 8, 411, -599, 208, 208],
            [-52, -43, 49, 44, -599, 411, 208, 208],
            [-49, -8, 8, 59, 208, 208, 99, -911],
            [29, -44, 52, -23, 208, 208, -911, 99],
        ]
    )
    return {
        "ward1": np.array([[4.0, 2, 0], [1, 4, 1], [1, 1, 4]]),
        "ward3": np.array([[-131.0, 19, 18], [-390, 56, 54], [-387, 57, 52]]),
        "naha95": _naha95(),
        "jordan": _bidiagonal([0.1, 0.1], [1e6]),
        "rotation": np.array([[0.0, 1e4], [-1e4, 0]]),
        "nilpotent": 100 * np.triu(rng.standard_normal((_N, _N)), 1),
        "overscale": _bidiagonal([1, -1], [1e6]),
        "amh17": _bidiagonal([1, 1], [1e17]),
        "stiff": _bidiagonal([-1, -1e7], [1e7]),
        "near_defective": np.array([[1.0, 1], [1e-16, 1]]),
        "generator": 800 * np.array([[-1.0, 1], [1, -1]]),
        "underflow": _bidiagonal([-800, -800], [1]),
        "rosser": rosser / 100,
        "skew": 50 * (skew - skew.T) / np.abs(skew - skew.T).sum(axis=0).max(),
    }


def matrices():
    """All of them.

    Returns
    -------
    dict of str to ndarray (n, n)
        float64, n from 2 to 20; a new copy each time.

    Examples
    --------
    >>> from mathcore.testing import gallery
    >>> gallery.matrices()["minij"][:2, :2]
    array([[1., 1.],
           [1., 2.]])
    """
    return {**_classics(), **_structured()}
