"""The compiled path against the definition: the same chains, whatever the threads or the stops."""

import numba
import numpy as np
import pytest

from solvers import sample_langevin

DIM = 3
PRECISION = np.asarray([1.0, 2.0, 4.0])
MATRIX = np.asarray([[1.0, 0.3, 0.1], [0.3, 0.6, 0.0], [0.1, 0.0, 0.3]])
UNADJUSTED = ("ula", "leimkuhler-matthews", "baoab", "aboba", "obabo")
METHODS = (*UNADJUSTED, "mala")


@numba.njit
def score(x):
    return -PRECISION * x**3


@numba.njit
def score_in_place(x, out):
    for i in range(x.shape[0]):
        out[i] = -PRECISION[i] * x[i] ** 3


@numba.njit
def score_as_tuple(x):
    return -(x[0] ** 3), -2.0 * x[1] ** 3, -4.0 * x[2] ** 3


@numba.njit
def log_density(x):
    total = 0.0
    for i in range(x.shape[0]):
        total -= PRECISION[i] * x[i] ** 4 / 4
    return total


def run(target, density, x0=None, **arguments):
    settings = {"step_size": 0.05, "num_steps": 150, "burn_in": 20, "thin": 3, "rng": 7}
    settings.update(arguments)
    x0 = np.linspace(-1, 1, 5 * DIM).reshape(5, DIM) if x0 is None else x0
    return sample_langevin(target, x0, log_density=density, **settings)


def compiled(**arguments):
    return run(score_in_place, log_density, **arguments)


def definition(**arguments):
    def array_score(x):
        return -PRECISION.astype(x.dtype) * x**3

    def array_log_density(x):
        return -(PRECISION.astype(x.dtype) * x**4).sum(axis=-1) / 4

    return run(array_score, array_log_density, **arguments)


def check_equal(found, expected, tolerance):
    for name in ("draws", "x", "acceptance_rate", "status"):
        a, b = getattr(found, name), getattr(expected, name)
        assert a.dtype == b.dtype
        assert np.allclose(a, b, rtol=tolerance, atol=tolerance), name


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preconditioner", [None, 1 / PRECISION, MATRIX], ids=["I", "diag", "M"])
def test_twin_of_the_definition(method, preconditioner):
    """Rounding differs; 150 contracting steps keep it near machine precision."""
    arguments = {"method": method, "preconditioner": preconditioner, "temperature": 1.3}
    check_equal(compiled(**arguments), definition(**arguments), 1e-12)


def test_twin_in_single_precision():
    x0 = np.linspace(-1, 1, 4 * DIM, dtype=np.float32).reshape(4, DIM)
    for method in ("ula", "baoab", "mala"):
        arguments = {"x0": x0, "method": method, "num_steps": 40}
        check_equal(compiled(**arguments), definition(**arguments), 3e-5)


def test_twin_with_adaptation():
    """Short: the feedback on the step size multiplies rounding by several in every early step."""
    arguments = {"adapt": True, "burn_in": 15, "num_steps": 60, "step_size": 0.4}
    found, expected = compiled(**arguments), definition(**arguments)
    check_equal(found, expected, 1e-9)
    assert np.allclose(found.step_size, expected.step_size, rtol=1e-9)


@numba.njit
def score_of_level(x, sigma):
    return -x / (1 + sigma**2)


@numba.njit
def score_of_level_in_place(x, sigma, out):
    for i in range(x.shape[0]):
        out[i] = -x[i] / (1 + sigma**2)


@pytest.mark.parametrize("target", [score_of_level, score_of_level_in_place])
def test_twin_of_the_annealed(target):
    arguments = {"method": "annealed", "sigmas": np.repeat([3.0, 1.0, 0.3], 50), "step_size": 0.01}
    expected = run(lambda x, sigma: -x / (1 + sigma**2), None, **arguments)
    check_equal(run(target, None, **arguments), expected, 1e-13)


@pytest.mark.parametrize("form", [score, score_as_tuple])
def test_forms_of_a_score(form):
    found = run(form, log_density, num_steps=30)
    check_equal(found, compiled(num_steps=30), 1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_no_bit_depends_on_batch_threads_or_stops(method):
    arguments = {"method": method, "num_steps": 150, "thin": 1}
    x0 = np.linspace(-1, 1, 16 * DIM).reshape(16, DIM)
    together = compiled(x0=x0, **arguments)
    alone = [compiled(x0=x0[i : i + 1], chains=[i], **arguments) for i in (0, 7, 15)]
    assert np.array_equal(together.draws[[0, 7, 15]], np.concatenate([r.draws for r in alone]))
    parts, state = [], x0
    for count in (1, 62, 64, 23):
        part = compiled(x0=state, **{**arguments, "num_steps": count, "burn_in": 0})
        state = part.state
        parts.append(part.draws)
    assert np.array_equal(np.concatenate(parts, axis=1)[:, 20:], together.draws)
    assert state.step == 150


def test_no_bit_depends_on_the_thread_count():
    x0 = np.random.default_rng(0).standard_normal((400, DIM))
    threads = numba.get_num_threads()
    found = []
    try:
        for count in (1, threads):
            numba.set_num_threads(count)
            found.append(compiled(x0=x0).draws)  # enough work for several
    finally:
        numba.set_num_threads(threads)
    assert np.array_equal(*found)
    assert np.array_equal(found[0][:3], compiled(x0=x0[:3]).draws)  # too little


def test_callback_and_progress(capsys):
    whole, steps = compiled(num_steps=30, progress=True), []
    assert "30/30" in capsys.readouterr().err
    found = compiled(num_steps=30, callback=steps.append)
    assert np.array_equal(found.draws, whole.draws)
    assert [step.index for step in steps] == list(range(30))
    rate = np.mean([step.accepted for step in steps[20:]], axis=0)
    assert np.allclose(rate, found.acceptance_rate)
    stopped = compiled(num_steps=30, callback=lambda step: step.index == 25)
    assert stopped.num_steps == 26
    assert np.array_equal(stopped.draws, whole.draws[:, :2])


def test_a_chain_that_diverges_says_so_alone():
    x0 = np.asarray([[0.1] * DIM, [50.0] * DIM, [-0.2] * DIM])
    result = compiled(x0=x0, method="ula", step_size=0.1)
    assert result.status.tolist() == [0, 1, 0]
    calm = compiled(x0=x0[[0, 2]], chains=[0, 2], method="ula", step_size=0.1)
    assert np.array_equal(result.draws[[0, 2]], calm.draws)


@pytest.mark.parametrize("method", ["ula", "mala"])
def test_a_compiled_score_that_raises_is_nan(method):
    """The chain stops there; a proposal there is refused."""

    @numba.njit
    def score_below_one(x, out):
        if x[0] > 1.0:
            raise ValueError("too far")
        out[0] = -x[0]

    @numba.njit
    def log_density_below_one(x):
        if x[0] > 1.0:
            raise ValueError("too far")
        return -(x[0] ** 2) / 2

    arguments = {"method": method, "step_size": 0.5, "num_steps": 40}
    run = sample_langevin(
        score_below_one, np.zeros((4, 1)), log_density=log_density_below_one, **arguments
    )
    if method == "mala":
        assert np.all(run.draws <= 1.0)
        assert run.status.tolist() == [0, 0, 0, 0]
    else:
        assert run.status.tolist() == [1, 1, 1, 1]
        assert np.all(np.isnan(run.x))


def test_edges_of_shape():
    assert compiled(x0=np.zeros((0, DIM))).draws.shape == (0, 43, DIM)
    assert compiled(x0=np.ones((2, 1)), preconditioner=[[0.5]]).draws.shape == (2, 43, 1)
    read_only = np.ones((4, 2 * DIM))[:, ::2]
    read_only.flags.writeable = False
    compiled(x0=read_only)
    assert np.all(read_only == 1.0)


def test_refusals():
    with pytest.raises(TypeError, match="`log_density` must be compiled"):
        run(score, lambda x: 0.0)
    with pytest.raises(TypeError, match="`x0` must be a NumPy array of float32 or float64"):
        run(score, log_density, x0=np.ones((2, DIM), np.float16))
    with pytest.raises(ValueError, match=r"`score\(x\)` must have length 3; got 2"):
        run(numba.njit(lambda x: x[:2]), None, method="ula")
    with pytest.raises(ValueError, match=r"`log_density\(x\)` must be a number"):
        run(score, numba.njit(lambda x: x))
    with pytest.raises(TypeError, match="`score` must take 1 arguments, or one more"):
        run(numba.njit(lambda x, y, z: x), None, method="ula")
    with pytest.raises(TypeError, match="`score` must be a Python function to take `batches`"):
        run(score, None, method="ula", batches=lambda i: i)
