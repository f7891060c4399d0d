"""This library's own functions under the laws it offers; ``python -m mathcore.testing`` runs it."""

import pytest

import mathcore
from mathcore import identities
from mathcore.testing import check_identity, determinant_laws, expm_laws, parametrize_with_laws


@parametrize_with_laws(expm_laws)
def test_expm(law, xp):
    law(mathcore.expm, xp=xp)


@parametrize_with_laws(determinant_laws)
def test_det(law, xp):
    law(mathcore.det, xp=xp)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("identity", identities.catalogue, ids=lambda identity: identity.name)
def test_identity(identity, dtype, xp):
    check_identity(identity, xp=xp, dtype=dtype)
