"""Laws of the general solution of a linear ODE system, from systems solved in closed form.

The function under test is called as ``general_solution(a, solutions, (t0, t1))`` with vectorised
callables and returns what `solvers.general_solution` returns.
"""

import functools

import numpy as np
from hypothesis import strategies as st

from mathcore import _arrays
from mathcore.testing import strategies
from mathcore.testing.laws import check_close, law

_REAL_AND_COMPLEX = ("float64", "complex128")
_RTOL = 1e-10  # what the function is asked for by default
_TIMES = 9


def _system(dtype):
    # One order for each dtype: a library that compiles for every shape spends seconds on each.
    return strategies.linear_systems_with_solutions(3 if np.dtype(dtype).kind == "c" else 4, dtype)


def _any_column(dtype):
    return st.integers(0, 11)  # modulo the order


def _solve(general_solution, xp, system, hidden):
    """Times, the true Φ there, the indices of the known columns, and what the function returns."""
    n = system.rates.shape[0]
    known = [j for j in range(n) if j != hidden % n]
    t = xp.linspace(0.0, 2.0, _TIMES, dtype=system.frequencies.dtype)
    columns = [functools.partial(_column, system, j) for j in known]
    solution = general_solution(system.coefficient, columns, t[:: _TIMES - 1])
    return t, system.fundamental(t), known, solution


def _column(system, j, t):
    return system.fundamental(t)[..., j]


def _tolerance(*factors):
    """Ten times the accuracy asked for (64 eps at least), for each factor its largest entry, and
    the largest condition number of the first.
    """
    sizes = [max(1.0, np.abs(_arrays.to_numpy(x)).max()) for x in factors]
    first = _arrays.to_numpy(factors[0])
    square = first.ndim > 1 and first.shape[-1] == first.shape[-2]
    condition = np.linalg.cond(first).max() if square else 1.0
    return 10 * max(_RTOL, 64 * _arrays.eps(factors[0])) * condition * float(np.prod(sizes))


@law(dtypes=_REAL_AND_COMPLEX, max_examples=5, system=_system, hidden=_any_column)
def recovers_the_hidden_column(general_solution, xp, system, hidden):
    """Φ(t) = Φ_true(t) C with one constant C: the known columns are those given, and the new one
    involves the hidden column.
    """
    t, truth, known, solution = _solve(general_solution, xp, system, hidden)
    phi = solution.fundamental(t)
    given = xp.stack([truth[..., j] for j in known], axis=-1)
    check_close(xp, phi[..., :-1], given, tolerance=_tolerance(phi), what="known columns")
    c = xp.linalg.solve(truth, phi)
    constant = xp.broadcast_to(c[:1, ...], c.shape)
    check_close(xp, c, constant, tolerance=_tolerance(truth, phi), what="Φ = Φ_true C")
    share = np.abs(_arrays.to_numpy(c[0, hidden % truth.shape[-1], -1]))
    assert share > 1e-6, f"the new column holds {share} of the hidden one"


@law(dtypes=_REAL_AND_COMPLEX, max_examples=5, system=_system, hidden=_any_column)
def liouville(general_solution, xp, system, hidden):
    """The logarithm of det Φ grows by ∫ tr A, and it is what ``log_wronskian`` says."""
    t, _, _, solution = _solve(general_solution, xp, system, hidden)
    phi, log = solution.fundamental(t), solution.log_wronskian(t)
    desired = system.log_determinant(t)
    desired = desired - desired[0] + log[0]
    tolerance = _tolerance(desired)
    check_close(xp, log, desired, tolerance=tolerance, what="log det Φ = ∫ tr A")
    scaled = xp.linalg.det(phi) * xp.exp(-desired)
    check_close(
        xp, scaled, xp.ones_like(scaled), tolerance=_tolerance(phi), what="det Φ = e^∫ tr A"
    )


@law(dtypes=_REAL_AND_COMPLEX, max_examples=5, system=_system, hidden=_any_column)
def adjoint_is_a_first_integral(general_solution, xp, system, hidden):
    """The product p·x is constant along every solution: 0 on the known ones, 1 on the new one."""
    t, truth, _, solution = _solve(general_solution, xp, system, hidden)
    p, phi = solution.adjoint(t)[..., None, :], solution.fundamental(t)
    along = (p @ truth)[..., 0, :]
    constant = xp.broadcast_to(along[:1, :], along.shape)
    tolerance = _tolerance(truth, p)
    check_close(xp, along, constant, tolerance=tolerance, what="p·x is constant")
    last = xp.eye(truth.shape[-1], dtype=truth.dtype)[-1:, :]
    desired = xp.broadcast_to(last, along.shape)
    check_close(xp, (p @ phi)[..., 0, :], desired, tolerance=tolerance, what="p·x_j")


@law(dtypes=_REAL_AND_COMPLEX, max_examples=5, system=_system, hidden=_any_column)
def fit_reproduces_a_solution(general_solution, xp, system, hidden):
    """The solution fitted to x0 at t0 passes through it and is Φ_true(t) Φ_true(t0)⁻¹ x0."""
    t, truth, _, solution = _solve(general_solution, xp, system, hidden)
    weights = xp.ones((truth.shape[-1],), dtype=truth.dtype)
    desired = truth @ weights
    x0 = desired[3, :]
    x = solution.fit(t[3], x0)
    tolerance = _tolerance(truth, solution.fundamental(t))
    check_close(xp, x(t[3]), x0, tolerance=tolerance, what="x(t0) = x0")
    check_close(xp, x(t), desired, tolerance=tolerance, what="x(t) = Φ(t) Φ(t0)^-1 x0")


general_solution_laws = (
    recovers_the_hidden_column,
    liouville,
    adjoint_is_a_first_integral,
    fit_reproduces_a_solution,
)
