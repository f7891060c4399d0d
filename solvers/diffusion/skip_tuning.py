"""Skip-tuning: the skip connections of a diffusion U-Net scaled at sampling time, without training.

Ma et al., "The surprising effectiveness of skip-tuning in diffusion sampling", ICML 2024, arXiv
2402.15170.
"""

from mathcore import _arrays
from mathcore._checks import check_number


def scale_skips(skips, rho_bottom, rho_top=1.0):
    """Multiply the skip features of a U-Net by ρ_i, linear from the bottom to the top.

    Parameters
    ----------
    skips : sequence of arrays
        In the order the decoder takes them: the first joins next to the bottleneck, the last next
        to the output. Arrays of any library, shape and dtype.
    rho_bottom : float
        Factor of the first; below 1 in the paper.
    rho_top : float, optional
        Factor of the last.

    Returns
    -------
    list of arrays
        ρ_i·skips[i] with ρ_i = ρ_bottom + (ρ_top − ρ_bottom)·i/k, i = 0 … k, where k + 1 is the
        number of skips; a single skip takes ρ_bottom. Library, dtype and device are kept.

    Raises
    ------
    TypeError
        `rho_bottom` or `rho_top` is not a number, or a skip is not an array.
    ValueError
        One of them is not finite.

    Notes
    -----
    Definition 3.1 of the paper, for a network whose forward pass one writes oneself; the decoder
    then concatenates ρ_i d_i with its backbone features as it did d_i. The paper found the best
    ρ_bottom below 1; networks of another training may want it above, so search on both sides.

    Examples
    --------
    >>> import numpy as np
    >>> from solvers import scale_skips
    >>> [float(skip[0]) for skip in scale_skips([np.ones(1), np.ones(1), np.ones(1)], 0.5)]
    [0.5, 0.75, 1.0]
    """
    rho_bottom = check_number(rho_bottom, "rho_bottom")
    rho_top = check_number(rho_top, "rho_top")
    skips = list(skips)
    for i, skip in enumerate(skips):
        if not _arrays.is_array(skip):
            raise TypeError(f"`skips[{i}]` must be an array; got {type(skip).__name__}")
    return [skip_factor(rho_bottom, rho_top, len(skips), i) * skip for i, skip in enumerate(skips)]


def skip_factor(rho_bottom, rho_top, n_skips, i):
    """ρ_i of definition 3.1."""
    if 0 < i == n_skips - 1:
        return rho_top
    return rho_bottom + (rho_top - rho_bottom) * (i / max(n_skips - 1, 1))
