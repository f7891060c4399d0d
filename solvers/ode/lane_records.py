"""What the compiled steps take as arguments."""

from typing import Any, NamedTuple


class Method(NamedTuple):
    """Numbers of a method. Its coefficients are rows of a `table`, of which these are the first."""

    implicit: bool
    pair: bool  # two error estimates
    gamma: float
    stages: int
    extras: int
    a: int
    coupling: int
    b: int
    errors: int
    c: int
    d: int
    dense: int
    degree: int
    alpha: float
    beta: float
    order: float
    stability: float


class Rows(NamedTuple):
    """Where the vectors of n components begin in `v`, and those of other lengths."""

    n: int
    y: int
    w: int  # y₁
    z: int  # the argument of a stage
    f: int
    f_new: int
    k: int  # the stages, n rows each
    jacobian: int  # by columns, ∂f/∂t last
    factors: int
    exchanged: int
    weights: int
    args: int
    g: int  # of each event
    end: int


class Functions(NamedTuple):
    """What `lane_function` made of the right-hand side."""

    rate: Any
    exact: bool = False  # whether Jacobians are, which only what `step_function` makes has


class Events(NamedTuple):
    """What `lane_function` made of the events."""

    functions: Any
    directions: Any


class Problem(NamedTuple):
    """What all members share."""

    t1: float
    t_eval: Any
    rtol: float
    atol: Any
    max_steps: float
    switch: bool  # members found stiff are left to another method
    numbers: Any  # t1, rtol, max_steps and atol in one array


class Members(NamedTuple):
    """Where each member stands, written when its run ends, and its states at `t_eval`."""

    numbers: Any  # of the members to run
    t: Any
    y: Any
    args: Any
    status: Any
    saved: Any  # how many of `t_eval` are in `record`
    accepted: Any
    rejected: Any
    nfev: Any
    record: Any


def make_rows(n, p, events, method, numbers):
    """The layout after `numbers` single rows, for n components and p further arguments."""
    stages = method.stages + method.extras + (0 if method.implicit else 1)
    square = n * n if method.implicit else 0
    y = numbers
    k = y + 3 * n + (2 * n if method.implicit else 0)
    f = y + 3 * n if method.implicit else k
    f_new = f + n if method.implicit else k + method.stages * n
    jacobian = k + stages * n
    factors = jacobian + square + n
    weights = factors + 2 * square
    args = weights + stages
    g = args + p
    return Rows(
        n,
        y,
        y + n,
        y + 2 * n,
        f,
        f_new,
        k,
        jacobian,
        factors,
        factors + square,
        weights,
        args,
        g,
        g + events,
    )
