"""Matrix functions, determinants, estimators and identities."""

import numpy as np
import scipy.sparse

import mathcore
from benchmarks.recorded_results.inputs import (
    ALL,
    REAL,
    matrices,
    normal,
    of_kind,
    on_matrices,
    row,
)
from mathcore import identities


def operator(kind, n, dtype="f8"):
    bands = {"chain": (1, -2, 1), "skew": (-1, 0, 1), "drift": (0.4, -2, 1.7), "wind": (9, -2, 4)}
    if kind in bands:
        bands = [np.full(n, c, dtype) for c in bands[kind]]
        return scipy.sparse.diags_array(bands, offsets=(-1, 0, 1), shape=(n, n)).tocsr()
    a = matrices(n, (), 8.0, dtype)
    a = a @ np.conj(a.T) / 8 if kind == "positive" else a
    return (lambda v: a @ v) if kind == "callable" else a


def _sides(_, record, dtype):
    """Both sides of an identity and how they compare, for small arguments in its domain."""
    sizes = {"n": 4, "m": 5 if record == "gram_volume" else 3, "k": 3, "p": 3, "q": 2}
    one = identities.get(record)
    forms = [form if isinstance(form, str) else form[0] for form in one.domain.shapes.values()]
    shapes = [[sizes[letter] for letter in form.split()] for form in forms]
    given = [normal(*shape, dtype=dtype, seed=k) / 20 for k, shape in enumerate(shapes)]
    part = {"golden_thompson": 1, "pfaffian_square": -1, "cayley": -1}.get(record, 0)
    given = [(x + part * x.T).astype(dtype) if part else np.asarray(x, dtype) for x in given]
    given = [abs(x) for x in given] if record == "cauchy_determinant" else given
    return one.lhs(*given), one.rhs(*given), one.compare(*given)


_BATCHES, _SOME = ((), (3,), (20,), (200,)), (1, 2, 3, 5, 8, 17)
_NORMS = (0.01, 1.0, 30.0, 1e3, 1e13, "mixed", "nan")
_KINDS = ("near", "positive", "far", "upper", "any")
_ACTIONS = {"columns": ((), (3,)), "t": (0.5, (0.0, 1.0, -0.3), 40.0), "dtype": ALL}

CASES = (
    row("expm", on_matrices(1), n=range(1, 17), batch=_BATCHES, norm=_NORMS, dtype=REAL),
    row("expm", on_matrices(1), n=range(17, 65), norm=_NORMS, dtype=REAL),
    row("expm", on_matrices(1), n=(17, 24, 33, 48), batch=((3,), (20,)), norm=_NORMS, dtype=REAL),
    row("expm", on_matrices(1), n=(0, 100, 128, 129, 200), norm=(0.1, 30.0), dtype=REAL),
    row("expm", on_matrices(1), n=(2, 9), batch=((), (0,), (17,)), norm=_NORMS, dtype=ALL[2:]),
    row(
        "expm_frechet expm_vjp",
        on_matrices(2),
        n=(*range(1, 17), 24, 33),
        batch=_BATCHES[:3],
        norm=_NORMS,
        dtype=REAL,
    ),
    row(
        "expm_frechet expm_vjp",
        on_matrices(2),
        n=(1, 2, 3, 4, 7, 8, 13),
        batch=((200,),),
        norm=(0.01, 1.0, 1e3, "mixed"),
        dtype=REAL,
    ),
    row("expm_frechet expm_vjp", on_matrices(2), n=(4, 130), batch=((), (2,)), dtype=ALL),
    row("expm_cond", on_matrices(1), n=_SOME, norm=(1.0, 30.0)),
    row("phi", lambda f, p, **g: f(matrices(**g), p), n=_SOME, p=(0, 1, 4), dtype=ALL),
    row(
        "expm_multiply",
        lambda f, kind, n, columns, t, dtype: f(
            operator(kind, n, dtype), normal(n, *columns, dtype=dtype), t, return_info=True
        ),
        kind=("general", "positive", "callable"),
        n=(12, 70),
        **_ACTIONS,
    ),
    row(
        "expm_multiply",
        lambda f, kind, n, columns, t, dtype: f(
            operator(kind, n, dtype), normal(n, *columns, dtype=dtype), t, return_info=True
        ),
        kind=("chain", "skew", "drift", "wind"),
        n=(50, 700),
        **_ACTIONS,
    ),
    row(
        "phi_multiply",
        lambda f, kind, n, t: f(operator(kind, n), normal(n, 3), t),
        kind=("general", "drift"),
        n=(12, 300),
        t=(0.5, 40.0),
    ),
    row(
        "sqrtm logm signm",
        lambda f, **g: f(of_kind(**g)),
        kind=_KINDS,
        n=_SOME,
        batch=_BATCHES[:3],
        dtype=ALL,
    ),
    row(
        "sqrtm logm signm",
        lambda f, **g: f(of_kind(**g)),
        kind=_KINDS,
        n=(24, 32, 33, 60),
        dtype=ALL,
    ),
    row(
        "det slogdet",
        lambda f, n, batch, power, dtype: f(
            normal(*batch, n, n, dtype=dtype) * np.finfo(dtype).max ** np.float32(power)
        ),
        n=range(34),
        batch=((), (17,), (130,)),
        power=(0.0, 0.75, -0.75),
        dtype=ALL,
    ),
    row(
        "det slogdet",
        lambda f, shape, dtype: f(normal(*shape, dtype=dtype)),
        shape=((1100, 2, 2), (1100, 3, 3), (3, 2), (2, 5), (4, 6, 3)),
        dtype=ALL,
    ),
    row(
        "det slogdet",
        lambda f, value, n, dtype: f(np.full((40, n, n), value, dtype)),
        value=(0.0, 1.0, np.nan, np.inf),
        n=(1, 2, 3, 20),
        dtype=REAL,
    ),
    row("adjugate pseudo_slogdet", on_matrices(1), n=_SOME, batch=((), (5,)), dtype=ALL),
    row(
        "pfaffian slogpfaffian",
        lambda f, **g: f(matrices(**g) - matrices(**g).swapaxes(-1, -2)),
        n=(*_SOME, 6, 20),
        batch=((), (3,)),
        dtype=ALL,
    ),
    row("generalized_cross", lambda f, **g: f(matrices(**g)[:, 1:]), n=_SOME[1:], dtype=ALL),
    row(
        "distance_to_span",
        lambda f, **g: f(matrices(**g)[0], matrices(**g)[:, 1:]),
        n=_SOME[1:],
        dtype=ALL,
    ),
    row(
        "slogdet_update",
        lambda f, n: f(
            mathcore.slogdet(matrices(n)),
            np.linalg.inv(matrices(n)),
            normal(n, 2),
            normal(n, 2, seed=1),
        ),
        n=_SOME[1:],
    ),
    row(
        "inverse_update",
        lambda f, n: f(matrices(n), normal(n, 2), normal(n, 2, seed=1)),
        n=_SOME[1:],
    ),
    row(
        "trace_estimate",
        lambda f, kind, method: f(operator(kind, 60), 60, num_matvecs=24, method=method, rng=0),
        kind=("chain", "positive", "callable"),
        method=("xtrace", "hutch++", "hutchinson"),
    ),
    row(
        "diagonal_estimate",
        lambda f, kind: f(operator(kind, 60), 60, num_matvecs=24, rng=0),
        kind=("chain", "positive", "callable"),
    ),
    row(
        "logdet_estimate",
        lambda f, n: f(of_kind("positive", n, "f8"), n, num_probes=5, num_steps=12, rng=0),
        n=(60, 300),
    ),
    row(
        "logdet_identity_plus",
        lambda f, terms: f(operator("general", 60) / 20, 60, num_probes=5, num_terms=terms, rng=0),
        terms=(None, 6),
    ),
    row("check_identities", lambda f, n: f(matrices(n), matrices(n, seed=1)), n=(2, 5)),
    row("identities", _sides, record=[one.name for one in identities.catalogue], dtype=REAL),
)
