"""A step table made ready to be walked: what each stage combines, without zeros."""

from typing import Any, NamedTuple

import numpy as np


class Combination(NamedTuple):
    """A stage as one sum over arrays: x, some D, the draw ξ, some differences point − D.

    `data` and `differences` say which of the latest, 0 being the newest; the newest difference is
    the last of the sum. `kernel_weights` holds the weights for each dtype of the CPU kernels, five
    of them with zeros in between.
    """

    sigma: float
    weights: tuple
    data: tuple
    differences: tuple
    noisy: bool
    evaluates: bool
    kernel_weights: Any


class Plan(NamedTuple):
    """The table, its combinations, and how many D and differences they look back on."""

    table: tuple
    steps: tuple
    data_memory: int
    difference_memory: int
    noisy: bool


def planned(table):
    """The plan of a step table."""
    sigmas, steps = [], []
    for stages in table:
        combinations = []
        for stage in stages:
            if stage.weights or stage.slopes:
                sigmas.insert(0, stage.sigma)
            combinations.append(_combination(stage, sigmas))
        steps.append(tuple(combinations))
    flat = [one for combinations in steps for one in combinations]
    return Plan(
        table,
        tuple(steps),
        1 + max((i for one in flat for i in one.data), default=-1),
        1 + max((i for one in flat for i in one.differences), default=-1),
        any(one.noisy for one in flat),
    )


def _combination(stage, sigmas):
    """`sigmas` are the levels of the evaluations so far, the latest first: ε = difference/σ."""
    data = tuple(i for i, weight in enumerate(stage.weights) if weight != 0.0)
    differences = tuple(i for i, slope in enumerate(stage.slopes) if slope != 0.0)[::-1]
    noisy = stage.noise != 0.0
    weights = (
        stage.decay,
        *(stage.weights[i] for i in data),
        *([stage.noise] if noisy else []),
        *(stage.slopes[i] / sigmas[i] for i in differences),
    )
    evaluates = bool(stage.weights or stage.slopes)
    kernel_weights = {np.dtype(d): _five(weights, differences, d) for d in ("f4", "f8")}
    return Combination(stage.sigma, weights, data, differences, noisy, evaluates, kernel_weights)


def _five(weights, differences, dtype):
    """The kernels take five terms, the newest difference, where there is one, as the fifth."""
    last = 1 if differences[-1:] == (0,) else 0
    split = len(weights) - last
    zeros = [0.0] * (5 - len(weights))
    return np.asarray([*weights[:split], *zeros, *weights[split:]], dtype=dtype)
