"""The catalogue in words: for the terminal and for the documentation."""

import itertools

from mathcore.identities.catalogue import catalogue

_LONGEST_FORMULA = 1000  # characters of LaTeX that still fit a page


def as_text():
    """One paragraph for each record."""
    return "\n\n".join("\n".join(_paragraph(identity)) for identity in catalogue)


def _paragraph(identity):
    yield identity.name
    yield f"  {identity.statement}"
    yield f"  domain     {identity.domain.words}"
    lhs, rhs = (str(formula).replace("**", "^") for formula in _formulas(identity))
    yield f"  cheap      {cheap_side(identity)} (costs: lhs {lhs}, rhs {rhs})"
    yield f"  proved     {identity.proves}"
    yield f"  reference  {identity.reference}"


def as_markdown():
    """One section for each record, with its LaTeX."""
    return "\n\n".join("\n\n".join(_section(identity)) for identity in catalogue)


def _section(identity):
    import sympy

    lhs, rhs = (sympy.latex(formula) for formula in _formulas(identity))
    yield f"## {identity.name}"
    yield f"$$\n{identity.statement}\n$$"
    yield f"Domain: {identity.domain.words}."
    yield f"Costs: left ${lhs}$, right ${rhs}$. Cheap side: {cheap_side(identity)}."
    yield f"`prove(n)` verifies: {identity.proves}."
    formula = sympy.latex(identity.symbolic(2))
    if len(formula) <= _LONGEST_FORMULA:
        yield f"For $n = 2$:\n\n$$\n{formula}\n$$"
    yield f"Reference: {identity.reference}."


def cheap_side(identity):
    """The side that is cheap whatever the sizes, or that it depends on them."""
    choices = {"dense": (0, 1)}
    letters = _letters(identity)
    sides = set()
    for values in itertools.product(*(choices.get(letter, (10, 100)) for letter in letters)):
        sizes = dict(zip(letters, values, strict=True))
        sides.add("lhs" if identity.cost_lhs(**sizes) <= identity.cost_rhs(**sizes) else "rhs")
    return sides.pop() if len(sides) == 1 else "depends on the sizes"


def _letters(identity):
    code = identity.cost_lhs.__code__
    return code.co_varnames[: code.co_argcount]


def _formulas(identity):
    """The costs as SymPy expressions of the sizes."""
    import sympy

    sizes = {
        letter: sympy.Symbol(
            "\\delta" if letter == "dense" else letter, positive=True, integer=True
        )
        for letter in _letters(identity)
    }
    costs = (identity.cost_lhs(**sizes), identity.cost_rhs(**sizes))
    return tuple(sympy.nsimplify(sympy.expand(cost)) for cost in costs)
