"""Principal square root, logarithm and sign of matrices.

One text for every array library iterates with products and inverses (`root_iterations`). On NumPy
arrays, where values may be looked at, triangular and Hermitian members of the batch are recognised,
every iterate is certified by its residual, and a member that fails is done again from its Schur
form (`schur_functions`).
"""

import functools
import math

import array_api_compat
import numpy as np

from mathcore import _arrays
from mathcore._checks import check_square
from mathcore.matrices import root_iterations
from mathcore.matrices.eigenvalue_functions import (
    by_diagonal,
    by_eigenvalues,
    logarithm_of_eigenvalues,
    root_of_eigenvalues,
    sign_of_eigenvalues,
)
from mathcore.matrices.inverses import inverse_or_nan

_CHUNK_ENTRIES = 2**14
_MOST_FUSED, _MOST_FUSED_OF_FEW = 16, 32  # orders up to which the kernel is faster than NumPy
_FEW = 4  # members that gain nothing from being iterated together
_SCHUR_ABOVE = 1e4  # condition number beyond which the logarithm needs several roots


@_arrays.halves_in_float32
def sqrtm(a):
    """Principal square root: X² = A, every eigenvalue of X in the closed right half plane.

    Parameters
    ----------
    a : array (..., n, n)
        Real or complex; integers are taken as the library's default float.

    Returns
    -------
    array (..., n, n)
        Same library, dtype and device as `a`; complex where a real NumPy `a` has an eigenvalue on
        the negative real axis. A member with NaN or infinity gives NaN.

    Raises
    ------
    ValueError
        `a` is not square; on NumPy also where a member has no square root to give: a zero
        eigenvalue with a Jordan block.

    Notes
    -----
    Product form of the Denman–Beavers iteration [1]_, ended by a series. It has no values to look
    at under tracing or on a device: there a real matrix with a negative eigenvalue, a singular
    matrix and one whose iteration does not converge give NaN. On NumPy such members, and those with
    ‖X² − A‖ > (4n + 2)·eps·‖A‖, are done by the blocked Schur method [2]_, Hermitian ones by their
    eigenvalues; eigenvalues that rounding puts below zero, by no more than n·u·‖A‖, count as zero,
    so that the root of a singular covariance is real, which ``scipy.linalg.sqrtm`` does not
    promise. Differentiable in torch and JAX.

    References
    ----------
    .. [1] S. H. Cheng, N. J. Higham, C. S. Kenney, A. J. Laub, SIAM J. Matrix Anal. Appl. 22 (2001)
       1112–1125.
    .. [2] E. Deadman, N. J. Higham, R. Ralha, LNCS 7782 (2013) 171–182.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import sqrtm
    >>> sqrtm(np.array([[7.0, 18.0], [6.0, 19.0]])).round(12)
    array([[2., 3.],
           [1., 4.]])
    """
    xp, a = _arrays.asarrays(a=a)
    check_square(a)
    if _arrays.is_numpy(a):
        return _by_member(a, _certified_square_root, root_of_eigenvalues, "square_root")
    return _generic(xp, a, _scaled_square_root)


@_arrays.halves_in_float32
def logm(a):
    """Principal logarithm: e^L = A, every eigenvalue of L with imaginary part in (−π, π].

    Parameters
    ----------
    a : array (..., n, n)
        Nonsingular; real or complex; integers are taken as the library's default float.

    Returns
    -------
    array (..., n, n)
        Same library, dtype and device as `a`; complex where a real NumPy `a` has an eigenvalue on
        the negative real axis. A member with NaN or infinity gives NaN.

    Raises
    ------
    ValueError
        `a` is not square; on NumPy also where a member is singular: exactly if it is triangular, to
        n·u·‖A‖ otherwise.

    Notes
    -----
    Inverse scaling and squaring [1]_: square roots by products and inverses until Gregory's series
    2 artanh((A − I)(A + I)⁻¹) converges quickly in the norm of its sixth power [2]_. On a device or
    under tracing singular matrices, real ones with a negative eigenvalue and those that do not
    converge give NaN; when traced at most 8 roots are taken. On NumPy such members, those with
    ‖e^L − A‖ > (4n + 2)·eps·‖A‖ and, where they are few, those of condition number above 1e4 are
    done from the Schur form [3]_, and Hermitian ones by their eigenvalues. Unlike
    ``scipy.linalg.logm``, which replaces a zero eigenvalue by 1e-20 and warns. Differentiable in
    torch and JAX, neither of which has a logarithm.

    References
    ----------
    .. [1] S. H. Cheng, N. J. Higham, C. S. Kenney, A. J. Laub, SIAM J. Matrix Anal. Appl. 22 (2001)
       1112–1125.
    .. [2] J. R. Cardoso, F. Silva Leite, Appl. Numer. Math. 56 (2006) 253–267.
    .. [3] A. H. Al-Mohy, N. J. Higham, SIAM J. Sci. Comput. 34 (2012) C153–C169.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import logm
    >>> logm(np.array([[1.0, 2.0, 2.0], [0.0, 1.0, 2.0], [0.0, 0.0, 1.0]])).round(12)
    array([[0., 2., 0.],
           [0., 0., 2.],
           [0., 0., 0.]])
    """
    xp, a = _arrays.asarrays(a=a)
    check_square(a)
    if _arrays.is_numpy(a):
        return _by_member(a, _certified_logarithm, logarithm_of_eigenvalues, "logarithm")
    return _generic(xp, a, _scaled_logarithm)


@_arrays.halves_in_float32
def signm(a):
    """Sign: S² = I, S A = A S, eigenvalue ±1 where that of A is to the right or left of zero.

    Parameters
    ----------
    a : array (..., n, n)
        No eigenvalue on the imaginary axis; real or complex; integers are taken as the library's
        default float.

    Returns
    -------
    array (..., n, n)
        Same library, dtype and device as `a`. A member with NaN or infinity gives NaN.

    Raises
    ------
    ValueError
        `a` is not square; on NumPy also where an eigenvalue lies on the imaginary axis: exactly if
        the member is triangular, to n·u·‖A‖ otherwise.

    Notes
    -----
    Newton's iteration with norm scaling [1]_, ended by a series for A (A²)^{−1/2}. Members that do
    not converge give NaN on a device or under tracing. On NumPy they, and those whose S² − I or
    SA − AS is not small to rounding, are done from the ordered Schur form by one Sylvester
    equation. ``scipy.linalg.signm`` returns values for eigenvalues on the axis too.

    References
    ----------
    .. [1] N. J. Higham, Functions of Matrices, SIAM (2008), chapter 5.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import signm
    >>> signm(np.array([[2.0, 5.0], [0.0, -0.5]])).round(12)
    array([[ 1.,  4.],
           [ 0., -1.]])
    """
    xp, a = _arrays.asarrays(a=a)
    check_square(a)
    if _arrays.is_numpy(a):
        return _by_member(a, _certified_sign, sign_of_eigenvalues, "sign")
    return _generic(xp, a, _scaled_sign)


# --- every library ------------------------------------------------------------------------------


def _generic(xp, a, iterate):
    if 0 in a.shape:
        return a
    with np.errstate(all="ignore"):  # array_api_strict warns of members that do not converge
        value, residual = iterate(xp, a)
    # looser than on NumPy: there is no second method to turn to
    certified = residual <= math.sqrt(_arrays.eps(a))
    return xp.where(certified[..., None, None], value, xp.nan)


def _binary_scale(xp, a):
    """Exponent e with 2^{-e} max|a_ij| in [1, 4), even; 0 where it cannot be."""
    size = xp.max(xp.abs(_arrays.detach(a)), axis=(-2, -1))
    usable = xp.isfinite(size) & (size > 0)
    return 2 * xp.floor(xp.log2(xp.where(usable, size, 1.0)) / 2)


def _scaled_square_root(xp, a):
    e = _binary_scale(xp, a)
    scaled = root_iterations.times_power_of_two(xp, a, -e)
    root, residual = root_iterations.square_root(xp, scaled)
    return root_iterations.times_power_of_two(xp, root, e / 2), residual


def _centered(xp, a):
    """(2^{-e} A with norms of it and its inverse alike, e, the condition number)."""
    first = _binary_scale(xp, a)
    b = root_iterations.times_power_of_two(xp, a, -first)
    second, condition = root_iterations.center(xp, b)
    return root_iterations.times_power_of_two(xp, b, -second), first + second, condition


def _shifted(xp, log, exponent):
    """Log 2^e A from log A."""
    shift = (math.log(2.0) * exponent)[..., None, None]
    return log + root_iterations.identity(xp, log) * shift


def _scaled_logarithm(xp, a):
    b, exponent, _ = _centered(xp, a)
    log, converged = root_iterations.logarithm(xp, b)
    residual = xp.where(converged, xp.zeros_like(exponent), xp.inf)
    return _shifted(xp, log, exponent), residual


def _scaled_sign(xp, a):
    scaled = root_iterations.times_power_of_two(xp, a, -_binary_scale(xp, a))
    return root_iterations.sign(xp, scaled)


# --- NumPy: structure, certificates, Schur forms --------------------------------------------------


def _by_member(a, iterate, of_eigenvalues, name):
    """Each member by the way its structure allows; the iteration only where it is certified."""
    if 0 in a.shape:
        return a.copy()
    flat = np.reshape(a, (-1, *a.shape[-2:]))
    clear = _clearly_general(flat)
    if clear:
        value, certified = _in_chunks(iterate, flat)
        if certified.all():
            return value.reshape(a.shape)
    out = np.full_like(flat, np.nan)
    finite = np.isfinite(flat).all(axis=(1, 2))
    no_lower = finite & ~np.tril(flat, -1).any(axis=(1, 2))
    no_upper = finite & ~np.triu(flat, 1).any(axis=(1, 2))
    rest = finite & ~no_lower & ~no_upper
    hermitian = rest & (flat == _arrays.adjoint(flat)).all(axis=(1, 2))
    out = _put(out, hermitian, by_eigenvalues(flat[hermitian], of_eigenvalues))
    diagonal = no_lower & no_upper
    out = _put(out, diagonal, by_diagonal(flat[diagonal], of_eigenvalues))
    general = np.flatnonzero(rest & ~hermitian)
    if clear:
        value, certified = value[general], certified[general]
    else:
        value, certified = _in_chunks(iterate, flat[general])
    out = _put(out, general[certified], value[certified])
    for i in (*general[~certified], *np.flatnonzero(no_lower & ~diagonal)):
        out = _put(out, [i], _schur_form(name)(flat[i])[None])
    for i in np.flatnonzero(no_upper & ~diagonal):
        out = _put(out, [i], _schur_form(name)(flat[i].T).T[None])
    return out.reshape(a.shape)


def _clearly_general(a):
    """Whether two entries of each member show it to be neither triangular nor Hermitian."""
    if a.shape[-1] < 2:
        return False
    lower, upper = a[:, 1, 0], a[:, 0, 1]
    return bool(((lower != 0) & (upper != 0) & (lower != np.conj(upper))).all())


def _in_chunks(iterate, a):
    """Members together, as many as stay in cache: half the time of all of them at once."""
    if not len(a):
        return a, np.zeros(0, dtype=bool)
    length = max(1, _CHUNK_ENTRIES // a.shape[-1] ** 2)
    with np.errstate(all="ignore"):  # members that do not converge overflow
        if len(a) <= length:
            return iterate(a)
        results = [iterate(a[i : i + length]) for i in range(0, len(a), length)]
    values, certified = zip(*results, strict=True)
    return np.concatenate(values), np.concatenate(certified)


def _put(out, members, value):
    """`out` with `value` in its `members`, complex from then on if the value is."""
    if np.iscomplexobj(value) and not np.iscomplexobj(out):
        out = out.astype(value.dtype)
    out[members] = value
    return out


def _schur_form(name):
    from mathcore.matrices import schur_functions

    return getattr(schur_functions, name)


def _norm1(a):
    return root_iterations.norm1(array_api_compat.array_namespace(a), a)


def _certified(a, residual):
    return residual <= (4 * a.shape[-1] + 2) * _arrays.eps(a)


def _regular(a, condition):
    """Not singular to working precision: eigenvalues of such a matrix ask for a closer look."""
    return condition * a.shape[-1] * _arrays.eps(a) < 1


def _certified_square_root(a):
    most = _MOST_FUSED_OF_FEW if len(a) <= _FEW else _MOST_FUSED
    if a.shape[-1] <= most and a.dtype.char in "fdFD":
        root, residual = _fused_square_root(a)
    else:
        root, residual = _scaled_square_root(array_api_compat.array_namespace(a), a)
    return root, _certified(a, residual)


def _fused_square_root(a):
    """`_scaled_square_root` in one kernel call, threaded over the batch."""
    launch, square_roots = _square_root_kernel()
    a = np.ascontiguousarray(a)
    out, residual = np.empty_like(a), np.empty(len(a), a.real.dtype)
    # three terms of the series in the rest reach rounding from there
    near = float(np.finfo(a.dtype).eps) ** (1 / 3)
    launch(square_roots, len(a), len(a) * (1000 + 6 * a.shape[-1] ** 3), a, near, out, residual)
    return out, residual


@functools.cache
def _square_root_kernel():
    from mathcore._compile import launch
    from mathcore.matrices._kernels.square_root_cpu import square_roots

    return launch, square_roots


def _certified_logarithm(a):
    from mathcore.matrices.exponential import expm

    xp = array_api_compat.array_namespace(a)
    b, exponent, condition = _centered(xp, a)
    promising = _regular(a, condition)
    if len(a) <= _FEW:
        promising &= condition <= _SCHUR_ABOVE
    if not promising.any():
        return a, promising
    log, converged = root_iterations.logarithm(xp, b)
    certified = converged & _certified(a, _norm1(expm(log) - b) / _norm1(b))
    return _shifted(xp, log, exponent), certified & promising


def _certified_sign(a):
    value, residual = _scaled_sign(array_api_compat.array_namespace(a), a)
    condition = _norm1(a) * _norm1(inverse_or_nan(a))
    return value, _certified(a, residual) & _regular(a, condition)
