"""Score identities that distil a diffusion model into a one-step generator: SiD and FGM.

A generator's sample x₀ is noised to x = x₀ + σξ. The teacher's noise prediction is ε_φ(x), that of
the generator's own distribution ε_ψ(x), which is trained beside it, and ε = ξ is the noise added.
"""

from typing import Any, NamedTuple

from mathcore import _arrays
from mathcore._checks import check_number


class IdentityLosses(NamedTuple):
    """Both sides of the identity, each a mean over the batch; they agree in expectation.

    Attributes
    ----------
    squared : array ()
        L1 = E‖ε_φ − ε_ψ‖².
    projected : array ()
        L2 = E⟨ε_φ − ε_ψ, ε_φ − ε⟩.
    """

    squared: Any
    projected: Any


def identity_losses(eps_teacher, eps_generator, noise):
    """L1 = E‖ε_φ − ε_ψ‖² and L2 = E⟨ε_φ − ε_ψ, ε_φ − ε⟩, equal if ε_ψ is the generator's own.

    Parameters
    ----------
    eps_teacher : array (batch, ...)
        ε_φ(x), the teacher's noise prediction; gradients flow through x.
    eps_generator : array (batch, ...)
        ε_ψ(x), with the parameters ψ held fixed and x not.
    noise : array (batch, ...)
        The noise in x.

    Returns
    -------
    IdentityLosses
        ``squared`` and ``projected``, arrays of shape ().

    Raises
    ------
    ValueError
        The shapes differ or the batch is empty.
    TypeError
        The libraries differ.

    Notes
    -----
    ε_ψ(x) = E[ε | x] makes E⟨g(x), ε_ψ − ε⟩ = 0 for every g, hence L1 = L2. Their gradients in the
    generator differ as soon as ψ, which depends on the generator, is held fixed: that of L1 alone
    may even have the wrong sign. 2 L2 − L1 (`fgm_loss`) has the true one.

    References
    ----------
    .. [1] M. Zhou et al., "Score identity distillation", ICML 2024, arXiv 2404.04057.
    .. [2] Z. Huang et al., "Flow generator matching", arXiv 2410.19310.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import identity_losses
    >>> losses = identity_losses(np.ones((2, 3)), np.zeros((2, 3)), np.zeros((2, 3)))
    >>> float(losses.squared), float(losses.projected)
    (3.0, 3.0)
    """
    xp, teacher, generator, noise = _arrays.asarrays(
        eps_teacher=eps_teacher, eps_generator=eps_generator, noise=noise
    )
    shapes = {tuple(part.shape) for part in (teacher, generator, noise)}
    if len(shapes) > 1 or teacher.ndim == 0 or teacher.shape[0] == 0:
        raise ValueError(
            f"`eps_teacher`, `eps_generator` and `noise` must have one shape (batch, ...) with "
            f"batch >= 1; got {sorted(shapes)}"
        )
    gap, batch = teacher - generator, teacher.shape[0]
    return IdentityLosses(xp.sum(gap * gap) / batch, xp.sum(gap * (teacher - noise)) / batch)


def sid_loss(eps_teacher, eps_generator, noise, *, weight=1.0):
    """Loss of score identity distillation, L2 − λ L1.

    Parameters
    ----------
    eps_teacher, eps_generator, noise : array (batch, ...)
        As in `identity_losses`.
    weight : float, optional
        λ; the paper takes 1 to 1.2 (its α). 1/2 has the true gradient, times 1/2.

    Returns
    -------
    array ()

    Raises
    ------
    ValueError, TypeError
        As `identity_losses`.

    References
    ----------
    .. [1] M. Zhou et al., "Score identity distillation", ICML 2024, arXiv 2404.04057, eq. (23).

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import sid_loss
    >>> float(sid_loss(np.ones((2, 3)), np.zeros((2, 3)), np.zeros((2, 3)), weight=0.5))
    1.5
    """
    weight = check_number(weight, "weight")
    losses = identity_losses(eps_teacher, eps_generator, noise)
    return losses.projected - weight * losses.squared


def fgm_loss(eps_teacher, eps_generator, noise):
    """Loss of flow generator matching, 2 L2 − L1: under fixed ψ it has the gradient of L1.

    Parameters
    ----------
    eps_teacher, eps_generator, noise : array (batch, ...)
        As in `identity_losses`.

    Returns
    -------
    array ()

    Raises
    ------
    ValueError, TypeError
        As `identity_losses`.

    References
    ----------
    .. [1] Z. Huang et al., "Flow generator matching", arXiv 2410.19310.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import fgm_loss
    >>> float(fgm_loss(np.ones((2, 3)), np.zeros((2, 3)), np.zeros((2, 3))))
    3.0
    """
    return 2.0 * sid_loss(eps_teacher, eps_generator, noise, weight=0.5)
