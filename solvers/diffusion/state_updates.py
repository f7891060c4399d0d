"""The state of a sampler and what was evaluated on the way to it.

A stage is one linear combination. It runs as one pass over memory where the arrays can share it
with NumPy (NumPy itself, torch on the CPU without gradients), operation by operation elsewhere.
"""

import numpy as np

from mathcore import _arrays


def weighted_sum(weights, arrays):
    """Σ w·a in the order given."""
    with np.errstate(over="ignore", invalid="ignore"):  # the walk looks for what is not finite
        total = weights[0] * arrays[0]
        for weight, array in zip(weights[1:], arrays[1:], strict=True):
            total = total + weight * array
    return total


class Trail:
    """Where a walk stands: the state x, the point to be evaluated, and the values found so far.

    `shared` says that all arrays are flat NumPy views of the library's memory.
    """

    def __init__(self, x, plan):
        self._data_memory, self._difference_memory = plan.data_memory, plan.difference_memory
        self._data, self._differences = [], []  # D; point − D; the latest first
        self._xi = None
        self._shape, self._like = tuple(x.shape), x
        view = _flat_view(x) if plan.fusible else None
        self.shared = view is not None
        self.x = self.point = view if self.shared else x
        if self.shared:
            from solvers.diffusion._kernels import combinations_cpu

            self._kernels = combinations_cpu.kernels_for(view.size)
            self._differences = _zeros(self._difference_memory, view)

    def array(self, value):
        """A value of the trail as an array of the caller's library and shape."""
        if not self.shared:
            return value
        return _arrays.from_kernel(value.reshape(self._shape), like=self._like)

    def start_step(self):
        """The point reached is the state now."""
        self.x = self.point

    def move_to(self, x):
        """Another state in place of the one reached."""
        self.x = self.point = self._in_form(x)

    def advance(self, combination, denoised, xi):
        """Take the evaluation (None if there was none) and the draw; move the point.

        Returns whether the new point is finite, None where that was not looked at.
        """
        if xi is not None:
            self._xi = self._in_form(xi)
        if denoised is not None:
            denoised = self._in_form(denoised)
            self._data = [denoised, *self._data[: self._data_memory - 1]]
        if self.shared:
            return self._combine(combination, denoised)
        if combination.keeps:
            newest = _difference(self.point, denoised)
            self._differences = [newest, *self._differences[: self._difference_memory]]
        terms = [*self._sums(combination), *(self._differences[i] for i in combination.differences)]
        self.point = weighted_sum(combination.weights, terms)
        return None

    def _in_form(self, value):
        """A new array in the form of the others, all of which stop sharing if it cannot."""
        if not self.shared:
            return value
        view = _flat_view(value)
        if view is not None:
            return view
        self.x, self.point = self.array(self.x), self.array(self.point)
        self._data = [self.array(each) for each in self._data]
        self._differences = [self.array(each) for each in self._differences]
        self._xi = None if self._xi is None else self.array(self._xi)
        self.shared = False
        return value

    def _sums(self, combination):
        """x, the D and the draw of a stage."""
        draw = [self._xi] if combination.noisy else []
        return [self.x, *(self._data[i] for i in combination.data), *draw]

    def _combine(self, combination, denoised):
        """One pass; the newest difference takes the memory of the oldest."""
        out, x = np.empty_like(self.x), self.x
        combine, with_difference = self._kernels
        weights = combination.kernel_weights[out.dtype]
        if combination.keeps:
            *newer, oldest = self._differences
            others = [*newer[::-1], x, x][:2]
            finite = with_difference(out, oldest, weights, x, *others, self.point, denoised)
            self._differences = [oldest, *newer]
        else:
            finite = combine(out, weights, *[*self._sums(combination), x, x, x, x][:5])
        self.point = out
        return finite


def _difference(point, denoised):
    with np.errstate(over="ignore", invalid="ignore"):
        return point - denoised


def _zeros(count, x):
    # Three rows at least: once glibc has freed a block of that size it keeps what a walk frees, in
    # place of handing it back and finding every page anew in the next walk.
    block = np.empty((max(count, 3), x.size), x.dtype)
    block[:count, :] = 0.0
    return [*block[:count, :]]


def _flat_view(x):
    views = _arrays.kernel_views(x)
    if views is None:
        return None
    flat = views[0].reshape(-1)
    return flat if flat.flags.writeable else flat.copy()  # one type for the kernels
