"""Laws of the general solution of a linear ODE system, from systems solved in closed form.

The function under test is called as ``general_solution(a, solutions, (t0, t1))``, with ``b=`` or
``kind="particular"`` where the system is inhomogeneous, and vectorised callables; it returns what
`solvers.general_solution` returns. `check_general_solution` does the same with a system of yours.
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


def _small_system(dtype):
    return strategies.linear_systems_with_solutions(3, dtype)


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


@law(dtypes=("complex128",), max_examples=2, system=_small_system, hidden=_any_column)
def recovers_all_but_one(general_solution, xp, system, hidden):
    """From one known column all solutions: Φ(t) = Φ_true(t) C with one regular constant C."""
    t = xp.linspace(0.0, 2.0, _TIMES, dtype=system.frequencies.dtype)
    column = functools.partial(_column, system, hidden % 3)
    solution = general_solution(system.coefficient, [column], t[:: _TIMES - 1])
    phi, truth = solution.fundamental(t), system.fundamental(t)
    check_close(xp, phi[..., 0], column(t), tolerance=_tolerance(phi), what="the known column")
    c = xp.linalg.solve(truth, phi)
    constant = xp.broadcast_to(c[:1, ...], c.shape)
    check_close(xp, c, constant, tolerance=_tolerance(truth, phi), what="Φ = Φ_true C")
    condition = np.linalg.cond(_arrays.to_numpy(c[0, ...]))
    assert condition < 1e6, f"the new columns are dependent: condition {condition}"


def _known_forcing(xp, system):
    """Functions z and b: z = (sin t, …, sin nt) solves x' = A x + b."""
    n = system.rates.shape[0]
    rates = xp.arange(1, n + 1, dtype=system.frequencies.dtype)

    def z(t):
        return xp.astype(xp.sin(rates * t[..., None]), system.rates.dtype)

    def b(t):
        slope = xp.astype(rates * xp.cos(rates * t[..., None]), system.rates.dtype)
        return slope - (system.coefficient(t) @ z(t)[..., None])[..., 0]

    return z, b


@law(dtypes=("float64",), max_examples=2, system=_small_system, hidden=_any_column)
def inhomogeneous_solution(general_solution, xp, system, hidden):
    """With b and n − 1 known columns the solution through z(t0) is z."""
    z, b = _known_forcing(xp, system)
    t = xp.linspace(0.0, 2.0, _TIMES, dtype=system.frequencies.dtype)
    known = [functools.partial(_column, system, j) for j in range(3) if j != hidden % 3]
    solution = general_solution(system.coefficient, known, t[:: _TIMES - 1], b=b)
    desired, phi = z(t), solution.fundamental(t)
    x = solution.fit(t[3], desired[3, :])(t)
    tolerance = _tolerance(phi, solution.particular(t))
    check_close(xp, x, desired, tolerance=tolerance, what="x' = A x + b through z(t0)")


@law(dtypes=("float64",), max_examples=2, system=_small_system, hidden=_any_column)
def differences_of_particular_solutions(general_solution, xp, system, hidden):
    """From n + 1 particular solutions, with neither A nor b, the one through z(t0)."""
    z, _ = _known_forcing(xp, system)
    t = xp.linspace(0.0, 2.0, _TIMES, dtype=system.frequencies.dtype)
    j = hidden % 3

    def shifted(i):
        return lambda s: z(s) + system.fundamental(s)[..., i] - system.fundamental(s)[..., j] / 3

    given = [shifted(i) for i in range(3)]
    given.insert(1, lambda s: z(s) + 2 * system.fundamental(s)[..., j])
    solution = general_solution(None, given, t[:: _TIMES - 1], kind="particular")
    desired = z(t)
    x = solution.fit(t[3], desired[3, :])(t)
    tolerance = _tolerance(solution.fundamental(t), solution.particular(t))
    check_close(xp, x, desired, tolerance=tolerance, what="z_0 + D C through z(t0)")


general_solution_laws = (
    recovers_the_hidden_column,
    recovers_all_but_one,
    liouville,
    adjoint_is_a_first_integral,
    fit_reproduces_a_solution,
    inhomogeneous_solution,
    differences_of_particular_solutions,
)


# --- a system of the user's own -----------------------------------------------------------------


def check_general_solution(
    general_solution, fundamental, t_span, *, coefficient=None, tolerance=1e-9
):
    """Hide columns of a fundamental matrix of yours and see whether they come back.

    Parameters
    ----------
    general_solution : callable
        The function under test, or `solvers.general_solution` to test your formulas.
    fundamental : callable
        ``t -> (n, n)``, of a NumPy vector of times ``(m, n, n)``; regular and smooth on `t_span`.
    t_span : (t0, t1)
    coefficient : callable, optional
        A of x' = A x, of the same form; Φ' Φ⁻¹ by Chebyshev interpolation where it is left out.
    tolerance : float, optional
        For ‖Φ(t) − Φ_true(t) C‖ with the best constant C, each column relative to its size,
        multiplied by the condition number of Φ_true.

    Raises
    ------
    AssertionError
        For some k = 1 … n, columns do not come back; it names them and the error.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore.testing import check_general_solution
    >>> from solvers import general_solution
    >>> def rotation(t):
    ...     c, s = np.cos(t * t), np.sin(t * t)
    ...     return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    >>> check_general_solution(general_solution, rotation, (0.0, 2.0))
    """
    t = np.linspace(*t_span, 33)
    truth = np.asarray(fundamental(t))
    n = truth.shape[-1]
    a = _coefficient_of(fundamental, t_span) if coefficient is None else coefficient
    allowed = tolerance * np.linalg.cond(truth).max()
    for k in range(1, n + 1):
        for first in range(n if k < n else 1):
            known = [(first + j) % n for j in range(k)]
            columns = [lambda s, j=j: np.asarray(fundamental(s))[..., j] for j in known]
            phi = general_solution(a, columns, t_span).fundamental(t)
            c = np.linalg.lstsq(*(x.reshape(-1, n) for x in (truth, phi)), rcond=None)[0]
            size = np.linalg.norm(phi, axis=-2, keepdims=True)
            error = np.abs((phi - truth @ c) / size).max()
            assert error <= allowed, f"from columns {known}: error {error:.3g} > {allowed:.3g}"
            rank = np.linalg.matrix_rank(c, tol=1e-9 * np.abs(c).max())
            assert rank == n, f"from columns {known}: only {rank} independent solutions"


def _coefficient_of(fundamental, t_span):
    """Φ' Φ⁻¹, the derivative that of an interpolant of degree 200."""
    points = np.polynomial.chebyshev.chebpts1(201)
    lo, hi = t_span
    values = np.asarray(fundamental((lo + hi) / 2 + (hi - lo) / 2 * points))
    shape = values.shape[1:]
    weights = np.polynomial.chebyshev.chebvander(points, 200).T * (2 / 201)
    weights[0] /= 2
    coefficients = weights @ values.reshape(201, -1)
    slopes = np.polynomial.chebyshev.chebder(coefficients, axis=0) * (2 / (hi - lo))

    def coefficient(t):
        x = (2 * np.asarray(t) - lo - hi) / (hi - lo)
        rows = np.polynomial.chebyshev.chebval(x, slopes)
        derivative = np.moveaxis(rows, 0, -1).reshape(*np.shape(t), *shape)
        return derivative @ np.linalg.inv(fundamental(t))

    return coefficient
