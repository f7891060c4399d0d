"""The noise level a denoiser is being evaluated at, for what inside it depends on σ."""

from contextvars import ContextVar

_LEVEL = ContextVar("noise_level", default=None)


def at_noise_level(sigma, function, *args, **kwargs):
    """``function(*args, **kwargs)``, during which `current_noise_level` is `sigma`."""
    before = _LEVEL.set(sigma)
    try:
        return function(*args, **kwargs)
    finally:
        _LEVEL.reset(before)


def current_noise_level():
    """The level of the innermost evaluation under way in this thread, or None."""
    return _LEVEL.get()
