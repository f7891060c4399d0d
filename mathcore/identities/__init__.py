"""Matrix identities as objects: both sides, their costs, a tolerance, a proof."""

from mathcore.identities.applicable import IdentityCheck, IdentityChecks, check_identities
from mathcore.identities.catalogue import catalogue, get
from mathcore.identities.records import Agreement, Identity

__all__ = [
    "Identity",
    "Agreement",
    "catalogue",
    "get",
    "check_identities",
    "IdentityCheck",
    "IdentityChecks",
]
