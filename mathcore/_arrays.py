"""The one file that names the array libraries.

Everything above it is written once against the array-API standard; what the standard lacks
(detaching, loops under tracing, sharing memory with a CPU kernel, seeds) is here.
"""

import functools
import sys

import array_api_compat
import numpy as np

from mathcore._gradients import has_tangent, masked_rounds

_NUMPY = array_api_compat.array_namespace(np.empty(0))
_NATIVE_KERNEL_DTYPES = (np.dtype("float32"), np.dtype("float64"))


# --- arguments in -------------------------------------------------------------------------------


def library(x):
    """Name of the array library `x` belongs to, for messages."""
    return type(x).__module__.partition(".")[0]


def is_array(x):
    """Whether `x` is an array of a library we know (a list or a Python number is not)."""
    if isinstance(x, np.ndarray):
        return True
    return array_api_compat.is_array_api_obj(x) and not isinstance(x, np.generic)


def asarrays(**named):
    """Return the common namespace, then the arguments as floating arrays of one dtype.

    Lists and Python numbers take the dtype of the arrays beside them (NumPy float64 when there is
    none), integers the namespace's default float; ``None`` passes through.
    """
    arrays = {name: x for name, x in named.items() if is_array(x)}
    if _ready_for_numpy(arrays, named):
        return (_NUMPY, *named.values())
    if not arrays:  # NumPy scalars set the dtype only where no array does
        arrays = {name: x for name, x in named.items() if isinstance(x, np.generic)}
    xp = _common_namespace(arrays)
    dtype = _common_float_dtype(xp, arrays.values())
    device = _first_device(arrays.values())
    out = (
        None if x is None else _as_float(xp, name, x, dtype, device) for name, x in named.items()
    )
    return (xp, *out)


def _ready_for_numpy(arrays, named):
    """Whether every argument is a floating NumPy array already, all of one dtype: the usual."""
    return (
        len(arrays) == len(named)
        and all(type(x) is np.ndarray and x.dtype.char in "efdFD" for x in arrays.values())
        and len({x.dtype for x in arrays.values()}) == 1
    )


def _common_namespace(arrays):
    first = None
    for name, x in arrays.items():
        if first is None:
            first = name
        elif array_api_compat.array_namespace(x) is not array_api_compat.array_namespace(
            arrays[first]
        ):
            raise TypeError(
                f"`{name}` must be an array of the same library as `{first}` "
                f"({library(arrays[first])}); got {library(x)}"
            )
    if first is None:
        return _NUMPY
    return array_api_compat.array_namespace(arrays[first])


def _common_float_dtype(xp, arrays):
    floating = [
        x.dtype for x in arrays if xp.isdtype(x.dtype, ("real floating", "complex floating"))
    ]
    if floating:
        return xp.result_type(*floating)
    return default_float(xp)


def _first_device(arrays):
    return next((array_api_compat.device(x) for x in arrays), None)


def _as_float(xp, name, x, dtype, device):
    if is_array(x):
        x = np.asarray(x) if isinstance(x, np.ndarray) else x
        if not xp.isdtype(x.dtype, ("numeric", "bool")) or getattr(x.dtype, "char", "?") in "gG":
            raise TypeError(f"`{name}` must be numeric, double at most; got dtype {x.dtype}")
        return x if x.dtype == dtype else xp.astype(x, dtype)
    try:
        host = np.asarray(x)
    except ValueError as error:  # ragged nested lists
        raise ValueError(f"`{name}` must be rectangular; got a ragged sequence") from error
    if host.dtype.kind not in "biufc":
        raise TypeError(f"`{name}` must be an array; got {type(x).__name__}")
    if host.dtype.kind == "c" and not xp.isdtype(dtype, "complex floating"):
        dtype = xp.result_type(dtype, xp.complex64)
    return xp.asarray(host.tolist(), dtype=dtype, device=device)


def default_float(xp):
    """The namespace's default real floating dtype."""
    return xp.asarray(0.0).dtype


def result_namespace(x):
    """Namespace of one array."""
    if isinstance(x, np.ndarray):
        return _NUMPY
    return array_api_compat.array_namespace(x)


def device(x):
    """Device of an array."""
    return array_api_compat.device(x)


def eps(x):
    """Machine epsilon of the real type of `x`, as a Python float."""
    return float(result_namespace(x).finfo(x.dtype).eps)


def is_complex(x):
    """Whether the dtype of `x` is complex."""
    return x.dtype.kind == "c" if hasattr(x.dtype, "kind") else "complex" in str(x.dtype)


def conj(x):
    """Complex conjugate; `x` itself when it is real (the standard's conj takes complex only)."""
    return result_namespace(x).conj(x) if is_complex(x) else x


def adjoint(x):
    """Conjugate transpose of the last two axes."""
    return conj(result_namespace(x).matrix_transpose(x))


def real_part(x):
    """Real part; `x` itself when it is real."""
    return result_namespace(x).real(x) if is_complex(x) else x


def triangular_factor(a):
    """R of the reduced QR factorisation; without forming Q where no gradient can need it."""
    if isinstance(a, np.ndarray):
        return np.linalg.qr(a, mode="r")
    return result_namespace(a).linalg.qr(a, mode="reduced").R


def inverse(a):
    """Inverse of each matrix; NaN for singular ones where the library has a way not to raise."""
    xp = result_namespace(a)
    if array_api_compat.is_torch_array(a):
        inverted, info = xp.linalg.inv_ex(a)
        return xp.where((info == 0)[..., None, None], inverted, xp.nan)
    return xp.linalg.inv(a)


def halves_in_float32(function):
    """Compute float16 and bfloat16 arguments in float32 and return the caller's dtype."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        halves = [x for x in (*args, *kwargs.values()) if _is_half(x)]
        if not halves:
            return function(*args, **kwargs)
        args = [_to_single(x) for x in args]
        kwargs = {name: _to_single(x) for name, x in kwargs.items()}
        return _to_half(function(*args, **kwargs), halves[0].dtype)

    return wrapped


def _is_half(x):
    if isinstance(x, np.ndarray):
        return x.dtype == np.float16
    if not is_array(x):
        return False
    xp = result_namespace(x)
    return xp.isdtype(x.dtype, "real floating") and xp.finfo(x.dtype).bits < 32


def _to_single(x):
    return result_namespace(x).astype(x, result_namespace(x).float32) if _is_half(x) else x


def _to_half(result, dtype):
    if isinstance(result, tuple):
        parts = [_to_half(part, dtype) for part in result]
        return type(result)(*parts) if hasattr(result, "_fields") else tuple(parts)
    if is_array(result) and result.dtype == result_namespace(result).float32:
        return result_namespace(result).astype(result, dtype)
    return result


# --- what can be known on the host --------------------------------------------------------------


def is_numpy(x):
    """Whether `x` is a NumPy array: values may be checked without waiting for a device."""
    return isinstance(x, np.ndarray)


def to_numpy(x):
    """Copy of `x` on the host as a NumPy array, detached from any gradient."""
    x = detach(x)
    if array_api_compat.is_torch_array(x):
        return x.cpu().numpy().copy()
    if array_api_compat.is_cupy_array(x):
        return x.get()
    if array_api_compat.is_jax_array(x):
        return np.array(x)
    if isinstance(x, np.ndarray | np.generic):
        return np.array(x)
    writable = result_namespace(x).asarray(x, copy=True)  # NumPy 2.0 exports no other
    return np.array(np.from_dlpack(writable))


def from_numpy(values, like):
    """`values` as an array of the library, dtype and device of `like`."""
    xp = result_namespace(like)
    return xp.asarray(values, dtype=like.dtype, device=array_api_compat.device(like))


def is_jax_namespace(xp):
    """Whether `xp` is jax.numpy."""
    return array_api_compat.is_jax_namespace(xp)


def concrete(x):
    """`x` (0-d) as a Python number, or None where its value is unknown (jit, vmap)."""
    if isinstance(x, int | float | bool):
        return x
    if array_api_compat.is_jax_array(x):
        import jax

        return None if isinstance(x, jax.core.Tracer) else x.item()
    try:
        return x.item() if hasattr(x, "item") else float(x)
    except RuntimeError:  # torch.func.vmap
        return None


# --- gradients and loops ------------------------------------------------------------------------


def detach(x):
    """`x` cut from the gradient tape."""
    if array_api_compat.is_torch_array(x):
        return x.detach()
    if array_api_compat.is_jax_array(x):
        from jax import lax

        return lax.stop_gradient(x)
    return x


def while_loop(condition, body, state):
    """``while condition(state): state = body(state)``, also where the condition is traced."""
    if any(_is_tracer(x) for x in state):
        from jax import lax

        return lax.while_loop(condition, body, state)
    while condition(state):
        state = body(state)
    return state


def repeat(count, body, state, *, at_most):
    """Apply ``state = body(i, state)`` for i = 0 … count − 1, differentiably.

    Where `count` is traced the loop has `at_most` rounds and those past `count` are masked.
    """
    rounds = concrete(count)
    if rounds is not None:
        for i in range(min(int(rounds), at_most)):
            state = body(i, state)
        return state
    if array_api_compat.is_jax_array(count):
        return masked_rounds(count, body, state, at_most)
    xp = result_namespace(state)
    for i in range(at_most):
        state = xp.where(i < count, body(i, state), state)
    return state


def repeat_until(done, body, state, *, at_most):
    """Apply ``state = body(state)`` until ``done(state)``, differentiably; `body` masks members.

    Where `done` cannot be known the loop has `at_most` rounds.
    """
    for _ in range(at_most):
        stop = concrete(done(state))
        if stop is None and array_api_compat.is_jax_array(state[0]):
            from jax import lax

            return lax.fori_loop(
                0, at_most, lambda _, s: lax.cond(done(s), lambda t: t, body, s), state
            )
        if stop:
            return state
        state = body(state)
    return state


def _is_tracer(x):
    if not array_api_compat.is_jax_array(x):
        return False
    import jax

    return isinstance(x, jax.core.Tracer)


# --- CPU kernels --------------------------------------------------------------------------------


def kernel_views(*arrays):
    """Contiguous NumPy views for a CPU kernel, or None when the definition must run.

    Eligible: NumPy arrays, and torch CPU tensors that need no gradient, all float32 or all float64.
    """
    views = []
    for x in arrays:
        view = _host_view(x)
        if view is None or view.dtype not in _NATIVE_KERNEL_DTYPES:
            return None
        views.append(np.ascontiguousarray(view))
        if view.dtype != views[0].dtype:
            return None
    return views


def _host_view(x):
    if isinstance(x, np.ndarray):
        return x
    if array_api_compat.is_torch_array(x) and x.is_cpu:
        tracked = x.requires_grad and sys.modules["torch"].is_grad_enabled()
        if tracked or has_tangent(x):
            return None
        try:
            return (x.detach() if x.requires_grad else x).numpy()
        except (RuntimeError, TypeError):  # under torch.func, or a dtype NumPy lacks
            return None
    return None


def from_kernel(view, like):
    """A kernel's output in the library of `like`, sharing memory."""
    if array_api_compat.is_torch_array(like):
        return sys.modules["torch"].from_numpy(view)
    return view


# --- randomness ---------------------------------------------------------------------------------


def seed_of(rng):
    """A 64-bit seed from a Python int, a NumPy, torch or CuPy generator, a JAX key, or None."""
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool):
        if not 0 <= rng < 2**64:
            raise ValueError(f"`rng` must be a seed in [0, 2**64); got {rng}")
        return int(rng)
    if rng is None or isinstance(rng, np.random.Generator | np.random.SeedSequence):
        generator = rng if isinstance(rng, np.random.Generator) else np.random.default_rng(rng)
        return int(generator.integers(2**64, dtype=np.uint64))
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(rng, torch.Generator):
        draw = torch.randint(2**62, (1,), generator=rng, device=rng.device)
        return int(draw.item())
    if array_api_compat.is_jax_array(rng):
        return _seed_of_jax_key(rng)
    cupy = sys.modules.get("cupy")
    if cupy is not None and isinstance(rng, cupy.random.Generator):
        return int(rng.integers(0, 2**62, size=1)[0])
    raise TypeError(
        "`rng` must be an int, a NumPy, torch or CuPy generator, or a JAX key; "
        f"got {type(rng).__name__}"
    )


def _seed_of_jax_key(key):
    import jax

    if isinstance(key, jax.core.Tracer):
        raise TypeError("`rng` must be a concrete JAX key; got one traced by jax.jit")
    words = key if jax.numpy.issubdtype(key.dtype, jax.numpy.uint32) else jax.random.key_data(key)
    seed = 0
    for word in np.asarray(words).ravel().tolist():
        seed = (seed << 32 | int(word)) % 2**64
    return seed
