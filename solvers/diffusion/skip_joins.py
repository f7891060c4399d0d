"""Where the skips of a U-Net are joined: told from the data flow of one forward pass.

A join is a concatenation along the channels of two maps computed from the sample, of which one, the
backbone u, was computed from the other, the skip d. Of a map only its origin is kept: the number of
the operation that made it, and the set of those it descends from as the bits of an integer.
Operations that mix no channels (activations, resampling, scaling, adding what does not come from
the sample) keep the origin of their argument, so that a skip may be rescaled on its way.
"""

from typing import NamedTuple

_JOINING = {"cat", "concat", "concatenate"}
_MIXING = {"linear", "bilinear", "matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "addmm"} | {
    *("baddbmm", "einsum", "tensordot", "conv1d", "conv2d", "conv3d"),
    *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
}
_LIKE_ANOTHER = {"to", "type_as", "expand_as", "view_as", "reshape_as"}


class _Origin(NamedTuple):
    number: int
    ancestors: int  # bit i: operation i; its own bit is set


_OUTSIDE = _Origin(-1, 0)  # known, and not computed from the sample


class SkipJoins:
    """Follow the operations of one forward pass and scale the skips at their joins.

    Parameters
    ----------
    tensor, parameter : types
        What an array and a weight of the library are.
    origins : mutable mapping
        Empty; from array, by identity, to what is known of it. It should not keep arrays alive.
    sample : array
        The input all maps of the network are computed from.
    others : iterable of arrays
        Further inputs and constants of the network.
    factor : callable
        ``factor(i)``: ρ_i of the i-th join, from 0 at the bottleneck.
    """

    def __init__(self, tensor, parameter, origins, sample, others, factor):
        self._tensor, self._parameter = tensor, parameter
        self._origins, self._factor = origins, factor
        for other in others:
            origins[other] = _OUTSIDE
        self._operations = 0
        origins[sample] = self._new_origin(0)
        self._last_skip = None
        self.count = 0

    def follow(self, function, args, kwargs):
        """``function(*args, **kwargs)``, its skip scaled if it is a join."""
        name = getattr(function, "__name__", "")
        given = args
        if name in _JOINING:
            given = self._scaled_at_join(args, kwargs)
        result = function(*given, **kwargs)
        changed = args[:1] if name == "__setitem__" else result
        if isinstance(changed, (self._tensor, tuple, list)):
            origin = self._origin_of_result(name, args, kwargs)
            if origin is not None:
                for x in self._arrays(changed):
                    self._origins[x] = origin
        return result

    def _arrays(self, values):
        for value in (values,) if isinstance(values, self._tensor) else values:
            if isinstance(value, self._tensor):
                yield value
            elif isinstance(value, tuple | list):
                yield from self._arrays(value)

    def _origin(self, x):
        """None where `x` comes from an operation that was not seen."""
        return _OUTSIDE if isinstance(x, self._parameter) else self._origins.get(x)

    def _new_origin(self, ancestors):
        number = self._operations
        self._operations += 1
        return _Origin(number, ancestors | 1 << number)

    def _origin_of_result(self, name, args, kwargs):
        if name.endswith("_like") or name.startswith("new_"):
            return _OUTSIDE
        sources = args[:1] if name in _LIKE_ANOTHER else (*args, *kwargs.values())
        origins = {self._origin(x) for x in self._arrays(sources)}
        from_sample = origins - {None, _OUTSIDE}
        if not from_sample:
            return None if None in origins else _OUTSIDE
        if len(from_sample) == 1 and name not in _MIXING:
            return from_sample.pop()
        ancestors = 0
        for origin in from_sample:
            ancestors |= origin.ancestors
        return self._new_origin(ancestors)

    def _scaled_at_join(self, args, kwargs):
        """The positional arguments of the concatenation with its skip, if it has one, scaled."""
        if not args:
            raise ValueError("`model` must give the maps to concatenate by position")
        maps = list(args[0])
        axis = args[1] if len(args) > 1 else kwargs.get("dim", kwargs.get("axis", 0))
        if any(x.ndim < 4 for x in maps) or not maps or axis not in (1, 1 - maps[0].ndim):
            return args
        position = self._position_of_skip(maps)
        if position is None:
            return args
        self._check_nested(self._origin(maps[position]))
        rho = self._factor(self.count)
        self.count += 1
        if rho == 1.0:
            return args
        maps[position] = rho * maps[position]
        return (maps, *args[1:])

    def _position_of_skip(self, maps):
        origins = [self._origin(x) for x in maps]
        inside = [i for i, origin in enumerate(origins) if origin not in (None, _OUTSIDE)]
        if not inside:
            return None
        if None in origins:
            raise ValueError(
                "`model` must be followed from its input to each concatenation; got a map made by "
                "an operation that torch does not show (a script, or an autograd.Function)"
            )
        if len(inside) == 2 and maps[inside[0]] is maps[inside[1]]:
            return inside[1]  # a decoder that begins at the deepest skip: concat(u, d), u = d
        if len({origins[i] for i in inside}) < 2:
            return None
        skips = [
            i for i in inside if all(origins[j].ancestors >> origins[i].number & 1 for j in inside)
        ]
        if len(inside) > 2 or not skips:
            raise ValueError(
                "`model` must concatenate its backbone with one skip that the backbone was "
                f"computed from; got {len(inside)} maps, none or several of which may be the skip"
            )
        return skips[0]

    def _check_nested(self, origin):
        if self._last_skip is not None and origin.number > self._last_skip:
            raise ValueError(
                "`model` must take its skips in the reverse of the order it made them in; "
                f"concatenation {self.count} takes one made after the one before"
            )
        self._last_skip = origin.number
