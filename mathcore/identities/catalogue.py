"""The catalogue: every record, in the order of its themes."""

from mathcore.identities.exponentials import EXPONENTIALS
from mathcore.identities.low_rank import LOW_RANK
from mathcore.identities.structured import STRUCTURED
from mathcore.identities.volumes import VOLUMES

catalogue = (*EXPONENTIALS, *LOW_RANK, *VOLUMES, *STRUCTURED)


def get(name):
    """The identity called `name`.

    Parameters
    ----------
    name : str

    Returns
    -------
    Identity

    Raises
    ------
    ValueError
        There is none.

    Examples
    --------
    >>> import numpy as np
    >>> from mathcore import identities
    >>> identity = identities.get("det_exp")
    >>> a = np.array([[1.0, 2.0], [3.0, -1.0]])
    >>> identity.residual(a) <= identity.tolerance(a)
    True
    >>> identity.cheapest((300, 300))
    'rhs'
    """
    for identity in catalogue:
        if identity.name == name:
            return identity
    names = ", ".join(identity.name for identity in catalogue)
    raise ValueError(f"`name` must be one of {names}; got {name!r}")
