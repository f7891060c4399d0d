"""What a law is, and how pytest runs a collection of them."""

import functools

import array_api_compat.numpy
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from mathcore import _arrays

REAL = ("float32", "float64")
REAL_AND_COMPLEX = ("float32", "float64", "complex128")


def law(*, dtypes=REAL, max_examples=25, **arguments):
    """Turn ``check(function, xp, **examples)`` into a law.

    Parameters
    ----------
    dtypes : tuple of str
        The dtypes the law is stated for; the first call argument of every strategy.
    max_examples : int
        How many examples Hypothesis draws; for JAX, which compiles every operation anew for every
        shape, a fifth of them.
    **arguments : callable
        For each example ``dtype -> strategy`` of NumPy arrays, tuples of them, or plain values.

    Returns
    -------
    callable
        Decorator; the law is ``law(function, *, xp=numpy, dtype="float64", max_examples=...)``.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore.testing import law, strategies
    >>> @law(a=lambda dtype: strategies.matrices(dtype=dtype))
    ... def transpose_keeps_the_trace(trace, xp, a):
    ...     assert trace(a) == trace(xp.matrix_transpose(a))
    >>> transpose_keeps_the_trace(np.trace)
    """
    most = max_examples

    def decorate(check):
        @functools.wraps(check)
        def run(function, *, xp=None, dtype="float64", max_examples=None):
            namespace = array_api_compat.numpy if xp is None else xp

            @settings(
                max_examples=max_examples or num_examples(namespace, most),
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=False,
            )
            @given(**{name: strategy(dtype) for name, strategy in arguments.items()})
            def holds(**examples):
                check(
                    function,
                    namespace,
                    **{name: to_backend(namespace, value) for name, value in examples.items()},
                )

            holds()

        run.dtypes = dtypes
        del run.__wrapped__  # pytest must see the law's own signature
        return run

    return decorate


def num_examples(xp, most):
    """`most`, or fewer where they cost more or show less.

    JAX compiles every new shape. What `array_api_strict` adds to NumPy and torch, which names and
    types a definition may use, the first draws show.
    """
    if array_api_compat.is_jax_namespace(xp):
        return max(2, most // 5)
    return max(4, most // 3) if xp.__name__ == "array_api_strict" else most


def to_backend(xp, value):
    """NumPy examples as arrays of `xp`; NumPy itself gets them read-only."""
    if isinstance(value, tuple):
        parts = [to_backend(xp, part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if not isinstance(value, np.ndarray):
        return value
    if xp is array_api_compat.numpy or xp is np:
        frozen = value.copy()
        frozen.flags.writeable = False
        return frozen
    return (
        xp.asarray(value.tolist(), dtype=getattr(xp, value.dtype.name))
        if value.size
        else (xp.zeros(value.shape, dtype=getattr(xp, value.dtype.name)))
    )


def parametrize_with_laws(laws, expected_failures=None):
    """Run a test once for every law and dtype, as the argument ``law``.

    Parameters
    ----------
    laws : sequence of laws
        ``expm_laws``, ``sinkhorn_laws``, or your own.
    expected_failures : dict, optional
        ``{name: reason}`` of the laws your function is known to break; ``name`` is the law's name
        or ``"name-dtype"``. Such a test must fail: once it passes, the run says so.

    Returns
    -------
    callable
        A pytest decorator.

    Examples
    --------
    >>> from mathcore.testing import expm_laws, parametrize_with_laws
    >>> @parametrize_with_laws(expm_laws, expected_failures={"matches_mpmath-float32": "inexact"})
    ... def test_mine(law):
    ...     law(my_expm)
    """
    expected = dict(expected_failures or {})
    names = {one.__name__ for one in laws}
    known = names | {f"{one.__name__}-{dtype}" for one in laws for dtype in one.dtypes}
    unknown = sorted(set(expected) - known)
    if unknown:
        raise ValueError(f"`expected_failures` must name laws among {sorted(names)}; got {unknown}")
    cases = []
    for one in laws:
        for dtype in one.dtypes:
            case = f"{one.__name__}-{dtype}"
            reason = expected.get(case, expected.get(one.__name__))
            marks = () if reason is None else (pytest.mark.xfail(reason=reason, strict=True),)
            cases.append(pytest.param(functools.partial(one, dtype=dtype), id=case, marks=marks))
    return pytest.mark.parametrize("law", cases)


def check_close(xp, actual, desired, *, tolerance, what):
    """Raise AssertionError unless ``max|actual − desired| <= tolerance``.

    `actual` must be an array of `xp`; the comparison is made on the host in double precision. The
    tolerance is absolute: derive it from ``eps``, a condition number and the scale.
    """
    if _arrays.is_array(actual) and _arrays.result_namespace(actual) is not xp:
        raise AssertionError(f"{what}: result is a {_arrays.library(actual)} array, not {xp}")
    left, right = (_on_host(x) for x in (actual, desired))
    if left.shape != right.shape:
        raise AssertionError(f"{what}: shapes {left.shape} and {right.shape} differ")
    if left.size == 0:
        return
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    with np.errstate(invalid="ignore"):
        error = np.max(np.where(same, 0.0, np.abs(left - right)))
    if not error <= np.max(_on_host(tolerance)):
        raise AssertionError(f"{what}: error {error:.3g} exceeds {np.max(tolerance):.3g}")


def _on_host(x):
    host = _arrays.to_numpy(x) if _arrays.is_array(x) else np.asarray(x)
    return host.astype(np.complex128 if host.dtype.kind == "c" else np.float64)
