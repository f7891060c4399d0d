"""The laws of the propagator fail plausible wrong implementations of it."""

import functools

import numpy as np
import pytest

from mathcore import expm
from mathcore.testing.propagator_laws import propagator_laws

STEPS = 800


class WrittenOut:
    """Fixed steps of the method of order 4 from the start to any time, with one thing wrong."""

    def __init__(self, a, t_span, *, fault=None):
        self.a, self.fault, self.start = a, fault, float(t_span[0])

    def exponents(self, t):
        nodes = np.linspace(self.start, t, STEPS + 1)
        h = (t - self.start) / STEPS
        shift = np.sqrt(3) / 6
        first, second = (self.a(nodes[:-1] + h * (0.5 + s)) for s in (-shift, shift))
        middle = self.a(nodes[:-1] + h / 2)
        if self.fault == "second order":
            return h * middle
        if self.fault == "euler":
            return h * self.a(nodes[:-1])
        sign = -1 if self.fault == "commutator with the wrong sign" else 1
        commutator = first @ second - second @ first
        return h / 2 * (first + second) - sign * np.sqrt(3) / 12 * h**2 * commutator

    def from_start(self, t):
        if t == self.start:
            return np.eye(self.a(np.asarray([0.0])).shape[-1])
        exponents = self.exponents(t)
        if self.fault == "cayley to first order":
            factors = np.eye(exponents.shape[-1]) + exponents
        else:
            factors = expm(exponents)
        if self.fault == "products the other way round":
            factors = factors[::-1]
        return functools.reduce(lambda x, y: y @ x, factors)

    def __call__(self, t1, t0):
        late, early = self.from_start(float(t1)), self.from_start(float(t0))
        if self.fault == "transposed inverse":
            return late @ early.conj().T
        if self.fault == "always from the start":
            return late
        if self.fault == "never backwards" and t1 < t0:
            late, early = early, late
        return late @ np.linalg.inv(early)


class WithTrace(WrittenOut):
    """With a log-determinant that is no better than the matrix."""

    def log_det(self, t1, t0):
        phi = self(t1, t0)
        logs = np.log(np.linalg.det(phi.astype(np.complex128)))
        return (logs if np.iscomplexobj(phi) else logs.real) * (1 + 1e-9)


FAULTS = {
    "euler": "matches_the_closed_form",
    "second order": "matches_the_closed_form",
    "commutator with the wrong sign": "matches_the_closed_form",
    "products the other way round": "matches_the_closed_form",
    "transposed inverse": "cocycle",
    "always from the start": "identity_at_once",
    "never backwards": "time_reversal",
    "cayley to first order": "skew_gives_unitary",
}
BY_NAME = {one.__name__: one for one in propagator_laws}


@pytest.mark.parametrize("name", list(BY_NAME))
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_method_on_paper_passes(name, dtype):
    BY_NAME[name](WrittenOut, dtype=dtype, max_examples=2)


@pytest.mark.parametrize(("fault", "name"), FAULTS.items())
def test_fault_is_caught(fault, name):
    wrong = functools.partial(WrittenOut, fault=fault)
    with pytest.raises(AssertionError):
        BY_NAME[name](wrong, dtype="float64", max_examples=8)


def test_inexact_log_determinant_is_caught():
    with pytest.raises(AssertionError, match="log_det"):
        BY_NAME["determinant_by_liouville"](WithTrace, dtype="complex128", max_examples=8)


def test_determinant_of_the_wrong_method_is_caught():
    wrong = functools.partial(WrittenOut, fault="cayley to first order")
    with pytest.raises(AssertionError, match="det"):
        BY_NAME["determinant_by_liouville"](wrong, dtype="float64", max_examples=8)
