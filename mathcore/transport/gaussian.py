"""Transport between Gaussians in closed form, plain and entropic."""

from mathcore import _arrays
from mathcore._checks import check_number, check_real, check_square


@_arrays.halves_in_float32
def bures_wasserstein(mean_1, cov_1, mean_2, cov_2):
    """Wasserstein-2 distance between two Gaussians.

    Parameters
    ----------
    mean_1, mean_2 : array (..., d)
        Means.
    cov_1, cov_2 : array (..., d, d)
        Symmetric positive semidefinite; batches broadcast.

    Returns
    -------
    array (...)
        W₂ itself, not its square.

    Raises
    ------
    ValueError
        Shapes do not fit.
    TypeError
        Complex arrays, or arrays of different libraries.

    Notes
    -----
    W₂² = |m₁ − m₂|² + min_U ‖A^½ − B^½ U‖² over orthogonal U, the minimiser from the SVD of
    B^½ A^½. The usual tr A + tr B − 2 tr (A^½ B A^½)^½ is the same number but cancels: near A = B
    it keeps half of the digits of W₂ (POT's ``bures_wasserstein_distance``, OTT's ``Bures``).

    References
    ----------
    .. [1] R. Bhatia, T. Jain, Y. Lim, "On the Bures–Wasserstein distance between positive definite
       matrices", Expo. Math. 37 (2019), eq. (3) and theorem 1.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import bures_wasserstein
    >>> float(bures_wasserstein([0.0], [[1.0]], [3.0], [[25.0]]))  # √(3² + (5 − 1)²)
    5.0
    """
    xp, mean_1, cov_1, mean_2, cov_2 = _gaussians(mean_1, cov_1, mean_2, cov_2)
    root_1, root_2 = _square_root(xp, cov_1), _square_root(xp, cov_2)
    u, _, v_h = xp.linalg.svd(root_2 @ root_1)
    difference = root_1 - root_2 @ (u @ v_h)
    return xp.sqrt(xp.sum((mean_1 - mean_2) ** 2, axis=-1) + xp.sum(difference**2, axis=(-2, -1)))


@_arrays.halves_in_float32
def entropic_gaussian(mean_1, cov_1, mean_2, cov_2, epsilon):
    """Entropic transport value between two Gaussians, for the cost |x − y|².

    Parameters
    ----------
    mean_1, mean_2 : array (..., d)
        Means.
    cov_1, cov_2 : array (..., d, d)
        Symmetric positive semidefinite; batches broadcast.
    epsilon : float
        Positive.

    Returns
    -------
    array (...)
        min ⟨P, C⟩ + ε KL(P ‖ a⊗b): what `sinkhorn` estimates from samples.

    Raises
    ------
    ValueError
        Shapes do not fit or `epsilon` is not positive.
    TypeError
        Complex arrays, or arrays of different libraries.

    Notes
    -----
    With σ² = ε/2 and D = (4 A^½ B A^½ + σ⁴ I)^½ the value is |m₁ − m₂|² + tr(A + B − D) +
    dσ²(1 − log 2σ²) + σ² log det(D + σ² I). It is evaluated from the singular values s of B^½ A^½,
    with r = √(4s² + σ⁴), as |m₁ − m₂|² + tr A + tr B − Σ 4s²/(r + σ²) + σ² Σ log((r + σ²)/2σ²),
    where no terms of the size of σ² cancel as ε grows.

    References
    ----------
    .. [1] H. Janati, B. Muzellec, G. Peyré, M. Cuturi, "Entropic optimal transport between
       unbalanced Gaussian measures has a closed form", NeurIPS 2020, theorem 1.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import entropic_gaussian
    >>> round(float(entropic_gaussian([0.0], [[1.0]], [1.0], [[4.0]], 1.0)), 12)
    3.224356679871
    """
    xp, mean_1, cov_1, mean_2, cov_2 = _gaussians(mean_1, cov_1, mean_2, cov_2)
    half = check_number(epsilon, "epsilon", above=0) / 2
    s = xp.linalg.svdvals(_square_root(xp, cov_2) @ _square_root(xp, cov_1))
    sum_ = _hypotenuse(xp, 2 * s, half) + half
    terms = half * xp.log(sum_ / (2 * half)) - 2 * s * (2 * s / sum_)
    traces = xp.linalg.trace(cov_1) + xp.linalg.trace(cov_2)
    return xp.sum((mean_1 - mean_2) ** 2, axis=-1) + traces + xp.sum(terms, axis=-1)


def _gaussians(mean_1, cov_1, mean_2, cov_2):
    xp, *all_four = _arrays.asarrays(mean_1=mean_1, cov_1=cov_1, mean_2=mean_2, cov_2=cov_2)
    for number, (mean, cov) in enumerate((all_four[:2], all_four[2:]), 1):
        check_real(mean, f"mean_{number}")
        check_square(cov, f"cov_{number}")
        dimension = all_four[0].shape[-1] if all_four[0].ndim else 0
        if mean.ndim < 1 or (mean.shape[-1], cov.shape[-1]) != (dimension, dimension):
            raise ValueError(
                f"`mean_{number}` and `cov_{number}` must have shapes (..., {dimension}) and "
                f"(..., {dimension}, {dimension}); got {tuple(mean.shape)}, {tuple(cov.shape)}"
            )
    return (xp, *all_four)


def _square_root(xp, cov):
    """Symmetric root; eigenvalues that rounding made negative count as zero."""
    values, vectors = xp.linalg.eigh(cov)
    values = xp.where(values > 0, values, 0.0)
    return (vectors * xp.sqrt(values)[..., None, :]) @ xp.matrix_transpose(vectors)


def _hypotenuse(xp, u, v):
    """√(u² + v²) without overflow, u ≥ 0 an array, v > 0 a number."""
    large = xp.where(u > v, u, v)
    small = xp.where(u > v, v, u)
    return large * xp.sqrt(1 + (small / large) ** 2)
