"""A step table made ready to be walked: what each stage combines, without zeros."""

from typing import Any, NamedTuple

import numpy as np

_TERMS, _DTYPES = 5, (np.dtype("f4"), np.dtype("f8"))  # of the CPU kernels


class Combination(NamedTuple):
    """A stage as one sum over arrays: x, some D, the draw ξ, some differences point − D.

    `data` and `differences` say which of the latest, 0 being the newest; the newest difference is
    the last of the sum. `keeps` says that the newest difference is used, here or later.
    `kernel_weights` holds the weights for each dtype of the CPU kernels, with zeros in between.
    """

    sigma: float
    weights: tuple
    data: tuple
    differences: tuple
    noisy: bool
    evaluates: bool
    keeps: bool
    kernel_weights: Any


class Plan(NamedTuple):
    """The table, its combinations, and how many D and earlier differences they look back on.

    `fusible`: the CPU kernels can do it, which sum either D and ξ or differences.
    """

    table: tuple
    steps: tuple
    data_memory: int
    difference_memory: int
    noisy: bool
    fusible: bool


def planned(table):
    """The plan of a step table."""
    memory, last = _look_back(table)
    sigmas, steps = [], []
    for stages in table:
        combinations = []
        for stage in stages:
            if stage.weights or stage.slopes:
                sigmas.insert(0, stage.sigma)
            combinations.append(_combination(stage, sigmas, memory, last))
        steps.append(tuple(combinations))
    flat = [one for combinations in steps for one in combinations]
    return Plan(
        table,
        tuple(steps),
        1 + max((i for one in flat for i in one.data), default=-1),
        memory,
        any(one.noisy for one in flat),
        all(map(_is_fusible, flat)),
    )


def _look_back(table):
    """How many earlier differences are kept, and the number of the last evaluation that has one."""
    memory = last = number = 0
    for stage in (stage for stages in table for stage in stages):
        number += bool(stage.weights or stage.slopes)
        for i, slope in enumerate(stage.slopes):
            if slope != 0.0:
                memory, last = max(memory, i, 1), max(last, number - i)
    return memory, last


def _combination(stage, sigmas, memory, last):
    """`sigmas` are the levels of the evaluations so far, the latest first: ε = difference/σ."""
    data = tuple(i for i, weight in enumerate(stage.weights) if weight != 0.0)
    differences = tuple(i for i, slope in enumerate(stage.slopes) if slope != 0.0)[::-1]
    noisy = stage.noise != 0.0
    slopes = {i: stage.slopes[i] / sigmas[i] for i in differences}
    sums = (
        stage.decay,
        *(stage.weights[i] for i in data),
        *([stage.noise] if noisy else []),
    )
    evaluates = bool(stage.weights or stage.slopes)
    keeps = evaluates and (len(sigmas) <= last or bool(differences))
    last_terms = [slopes.get(i, 0.0) for i in range(memory, -1, -1)] if keeps else []
    padding = [0.0] * (_TERMS - len(sums) - len(last_terms))
    filled = np.asarray([*sums, *last_terms[:-1], *padding, *last_terms[-1:]])
    with np.errstate(over="ignore"):  # beyond float32: the state will be too, and that is reported
        kernel_weights = {dtype: filled.astype(dtype) for dtype in _DTYPES}
    return Combination(
        stage.sigma,
        (*sums, *slopes.values()),
        data,
        differences,
        noisy,
        evaluates,
        keeps,
        kernel_weights,
    )


def _is_fusible(one):
    if len(next(iter(one.kernel_weights.values()))) > _TERMS:
        return False
    return not (one.data or one.noisy) if one.keeps else not one.differences
