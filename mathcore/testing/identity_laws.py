"""The law of an identity: its two sides agree within the tolerance it derives."""

from mathcore.testing import strategies
from mathcore.testing.laws import REAL_AND_COMPLEX, law


def check_identity(identity, *, xp=None, dtype="float64", max_examples=None):
    """Raise AssertionError, with the smallest counterexample found, where `identity` is false.

    Parameters
    ----------
    identity : mathcore.identities.Identity
    xp : namespace, optional
        Array library (NumPy).
    dtype : str
    max_examples : int, optional
        15; fewer for JAX.

    Examples
    --------
    >>> from mathcore import identities
    >>> from mathcore.testing import check_identity
    >>> check_identity(identities.get("det_exp"))
    """

    def arguments(dtype):
        return identity.strategy(strategies, dtype)

    @law(dtypes=REAL_AND_COMPLEX, max_examples=15, args=arguments)
    def holds(identity, xp, args):
        residual, tolerance = identity.compare(*args)
        if not residual <= tolerance:
            raise AssertionError(
                f"{identity.name}: residual {residual:.3g} exceeds {tolerance:.3g}"
            )

    holds(identity, xp=xp, dtype=dtype, max_examples=max_examples)
