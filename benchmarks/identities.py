"""The cheap side of each identity: the cost model's choice against the other side.

The side that `cheapest` chooses comes first, so that a ratio above one confirms the model. Where
the choice depends on the sizes, sizes on either side of the crossover are timed. The sides must
agree by the identity's own law before.
"""

import numpy as np

from benchmarks.runner import Case
from mathcore import identities

# name, then sizes; where the cheap side changes, one line for each side
SIZES = (
    ("det_exp", {"n": 100}),
    ("liouville", {"k": 3, "n": 50}),
    ("kronecker_sum_exp", {"n": 12, "m": 10}),
    ("duhamel", {"n": 100}),
    ("phi_block", {"n": 100}),
    ("bch", {"n": 64}),
    ("logdet_series", {"n": 100}),
    ("matrix_determinant_lemma", {"n": 400, "k": 20, "dense": 0}),
    ("matrix_determinant_lemma", {"n": 50, "k": 400, "dense": 0}),
    ("matrix_determinant_lemma", {"n": 400, "k": 20, "dense": 1}),
    ("weinstein_aronszajn", {"m": 400, "n": 20}),
    ("weinstein_aronszajn", {"m": 20, "n": 400}),
    ("woodbury", {"n": 400, "k": 20, "dense": 0}),
    ("woodbury", {"n": 50, "k": 400, "dense": 0}),
    ("woodbury", {"n": 400, "k": 20, "dense": 1}),
    ("schur_determinant", {"p": 400, "q": 20, "dense": 0}),
    ("schur_determinant", {"p": 200, "q": 200, "dense": 1}),
    ("cauchy_binet", {"m": 150, "n": 150}),
    ("cauchy_binet", {"m": 3, "n": 30}),
    ("gram_volume", {"m": 1000, "n": 50}),
    ("gram_volume", {"m": 400, "n": 400}),
    ("jacobi_formula", {"n": 5}),
    ("jacobi_formula", {"n": 100}),
    ("adjugate", {"n": 100}),
    ("generalized_cross", {"n": 100, "k": 99}),
    ("pfaffian_square", {"n": 200}),
    ("hadamard_bound", {"n": 300}),
    ("golden_thompson", {"n": 100}),
    ("vandermonde", {"n": 40}),
    ("cauchy_determinant", {"n": 200}),
    ("cayley", {"n": 100}),
    ("kronecker_det", {"n": 20, "m": 15}),
    ("vec_kronecker", {"m": 40, "n": 40, "p": 40, "q": 40}),
    ("trace_product", {"m": 300, "n": 300}),
    ("trace_expectation", {"n": 10}),
)


def cases(quick):
    """One case for each line of `SIZES`; every fourth when quick."""
    for name, sizes in SIZES[:: 4 if quick else 1]:
        yield _case(name, sizes)


def _case(name, sizes):
    identity = identities.get(name)
    args = _arguments(identity, sizes)
    cheap = identity.cheapest(*(np.shape(x) for x in args))
    dear = "rhs" if cheap == "lhs" else "lhs"
    sides = {"lhs": identity.lhs, "rhs": identity.rhs}

    def agree(_):
        residual, tolerance = identity.compare(*args)
        assert residual <= tolerance, (name, sizes, residual, tolerance)

    costs = identity.costs(*(np.shape(x) for x in args))
    words = ", ".join(f"{letter} = {size}" for letter, size in sizes.items())
    return Case(
        f"{name}, {words}: {cheap} has {max(costs) / min(costs):.3g} times fewer operations",
        {"mathcore": lambda: sides[cheap](*args), f"the {dear}": lambda: sides[dear](*args)},
        agree,
    )


def _arguments(identity, sizes):
    """Random arguments of the domain, of size one so that no determinant overflows."""
    rng = np.random.default_rng(0)
    return tuple(
        _argument(rng, identity.name, argument, _shape(forms, sizes))
        for argument, forms in identity.domain.shapes.items()
    )


def _shape(forms, sizes):
    form = forms if isinstance(forms, str) else forms[1 - sizes["dense"]]
    return tuple(sizes[letter] for letter in form.split())


def _argument(rng, name, argument, shape):
    if argument == "t":
        return 0.5
    x = rng.standard_normal(shape) / np.sqrt(max(shape))
    if name == "vandermonde":
        return np.linspace(0.0, 1.0, shape[0])
    if name == "cauchy_determinant":  # x_i + y_i = 1, all other sums are larger
        return 10.0 * np.arange(shape[0]) if argument == "x" else 1.0 - 10.0 * np.arange(shape[0])
    if argument == "a" and name in ("matrix_determinant_lemma", "woodbury", "schur_determinant"):
        return 1 + x / 4 if len(shape) == 1 else np.eye(shape[0]) + x / 4
    changes = {
        "golden_thompson": lambda: (x + x.T) / 2,
        "cayley": lambda: x - x.T,
        "pfaffian_square": lambda: x - x.T,
        "logdet_series": lambda: x / 2,
        "bch": lambda: x / 100,
    }
    return changes.get(name, lambda: x)()
