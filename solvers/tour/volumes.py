"""Step 2: the determinant of a non-square matrix is a volume, here one spanned by digits."""

import math

import numpy as np

from mathcore import det, distance_to_span, slogdet
from solvers.tour.data import digits
from solvers.tour.figures import BLUE, GREY, ORANGE, figure, save, show_digits
from solvers.tour.rows import Row

TITLE = "2  The determinant of a non-square matrix: the volume that k handwritten digits span"
REMARK = (
    "Each digit is its 64 pixels, scaled to length 1; k of them make a 64 × k matrix. The held-out "
    "digit\nis one more; its distance to their span falls as their span grows."
)


def step(out, quick):
    """Volumes for growing k, the distance of a held-out digit, and where dependence sets in."""
    pixels = digits()
    pixels /= np.linalg.norm(pixels, axis=1, keepdims=True)
    held_out = pixels[-1]
    rank = _first_dependent(pixels)
    counts = list(range(1, rank + 1))
    log_volumes = [float(slogdet(pixels[:k].T).logabsdet) / math.log(10) for k in counts]
    distances = [float(distance_to_span(held_out, pixels[:k].T)) for k in counts]
    for k in (1, 2, 10, 20, 40):
        yield Row(
            f"volume of {k} digit{'s' * (k > 1)} (64 × {k})",
            f"{10 ** log_volumes[k - 1]:.3g}",
            f"held-out digit at distance {distances[k - 1]:.3f}",
        )
    k = 20
    quotient = float(det(np.vstack([pixels[:k], held_out]).T) / det(pixels[:k].T))
    yield Row(
        "distance at k = 20 as a quotient of volumes",
        f"{quotient:.12f}",
        f"by projection {distances[k - 1]:.12f}",
        abs(quotient - distances[k - 1]) <= 1e-12,
    )
    zero = float(det(pixels[: rank + 1].T))
    yield Row(
        f"volume of {rank + 1} digits",
        f"{zero:.1e}",
        "0 to rounding: linearly dependent",
        zero < 1e-12 * 10 ** log_volumes[-1],
    )
    _draw(out, pixels, held_out, counts, log_volumes, distances)


def _first_dependent(pixels):
    """How many digits, in this order, are linearly independent before one depends on the others."""
    k = 1
    while np.linalg.matrix_rank(pixels[: k + 1]) == k + 1:
        k += 1
    return k


def _draw(out, pixels, held_out, counts, log_volumes, distances):
    drawing, axes = figure(ncols=3, width=11.0, width_ratios=[1, 1, 1.15])
    axes[0].plot(counts, log_volumes, color=BLUE)
    axes[0].set(title="log₁₀ volume of k digits", xlabel="k")
    axes[1].plot(counts, distances, color=ORANGE)
    axes[1].axhline(0, color=GREY, linewidth=0.8)
    axes[1].set(title="Distance of a held-out digit to their span", xlabel="k", ylim=(-0.02, None))
    shown = [held_out]
    for k in (1, 5, 20, 40, counts[-1]):
        basis, _ = np.linalg.qr(pixels[:k].T)
        shown.append(basis @ (basis.T @ held_out))
    show_digits(axes[2], [2 * v / held_out.max() - 1 for v in shown], columns=3)
    axes[2].set_title(f"The digit, then its nearest point\nfor k = 1, 5 | 20, 40, {counts[-1]}")
    save(drawing, out, "2_volume_of_digits.png")
