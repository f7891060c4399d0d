"""Skip-tuning of a torch U-Net as it stands: Ma et al., arXiv 2402.15170, definition 3.1."""

import contextlib
import functools
import inspect
import threading
import weakref
from contextvars import ContextVar
from numbers import Real

from mathcore._checks import check_count, check_number
from solvers.diffusion.noise_level import current_noise_level
from solvers.diffusion.skip_joins import SkipJoins
from solvers.diffusion.skip_tuning import skip_factor

_ACTIVE = ContextVar("skip_tunings", default=())  # of this thread, the outermost first
_LOCK = threading.RLock()
_COUNTS = weakref.WeakKeyDictionary()  # model -> its number of skips, once seen


def skip_tuning(model, rho_bottom, rho_top=1.0, *, sigma_range=None, n_skips=None):
    """Scale the skip connections of a torch U-Net inside a ``with`` block.

    Parameters
    ----------
    model : torch.nn.Module
        A U-Net, or a module around one (a preconditioning, say), whose first argument with four
        axes or more is the sample. Its code and its weights are not touched.
    rho_bottom : float, sequence of floats, or callable
        Factor ρ₀ of the skip next to the bottleneck; or the factors of all skips, from the
        bottleneck to the output; or a function of the noise level σ that gives one of the two.
    rho_top : float or callable, optional
        Factor of the skip next to the output; those between are interpolated linearly. Not used
        where `rho_bottom` is a sequence.
    sigma_range : (low, high), optional
        Noise levels to tune at, both ends included; at others ρ = 1.
    n_skips : int, optional
        How many skips the network has, to be checked in every forward pass.

    Returns
    -------
    context manager
        Within it the decoder's input concat(u_i, d_i) is concat(u_i, ρ_i·d_i), in this thread
        only. Blocks may be nested: their factors multiply. It is off again after the block,
        an exception included.

    Raises
    ------
    ValueError
        A factor is not finite; `sigma_range` is no range. In the first forward pass: no skip, or
        another number than `n_skips`; a concatenation in which the skip cannot be told; no noise
        level where ρ depends on it.
    TypeError
        `model` is no torch module, or a scripted one.

    Notes
    -----
    A join is recognised by the data flow, not by its place in the code or the order of its
    operands: ``torch.cat`` along the channels of two maps of which one was computed from the other,
    which is the skip. A map that does not come from the sample (a condition, an embedding) is no
    skip. Skips must be nested, the last made the first joined. A network that does otherwise
    (parallel branches, dense blocks, attention gates) raises ValueError and is never tuned in part.
    Of a network with a single join a dense block cannot be told from a skip.

    Interpolated factors need the number of skips. Without `n_skips` it is found by one untuned
    forward pass more, the first time a model is seen.

    σ is that of `sample_diffusion` or `denoiser_from_diffusers`, or the argument ``sigma`` of
    the model. Within the block code compiled by ``torch.compile`` runs eagerly, in all threads: a
    compiled graph knows nothing of ρ. Gradient checkpoints may not enclose a join: what torch
    recomputes in the backward pass is not tuned.

    The paper tunes ρ_bottom in [.5, 1] by hand for each network. Which side of 1 is the better
    depends on the network: see `tune_skips`.

    References
    ----------
    .. [1] J. Ma, S. Xue, T. Hu, W. Wang, Z. Liu, Z. Li, Z.-M. Ma, K. Kawaguchi, "The surprising
       effectiveness of skip-tuning in diffusion sampling", ICML 2024, arXiv 2402.15170.

    Examples
    --------
    >>> import torch
    >>> from solvers import skip_tuning
    >>> class Net(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.inward, self.deep, self.outward = (
    ...             torch.nn.Conv2d(n, 1, 1, bias=False) for n in (1, 1, 2)
    ...         )
    ...         for conv in (self.inward, self.deep, self.outward):
    ...             torch.nn.init.ones_(conv.weight)
    ...
    ...     def forward(self, x):
    ...         d = self.inward(x)
    ...         return self.outward(torch.cat([self.deep(d), d], dim=1))
    >>> net, x = Net().requires_grad_(False), torch.ones(1, 1, 1, 1)
    >>> with skip_tuning(net, 0.5, n_skips=1):
    ...     net(x).item()
    1.5
    >>> net(x).item()
    2.0
    """
    import torch

    model = getattr(model, "_orig_mod", model)  # of torch.compile
    if not isinstance(model, torch.nn.Module) or isinstance(model, torch.jit.ScriptModule):
        raise TypeError(
            f"`model` must be a torch module that is not scripted; got {type(model).__name__}"
        )
    if n_skips is not None:
        n_skips = check_count(n_skips, "n_skips")
    if sigma_range is not None:
        low, high = sigma_range
        low = check_number(low, "sigma_range[0]", at_least=0.0)
        sigma_range = low, check_number(high, "sigma_range[1]", at_least=low)
    rho_bottom = rho_bottom if callable(rho_bottom) else _checked_rho(rho_bottom, n_skips)
    rho_top = rho_top if callable(rho_top) else check_number(rho_top, "rho_top")
    return _entered(_Tuning(model, rho_bottom, rho_top, sigma_range, n_skips))


def _checked_rho(rho, n_skips):
    """A float, or a tuple with one for each skip."""
    if isinstance(rho, Real) or not hasattr(rho, "__len__"):
        return check_number(rho, "rho_bottom")
    rho = tuple(check_number(value, f"rho_bottom[{i}]") for i, value in enumerate(rho))
    if not rho or n_skips not in (None, len(rho)):
        wanted = "at least one" if n_skips is None else n_skips
        raise ValueError(f"`rho_bottom` must hold {wanted} factors; got {len(rho)}")
    return rho


@contextlib.contextmanager
def _entered(tuning):
    _install(tuning.model)
    _ACTIVE.set((*_ACTIVE.get(), tuning))
    try:
        with _without_compiled_code():
            yield
    finally:
        tuning.over = True  # also where a task begun in the block still holds its context
        _ACTIVE.set(tuple(other for other in _ACTIVE.get() if other is not tuning))
        _uninstall(tuning.model)


class _TunedForward:
    """Stands in for ``model.forward``: runs it inside the tunings entered in this thread."""

    def __init__(self, model):
        self.model, self.blocks = model, 0
        self.own = model.__dict__.get("forward")  # None: that of its class
        self.plain = model.forward
        self.__signature__ = inspect.signature(self.plain)

    def __call__(self, *args, **kwargs):
        run = self.plain
        for tuning in _ACTIVE.get():
            if tuning.model is self.model and not tuning.over:
                run = functools.partial(tuning.run, run)
        return run(*args, **kwargs)

    def __reduce__(self):  # a copy of the model within the block is not tuned
        return getattr, (self.model, "forward")


def _install(model):
    with _LOCK:
        if not isinstance(model.__dict__.get("forward"), _TunedForward):
            model.forward = _TunedForward(model)
        model.forward.blocks += 1


def _uninstall(model):
    with _LOCK:
        forward = model.__dict__.get("forward")
        if not isinstance(forward, _TunedForward):  # someone else's by now
            return
        forward.blocks -= 1
        if forward.blocks == 0 and forward.own is None:
            del model.forward
        elif forward.blocks == 0:
            model.forward = forward.own


class _Compilation:
    """Blocks under way, and what turned compiled code off in the first of them."""

    blocks, stance = 0, None


@contextlib.contextmanager
def _without_compiled_code():
    import torch

    with _LOCK:
        if _Compilation.blocks == 0:
            _Compilation.stance = torch.compiler.set_stance("force_eager")
        _Compilation.blocks += 1
    try:
        yield
    finally:
        with _LOCK:
            _Compilation.blocks -= 1
            if _Compilation.blocks == 0:
                _Compilation.stance.__exit__(None, None, None)


class _Tuning:
    """One block: which model, and its factors."""

    def __init__(self, model, rho_bottom, rho_top, sigma_range, n_skips):
        self.model, self.rho_bottom, self.rho_top = model, rho_bottom, rho_top
        self.sigma_range, self.n_skips, self.over = sigma_range, n_skips, False

    def run(self, forward, *args, **kwargs):
        """One forward pass, tuned; its number of skips is checked."""
        rho, rho_top = self._factors(args, kwargs)
        expected = len(rho) if isinstance(rho, tuple) else self.n_skips
        if isinstance(rho, tuple):
            factor = rho.__getitem__
        elif rho == rho_top:
            factor = functools.partial(skip_factor, rho, rho, 1)
        else:
            expected = expected or self._count(forward, args, kwargs)
            factor = functools.partial(skip_factor, rho, rho_top, expected)
        _COUNTS.pop(self.model, None)  # not kept where the pass does not bear it out
        result, count = _followed(self.model, factor, expected, forward, args, kwargs)
        _check_found(count, expected)
        _COUNTS[self.model] = count
        return result

    def _factors(self, args, kwargs):
        rho, rho_top = self.rho_bottom, self.rho_top
        if self.sigma_range is None and not callable(rho) and not callable(rho_top):
            return rho, rho_top
        sigma = _noise_level(self.model, args, kwargs)
        if self.sigma_range and not self.sigma_range[0] <= sigma <= self.sigma_range[1]:
            return 1.0, 1.0
        rho = _checked_rho(rho(sigma), self.n_skips) if callable(rho) else rho
        rho_top = check_number(rho_top(sigma), "rho_top") if callable(rho_top) else rho_top
        return rho, rho_top

    def _count(self, forward, args, kwargs):
        import torch

        if self.model not in _COUNTS:
            cuda = [x.device for x in _inputs(args, kwargs) if x.is_cuda]
            with torch.no_grad(), torch.random.fork_rng(devices=cuda[:1]):
                _, count = _followed(self.model, lambda i: 1.0, None, forward, args, kwargs)
            _check_found(count, None)
            _COUNTS[self.model] = count
        return _COUNTS[self.model]


def _followed(model, factor, expected, forward, args, kwargs):
    """The result of a forward pass and its number of joins."""
    import torch
    from torch.utils.weak import WeakIdKeyDictionary

    inputs = _inputs(args, kwargs)
    sample = next((x for x in inputs if x.ndim >= 4), None)
    if sample is None:
        raise ValueError("`model` must be called with a sample of at least four axes; got none")

    def checked_factor(i):
        if expected is not None and i >= expected:
            raise ValueError(f"`model` must have {expected} skips; found more")
        return factor(i)

    joins = SkipJoins(
        torch.Tensor,
        torch.nn.Parameter,
        WeakIdKeyDictionary(),
        sample,
        (*inputs, *model.buffers()),
        checked_factor,
    )
    with _follower()(joins):
        result = forward(*args, **kwargs)
    return result, joins.count


@functools.cache
def _follower():
    from torch.overrides import TorchFunctionMode

    class Follower(TorchFunctionMode):
        """Shows every torch operation of its thread to a `SkipJoins`."""

        def __init__(self, joins):
            super().__init__()
            self.joins = joins

        def __torch_function__(self, function, types, args=(), kwargs=None):
            return self.joins.follow(function, args, kwargs or {})

    return Follower


def _check_found(count, expected):
    if count == 0:
        raise ValueError(
            "`model` must join its skips by torch.cat along axis 1 of maps with at least four "
            "axes; found no such join"
        )
    if expected is not None and count != expected:
        raise ValueError(f"`model` must have {expected} skips; found {count}")


def _inputs(args, kwargs):
    import torch

    return [x for x in (*args, *kwargs.values()) if isinstance(x, torch.Tensor)]


def _noise_level(model, args, kwargs):
    sigma = current_noise_level()
    if sigma is None:
        arguments = inspect.signature(model.forward).bind_partial(*args, **kwargs).arguments
        sigma = arguments.get("sigma")
    if sigma is None:
        raise ValueError(
            "`model` must be called by sample_diffusion or take an argument `sigma` where ρ "
            "depends on the noise level; got neither"
        )
    levels = set(sigma.flatten().tolist()) if hasattr(sigma, "flatten") else {float(sigma)}
    if len(levels) != 1:
        raise ValueError(f"`sigma` must be one noise level for the batch; got {len(levels)}")
    return levels.pop()
