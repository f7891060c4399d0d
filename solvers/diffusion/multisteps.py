"""Multistep methods in the half-logarithmic variable λ: DPM-Solver++ and UniPC.

One evaluation a step; the first steps, which have too few before them, take the method of lower
order.
"""

import math

import numpy as np

from solvers.diffusion.steps import Stage, padded, phi, to_zero


def dpmpp_2m(step):
    """Lu et al., "DPM-Solver++", arXiv 2211.01095, Algorithm 2: D extrapolated to mid-step."""
    if step.b == 0.0:
        return to_zero(step, weights=2)
    return (Stage(step.a, step.b / step.a, padded(_two_point_weights(step), 2)),)


def _two_point_weights(step):
    weight = (step.a - step.b) / step.a  # 1 − e^{−h}
    if step.previous is None:
        return (weight,)
    slope = step.h / (2 * step.previous.h)
    return (weight * (1 + slope), -weight * slope)


def dpmpp_3m(step, variant):
    """The third-order form; "published" counts the second difference of D for half of what it is.

    D2 = (A − B)/(r₀ + r₁) tends to h²D″/2, so that the series of the exact integral asks for
    −2φ₃ D2, "consistent", where all published code has −φ₃ D2.
    """
    if step.b == 0.0:
        return to_zero(step, weights=3)
    if step.index < 2:
        weights = _two_point_weights(step)
    else:
        h = step.h
        r0, r1 = step.previous.h / h, step.previous.previous.h / h
        phi2, phi3 = h * phi(2, -h), -h * phi(3, -h)
        g, bend = r0 / (r0 + r1), {"published": 1, "consistent": 2}[variant] * phi3 / (r0 + r1)
        on_a, on_b = phi2 * (1 + g) - bend, bend - phi2 * g  # A = (D0 − D1)/r0, B = (D1 − D2)/r1
        weights = (
            (step.a - step.b) / step.a + on_a / r0,
            on_b / r1 - on_a / r0,
            -on_b / r1,
        )
    return (Stage(step.a, step.b / step.a, padded(weights, 3)),)


def unipc(step, order, predict, variant):
    """Zhao et al., "UniPC", NeurIPS 2023, arXiv 2302.04867: predictor and corrector at one cost.

    The corrected state x^c of a step differs from the predicted one y by a combination of
    evaluations, and the next prediction is decay·x^c + …; so y alone is carried, and the
    correction is added to the next step's weights. The last step is therefore not corrected.
    """
    in_data = predict == "x0"
    kind = {"weights": order + 1} if in_data else {"slopes": order + 1}
    if step.b == 0.0:
        return to_zero(step, **kind)
    predicted, _ = _unipc_weights(step, order, in_data, variant)
    decay = step.b / step.a if in_data else 1.0
    total = np.asarray(padded(predicted, order + 1))
    if step.previous is not None:
        _, correction = _unipc_weights(step.previous, order, in_data, variant)
        total += decay * np.asarray(padded(correction, order + 1))
    total = tuple(total.tolist())
    if in_data:
        return (Stage(step.a, decay, total),)
    return (Stage(step.a, 1.0, (0.0,), total),)


def _unipc_weights(step, order, in_data, variant):
    """Weights of m₀, m₋₁, … in the prediction, and of m_b, m₀, m₋₁, … in corrected − predicted."""
    h, p = step.h, min(order, step.index + 1)
    z, scale = (-h, 1.0) if in_data else (h, step.b)
    growth = math.expm1(z) if variant == "bh2" else z  # B(h)
    r = _nodes(step, p)
    powers = r ** np.arange(p)[:, None]  # R_ij = r_j^{i−1}
    b = np.asarray([math.factorial(i) * z * phi(i + 1, z) / growth for i in range(1, p + 1)])
    half = np.asarray([0.5])
    predictor = half if p == 2 else np.linalg.solve(powers[:-1, :-1], b[:-1])
    corrector = half if p == 1 else np.linalg.solve(powers, b)
    predictor = np.append(predictor, 0.0)  # m_b has no part in it
    predicted = _on_values(-scale * growth * predictor / r)[1:]
    predicted[0] -= scale * math.expm1(z)
    return predicted, _on_values(-scale * growth * (corrector - predictor) / r)


def _nodes(step, p):
    """r_k = (λ₋ₖ − λ₀)/h for k = 1 … p − 1, then r_p = 1, the end of the step."""
    r, distance, earlier = [], 0.0, step.previous
    for _ in range(p - 1):
        distance += earlier.h
        r.append(-distance / step.h)
        earlier = earlier.previous
    return np.asarray([*r, 1.0])


def _on_values(on_differences):
    """Weights of m_b, m₀, m₋₁, … from those of m₋₁ − m₀, …, m_b − m₀."""
    *past, end = on_differences
    return np.asarray([end, -(sum(past) + end), *past])
