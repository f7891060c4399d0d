"""The same answer from every array library, in its dtype, vectorised or not."""

import importlib
import math

import numpy as np
import pytest
from scipy import special

from mathcore import _arrays
from solvers import companion, general_solution, recover_coefficients, reduce_order

SPAN = (1.0, 10.0)


def known(xp):
    """sin t / √t, a solution of Bessel's equation of order 1/2, for the functions of `xp`."""

    def x(t):
        root = xp.sqrt(t)
        return xp.stack([xp.sin(t) / root, (xp.cos(t) - xp.sin(t) / (2 * t)) / root], axis=-1)

    return x


def missing(t):
    return np.stack(
        [np.cos(t) / np.sqrt(t), (-np.sin(t) - np.cos(t) / (2 * t)) / np.sqrt(t)], axis=-1
    )


BESSEL_HALF = companion([lambda t: 1 - 0.25 / t**2, lambda t: 1 / t])


def test_new_column(xp):
    check_new_column(xp, xp.float64)


# Not JAX, which would compile everything once more.
@pytest.mark.parametrize("library", ["compat.numpy", "compat.torch", "strict"])
def test_new_column_in_single_precision(library):
    if library == "compat.torch":
        pytest.importorskip("torch")
    xp = importlib.import_module(f"array_api_{library}")
    check_new_column(xp, xp.float32)


def check_new_column(xp, dtype):
    span = xp.asarray(SPAN, dtype=dtype)
    solution = general_solution(BESSEL_HALF, [known(xp)], span)
    eps = xp.finfo(dtype).eps
    t = xp.linspace(*SPAN, 9, dtype=dtype)
    phi = solution.fundamental(t)
    assert _arrays.result_namespace(phi) is xp
    assert phi.dtype == dtype
    host, times = _arrays.to_numpy(phi), _arrays.to_numpy(t)
    # The missing solution has the Wronskian −1/t with the known one.
    difference = host[..., 1] + missing(times)
    share = np.vdot(host[..., 0], difference) / np.vdot(host[..., 0], host[..., 0])
    np.testing.assert_allclose(difference, share * host[..., 0], atol=200 * eps)
    logs = _arrays.to_numpy(solution.log_wronskian(t))
    np.testing.assert_allclose(logs, -np.log(times), atol=50 * eps)
    one = solution.adjoint(t)[..., None, :] @ phi
    np.testing.assert_allclose(_arrays.to_numpy(one)[:, 0, 1], 1.0, atol=50 * eps)
    assert solution.residual < 1e4 * eps
    x = solution.fit(t[2], phi[2, :, 1])
    np.testing.assert_allclose(_arrays.to_numpy(x(t)), host[..., 1], atol=200 * eps)
    if _arrays.is_jax_namespace(xp):
        compiled = importlib.import_module("jax").jit(solution.fundamental)(t)
        np.testing.assert_allclose(_arrays.to_numpy(compiled), host, atol=50 * eps)


@pytest.mark.parametrize("library", ["compat.torch", "strict"])
def test_other_forms(library):
    """A grid, a scalar solution, a forcing, recovered coefficients, a reduced system."""
    if library == "compat.torch":
        pytest.importorskip("torch")
    xp = importlib.import_module(f"array_api_{library}")
    dtype = xp.float64
    span, times = xp.asarray([0.0, 3.0], dtype=dtype), xp.linspace(0.0, 3.0, 40, dtype=dtype)
    a = xp.asarray([[0.0, 1.0], [-1.0, 0.0]], dtype=dtype)

    def cosine(t):
        return xp.stack([xp.cos(t), -xp.sin(t)], axis=-1)

    def sine(t):
        return xp.stack([xp.sin(t), xp.cos(t)], axis=-1)

    for given, options in (
        (cosine(times)[..., None], {"times": times}),
        ([xp.cos], {}),
        ([cosine], {"b": xp.asarray([0.0, 1.0], dtype=dtype)}),
    ):
        solution = general_solution(a, given, span, **options)
        shift = 1.0 if "b" in options else 0.0
        x = _arrays.to_numpy(solution.fit(span[0], [shift, 1.0])(2.0))
        np.testing.assert_allclose(x, [shift + np.sin(2.0), np.cos(2.0)], atol=1e-11)
    recovered = recover_coefficients([cosine, sine], times).a
    np.testing.assert_allclose(
        _arrays.to_numpy(recovered),
        np.broadcast_to([[0.0, 1.0], [-1.0, 0.0]], (40, 2, 2)),
        atol=1e-11,
    )
    assert reduce_order(a, [cosine], span).coefficient(times).shape == (40, 1, 1)


def test_times_of_every_shape():
    solution = general_solution(BESSEL_HALF, [known(np)], SPAN)
    t = np.linspace(*SPAN, 6)
    x = solution.fit(2.0, [1.0, 0.0])
    for name, trailing, function in (
        ("fundamental", (2, 2), solution.fundamental),
        ("adjoint", (2,), solution.adjoint),
        ("log_wronskian", (), solution.log_wronskian),
        ("fit", (2,), x),
    ):
        values = function(t)
        assert values.shape == (6, *trailing), name
        np.testing.assert_array_equal(function(t.reshape(2, 3)), values.reshape(2, 3, *trailing))
        np.testing.assert_array_equal(function(list(t)), values)
        np.testing.assert_allclose(function(float(t[3])), values[3], rtol=1e-14, atol=1e-15)
        assert function(float(t[3])).shape == trailing
        assert function(t[:0]).shape == (0, *trailing)


def test_given_columns_are_returned_as_given():
    x = known(np)
    solution = general_solution(BESSEL_HALF, [x], SPAN)
    t = np.linspace(*SPAN, 50)
    np.testing.assert_array_equal(solution.fundamental(t)[..., 0], x(t))


def test_pair_of_scalars_of_a_library():
    torch = pytest.importorskip("torch")
    span = tuple(torch.tensor(t, dtype=torch.float64) for t in SPAN)
    solution = general_solution(BESSEL_HALF, [known(torch)], span)
    assert solution.fundamental(2).dtype == torch.float64


def test_constant_matrix_of_a_library():
    torch = pytest.importorskip("torch")
    a = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)

    def x(t):
        return torch.stack([torch.cos(t), -torch.sin(t)], dim=-1)

    phi = general_solution(a, [x], (0.0, 3.0)).fundamental(1.0)
    expected = [[math.cos(1), math.sin(1)], [-math.sin(1), math.cos(1)]]
    np.testing.assert_allclose(phi.numpy(), expected, atol=1e-14)


def test_complex_data_for_a_real_system():
    torch = pytest.importorskip("torch")
    span = torch.tensor(SPAN, dtype=torch.float64)
    solution = general_solution(BESSEL_HALF, [known(torch)], span)
    x = solution.fit(2.0, [1.0, 1j])
    assert x(2.0).dtype == torch.complex128
    np.testing.assert_allclose(x(2.0).numpy(), [1.0, 1j], atol=1e-14)


def test_no_times_of_a_complex_system():
    solution = general_solution([[1j]], [lambda t: [np.exp(1j * t)]], (0.0, 1.0))
    assert solution.fundamental([]).shape == (0, 1, 1)
    assert solution.fundamental([]).dtype == np.complex128


def test_gradient_with_respect_to_a_parameter():
    """The known solution of y'' = ω² y is e^{ωt}; d/dω of the missing e^{−ωt}/(2ω) by torch."""
    torch = pytest.importorskip("torch")
    omega = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    zero, one = torch.zeros_like(omega), torch.ones_like(omega)
    a = torch.stack([torch.stack([zero, one]), torch.stack([omega**2, zero])])

    def x(t):
        growing = torch.exp(omega * t)
        return torch.stack([growing, omega * growing], dim=-1)

    span = torch.tensor([0.0, 1.0], dtype=torch.float64)
    solution = general_solution(a, [x], span, base=0.0)
    value = solution.fit(torch.zeros((), dtype=torch.float64), [1.0, 0.0])(span[1])[0]
    (slope,) = torch.autograd.grad(value, omega)
    assert value.item() == pytest.approx(math.cosh(1.3), rel=1e-13)
    assert slope.item() == pytest.approx(math.sinh(1.3), rel=1e-10)


# --- what `a` and the solutions may look like ---------------------------------------------------


def j0(t):
    return np.array([special.j0(t), -special.j1(t)])


def scalars_only(t):
    return [math.cos(t), -math.sin(t)]


COSINE_FORMS = {
    "(n, m)": lambda t: np.array([np.cos(t), -np.sin(t)]),
    "(m, n)": lambda t: np.stack([np.cos(t), -np.sin(t)], axis=-1),
    "a list": lambda t: [np.cos(t), -np.sin(t)],
    "a tuple of one time": lambda t: (math.cos(t), -math.sin(t)),
    "a branch": lambda t: np.array([np.cos(t), -np.sin(t)]) if t < 9 else None,
    "wrong on vectors": lambda t: np.array([np.cos(t), -np.sin(t)]) * (1 + np.ndim(t)),
    "one column": lambda t: np.array([[np.cos(t)], [-np.sin(t)]])[:, 0],
}
MATRIX_FORMS = {
    "an array": np.array([[0.0, 1.0], [-1.0, 0.0]]),
    "integers": np.array([[0, 1], [-1, 0]]),
    "a list": [[0, 1], [-1, 0]],
    "constant": lambda t: [[0.0, 1.0], [-1.0, 0.0]],
    "ragged on vectors": lambda t: np.array([[0.0, 1.0], [-1.0, 0.0 * t]]),
    "(n, n, m)": lambda t: np.array([[0 * t, 1 + 0 * t], [-1 + 0 * t, 0 * t]]),
    "(m, n, n)": lambda t: np.array([[0.0, 1.0], [-1.0, 0.0]]) + 0 * np.asarray(t)[..., None, None],
}


@pytest.mark.parametrize("matrix", MATRIX_FORMS)
@pytest.mark.parametrize("form", COSINE_FORMS)
def test_forms_of_the_functions(matrix, form):
    solution = general_solution(MATRIX_FORMS[matrix], [COSINE_FORMS[form]], (0.0, 2.0))
    t = np.linspace(0.0, 2.0, 5)
    expected = np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]])
    np.testing.assert_allclose(solution.fundamental(t), np.moveaxis(expected, -1, 0), atol=1e-14)


@pytest.mark.parametrize("n", [31, 32, 33])
def test_orders_around_the_number_of_nodes(n):
    """A diagonal system whose order could be taken for the number of times."""
    rates = np.linspace(-1.0, 1.0, n)

    def a(t):
        return np.diag(rates) + 0 * np.asarray(t)[..., None, None]

    def column(j):
        return lambda t: np.eye(n)[j] * np.exp(rates[j] * np.asarray(t))[..., None]

    solution = general_solution(a, [column(j) for j in range(n - 1)], (0.0, 1.0))
    np.testing.assert_allclose(
        solution.fundamental(1.0)[:, -1], np.eye(n)[-1] * np.exp(rates[-1]), atol=1e-13
    )


def test_integer_interval_and_read_only_span():
    span = np.array([1, 30])
    span.flags.writeable = False
    solution = general_solution(companion([1, lambda t: 1 / t]), [j0], span)
    assert solution.fundamental(3).dtype == np.float64
    assert solution.residual < 1e-10
