"""Matrix identities as objects: both sides, their costs, a tolerance, a proof."""

from mathcore.identities.catalogue import Identity, catalogue, get

__all__ = ["Identity", "catalogue", "get"]
