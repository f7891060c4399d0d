"""Square root, logarithm and sign of one NumPy matrix from its Schur form A = Z T Zᴴ.

The most accurate way known for a general matrix, at the price of the decomposition. Square roots of
triangular matrices by recursion on halves (Deadman, Higham & Ralha, "Blocked Schur algorithms for
computing the matrix square root", PARA 2012, LNCS 7782 (2013) 171–182); logarithms by inverse
scaling and squaring with exact diagonals (Al-Mohy & Higham, "Improved inverse scaling and squaring
algorithms for the matrix logarithm", SIAM J. Sci. Comput. 34 (2012) C153–C169).
"""

import functools

import numpy as np

# Largest ‖(T − I)^k‖^{1/k} for which the [m/m] Padé approximant of log is exact to double
# precision, m = 1 … 7: Al-Mohy & Higham 2012, table 2.1.
_PADE_THETA = (1.59e-5, 2.31e-3, 1.94e-2, 6.21e-2, 1.28e-1, 2.06e-1, 2.88e-1)
_MOST_ROOTS = 100


def negligible(a):
    """n·u·‖A‖₁: eigenvalues this close to a line cannot be told from points on it."""
    return a.shape[-1] * np.finfo(a.dtype).eps / 2 * np.abs(a).sum(axis=-2).max(axis=-1, initial=0)


def square_root(a):
    """Principal A^{1/2}; ValueError where a zero eigenvalue is defective."""
    t, z, real = _schur(a)
    d = np.diagonal(t)
    tiny = 0.0 if z is None else negligible(a)
    zero = np.abs(d) <= tiny
    # what rounding has put beside zero, not to its right, is a zero of a nearby matrix
    if (zero & ~((d.real > 0) & (d.imag == 0))).any():
        return _singular_square_root(t, z, zero, real)
    return _back(triangular_square_root(t), z, real)


def logarithm(a):
    """Principal log A; ValueError where A is singular."""
    t, z, real = _schur(a)
    d = np.diagonal(t)
    smallest = d[np.argmin(np.abs(d))]
    if np.abs(smallest) <= (0.0 if z is None else negligible(a)):
        raise ValueError(singular_message(smallest))
    return _back(triangular_logarithm(t), z, real)


def sign(a):
    """Sign of A; ValueError where an eigenvalue is imaginary."""
    from scipy.linalg import schur

    kind = "complex" if np.iscomplexobj(a) else "real"
    try:
        t, z, k = schur(a, output=kind, sort="rhp")
    except np.linalg.LinAlgError:  # reordering has moved an eigenvalue across the axis
        t, z, k = a, None, 0
    # the 2 × 2 blocks of LAPACK's real Schur form carry the real part twice on the diagonal
    nearest = np.abs(np.diagonal(t).real).min()
    if z is None or nearest <= (negligible(a) if np.tril(a, -1).any() else 0.0):
        eigenvalues = np.linalg.eigvals(a)
        raise ValueError(imaginary_message(eigenvalues[np.argmin(np.abs(eigenvalues.real))]))
    s = np.diag(np.repeat(np.array([1.0, -1.0], dtype=t.dtype), [k, len(t) - k]))
    s[:k, k:] = _sylvester(t[:k, :k], t[k:, k:], 2 * t[:k, k:], sign=-1)
    return z @ s @ np.conj(z.T)


def singular_message(eigenvalue):
    """What a logarithm says of a singular matrix."""
    return f"`a` must be nonsingular to have a logarithm; got the eigenvalue {eigenvalue:.3g}"


def imaginary_message(eigenvalue):
    """What the sign says of an eigenvalue on the imaginary axis."""
    return f"`a` must have no eigenvalue on the imaginary axis; got the eigenvalue {eigenvalue:.3g}"


def _schur(a):
    """(T, Z, whether a function that is real on real matrices is real here); Z None for T = A."""
    from scipy.linalg import rsf2csf, schur

    real = not np.iscomplexobj(a)
    if not np.tril(a, -1).any():
        return _complex_where_negative(a, None, 0.0)
    t, z = schur(a, output="real" if real else "complex", check_finite=False)
    if not np.diagonal(t, -1).any():
        return _complex_where_negative(t, z, negligible(a))
    single = np.concatenate([[0], np.diagonal(t, -1)]) == 0
    single &= np.concatenate([np.diagonal(t, -1), [0]]) == 0
    real = not (np.diagonal(t)[single] < -negligible(a)).any()
    t, z = rsf2csf(t, z, check_finite=False)
    return t, z, real


def _complex_where_negative(t, z, tiny):
    if np.iscomplexobj(t):
        return t + 0.0, z, False  # no −0: log(−1 − 0i) would be −πi
    d = np.diagonal(t)
    real = not (d < -tiny).any()
    return t.astype(np.result_type(t.dtype, np.complex64)) if (d < 0).any() else t, z, real


def _back(f, z, real):
    f = f if z is None else z @ f @ np.conj(z.T)
    if not real or not np.iscomplexobj(f):
        return f
    # a conjugate pair that rounding has put on the negative axis leaves an imaginary part
    rest, size = np.abs(f.imag).max(), np.abs(f).max()
    return f.real.copy() if rest <= np.sqrt(np.finfo(f.dtype).eps) * size else f


def _sylvester(a, b, c, sign=1):
    """X with A X ± X B = C, A and B (quasi-)triangular."""
    from scipy.linalg.lapack import get_lapack_funcs

    if 0 in c.shape:
        return c
    (trsyl,) = get_lapack_funcs(("trsyl",), (a, b, c))
    x, scale, _ = trsyl(a, b, c, isgn=sign)
    return x / scale


def triangular_square_root(t):
    """Principal square root of a nonsingular upper triangular matrix."""
    if t.dtype.char not in "fdFD":
        return square_root_by_halves(t)
    from mathcore.matrices._kernels.triangular_cpu import transposed_square_root

    return transposed_square_root(t).T


def square_root_by_halves(t):
    """The same by recursion: the off-diagonal block solves R₁ X + X R₂ = T₁₂."""
    n = len(t)
    if n == 1:
        return np.sqrt(t)
    h = n // 2
    r = np.zeros_like(t)
    r[:h, :h] = square_root_by_halves(t[:h, :h])
    r[h:, h:] = square_root_by_halves(t[h:, h:])
    r[:h, h:] = _sylvester(r[:h, :h], r[h:, h:], t[:h, h:])
    return r


def _singular_square_root(t, z, zero, real):
    """Zero eigenvalues last, T = [T₁ B; 0 N] has the root [R R⁻¹B; 0 0] where N = 0."""
    from scipy.linalg import schur, solve_triangular

    if zero.all():
        ordered, q, k = t, np.eye(len(t)), 0
    else:
        t = np.where(np.diag(zero), 0.0, t)
        kind = "complex" if np.iscomplexobj(t) else "real"
        split = np.abs(np.diagonal(t)[~zero]).min() / 2
        ordered, q, k = schur(t, output=kind, sort=lambda re, im=0.0: abs(re + 1j * im) > split)
    nilpotent = ordered[k:, k:]
    # a Jordan block ν would have moved its eigenvalues by √(νu‖A‖), beyond n·u·‖A‖ if ν > n²u‖A‖
    if np.abs(nilpotent).max() > len(t) * negligible(t):
        raise ValueError("`a` must have a square root; got a zero eigenvalue with a Jordan block")
    r = np.zeros_like(ordered)
    if k:
        r[:k, :k] = triangular_square_root(ordered[:k, :k])
        r[:k, k:] = solve_triangular(r[:k, :k], ordered[:k, k:])
    r = np.triu(q @ r @ np.conj(q.T))
    return _back(r, z, real)


def triangular_logarithm(t):
    """Principal logarithm of a nonsingular upper triangular matrix."""
    from scipy.linalg.lapack import get_lapack_funcs

    n, eye = len(t), np.eye(len(t), dtype=t.dtype, order="F")
    root, s, alpha = _near_identity(t)
    r = np.asfortranarray(root - eye)
    np.fill_diagonal(r, _briggs(np.diagonal(t), s))
    _set_superdiagonal(r, _power_differences(t, 0.5**s))
    (trtrs,) = get_lapack_funcs(("trtrs",), (t,))
    log = np.zeros_like(r)
    for x, w in _gauss_legendre(1 + sum(alpha > theta for theta in _PADE_THETA[:-1])):
        log += trtrs(eye + (1 + x) / 2 * r, w / 2 * r, overwrite_b=True)[0]
    log *= 2.0**s
    np.fill_diagonal(log, np.log(np.diagonal(t)))
    _set_superdiagonal(log, _logarithm_differences(t))
    return log if n > 1 else np.log(t)


@functools.cache
def _gauss_legendre(degree):
    nodes, weights = np.polynomial.legendre.leggauss(degree)
    return list(zip(nodes.tolist(), weights.tolist(), strict=True))


def _near_identity(t):
    """(T^{1/2^s}, s, α): the first root with α = max(‖R²‖^{1/2}, ‖R³‖^{1/3}) ≤ θ₇."""
    s, d = 0, np.diagonal(t)
    while np.abs(d - 1).max() > _PADE_THETA[-1] and s < _MOST_ROOTS:
        d, s = np.sqrt(d), s + 1
    for _ in range(s):
        t = triangular_square_root(t)
    while True:
        r = t - np.eye(len(t), dtype=t.dtype)
        r2 = r @ r
        norms = [np.abs(x).sum(axis=0).max() for x in (r2, r2 @ r)]
        alpha = max(norm ** (1 / p) for norm, p in zip(norms, (2, 3), strict=True))
        if alpha <= _PADE_THETA[-1] or s >= _MOST_ROOTS:
            return t, s, alpha
        t, s = triangular_square_root(t), s + 1


def _briggs(d, s):
    """d^{1/2^s} − 1 without cancellation (Al-Mohy, Numer. Algorithms 59 (2012) 393–402)."""
    if s < 2:
        return np.sqrt(d) - 1 if s else d - 1
    turned = np.abs(np.angle(d)) >= np.pi / 2
    first = np.where(turned, np.sqrt(d), d)
    numerator, root, product = first - 1, np.sqrt(first), np.ones_like(first)
    product = product * (1 + root)
    for j in range(1, s):
        following = np.sqrt(root)
        product = np.where(turned & (j == s - 1), product, product * (1 + following))
        root = following
    return numerator / product


def _set_superdiagonal(t, values):
    i = np.arange(len(t) - 1)
    t[i, i + 1] = values


def _neighbours(t):
    d = np.diagonal(t)
    a, b = d[:-1], d[1:]
    total, difference = a + b, b - a
    close = np.abs(difference) <= np.abs(total) / 2
    z = np.where(close, difference / np.where(total == 0, 1, total), 0)
    return a, b, difference, close, z


def _log_ratio(a, b, z):
    """Log b − log a = 2 atanh z + 2πi·(unwinding number), Higham 2008, eq. (11.28)."""
    turns = np.ceil(((np.log(b) - np.log(a)).imag - np.pi) / (2 * np.pi))
    ratio = 2 * np.arctanh(z)
    return ratio + 2j * np.pi * turns if np.iscomplexobj(a) else ratio


def _logarithm_differences(t):
    """Superdiagonal of log T: t₁₂ log[λ₁, λ₂]."""
    a, b, difference, close, z = _neighbours(t)
    rise = np.where(close, _log_ratio(a, b, z), np.log(b) - np.log(a))
    equal = difference == 0
    slope = np.where(equal, 1 / a, rise / np.where(equal, 1, difference))
    return np.diagonal(t, 1) * slope


def _power_differences(t, p):
    """Superdiagonal of T^p: Higham & Lin, SIAM J. Matrix Anal. Appl. 32 (2011), eq. (5.6)."""
    a, b, difference, close, z = _neighbours(t)
    half_sum = np.exp(p / 2 * (np.log(a) + np.log(b)))
    rise = np.where(close, half_sum * 2 * np.sinh(p / 2 * _log_ratio(a, b, z)), b**p - a**p)
    equal = difference == 0
    slope = np.where(equal, p * a ** (p - 1), rise / np.where(equal, 1, difference))
    return np.diagonal(t, 1) * slope
