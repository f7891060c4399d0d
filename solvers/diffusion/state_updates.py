"""The state of a sampler and what was evaluated on the way to it.

A stage is one linear combination. It runs as one pass over memory where the arrays can share it
with NumPy (NumPy itself, torch on the CPU without gradients), operation by operation elsewhere.
"""

import functools

import numpy as np

from mathcore import _arrays

_LARGE = 2**16  # entries from which on threads share the work


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
        view = _flat_view(x)
        self.shared = view is not None
        self.x = self.point = view if self.shared else x

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
        fused = self.shared and combination.differences[-1:] == (0,) and denoised is not None
        if self._difference_memory and denoised is not None:
            newest = self._room() if fused else _difference(self.point, denoised)
            self._differences = [newest, *self._differences[: self._difference_memory - 1]]
        arrays = [self.x]
        arrays += [self._data[i] for i in combination.data]
        if combination.noisy:
            arrays.append(self._xi)
        arrays += [self._differences[i] for i in combination.differences]
        if not self.shared:
            self.point = weighted_sum(combination.weights, arrays)
            return None
        return self._combine(combination, arrays, denoised if fused else None)

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

    def _room(self):
        """Where the newest difference goes: the memory of the one that is forgotten."""
        full = len(self._differences) == self._difference_memory
        return self._differences[-1] if full else np.empty_like(self.x)

    def _combine(self, combination, arrays, denoised):
        """One pass; `denoised` is given where it finds the newest difference too."""
        out = np.empty_like(self.x)
        combine, with_difference = _kernels(out.size >= _LARGE)
        weights = combination.kernel_weights[out.dtype]
        if denoised is None:
            arrays += [self.x] * (5 - len(arrays))
            finite = combine(out, weights, *arrays)
        else:
            newest = arrays.pop()
            arrays += [self.x] * (4 - len(arrays))
            finite = with_difference(out, newest, weights, *arrays, self.point, denoised)
        self.point = out
        return finite


def _difference(point, denoised):
    with np.errstate(over="ignore", invalid="ignore"):
        return point - denoised


def _flat_view(x):
    views = _arrays.kernel_views(x)
    if views is None:
        return None
    flat = views[0].reshape(-1)
    return flat if flat.flags.writeable else flat.copy()  # one type for the kernels


@functools.cache
def _kernels(large):
    from solvers.diffusion._kernels import combinations_cpu as kernels

    if large:
        return kernels.combine_chunks, kernels.combine_chunks_with_difference
    return kernels.combine, kernels.combine_with_difference
