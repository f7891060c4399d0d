"""The recorder of results: every public name has a case, and what differs is told."""

import numpy as np
import pytest

pytest.importorskip("benchmarks", reason="the benchmarks are in the checkout only")

import mathcore
import solvers
from benchmarks.recorded_results.__main__ import main
from benchmarks.recorded_results.recorder import NOT_CALLED, cases, difference, flattened, recorded
from mathcore import identities

_CHEAP = "^expm_cond: n=2, norm=1.0|^companion"


def test_every_public_name_has_a_case_or_a_reason():
    called = {name.partition(":")[0] for name, _ in cases()} - {"identities"}
    exported = {*mathcore._EXPORTS, *solvers._EXPORTS}
    assert not called & set(NOT_CALLED)
    assert called | set(NOT_CALLED) == exported


def test_every_identity_has_a_case():
    text = " ".join(name for name, _ in cases("^identities"))
    for identity in identities.catalogue:
        assert f"record={identity.name}," in text


def test_every_case_has_a_name_of_its_own():
    names = [name for name, _ in cases()]
    assert len(set(names)) == len(names) and not any("/" in name for name in names)


def test_results_compare_with_themselves_and_not_with_others(tmp_path, capsys):
    path = str(tmp_path / "results.npz")
    assert main(["write", path, "--only", _CHEAP]) == 0
    assert main(["compare", path, "--only", _CHEAP]) == 0
    assert capsys.readouterr().out.endswith("2 entries equal bit for bit, 0 differ\n")
    with np.load(path) as kept:
        entries = dict(kept)
    name = next(name for name in entries if name.startswith("expm_cond"))
    entries[name] = np.nextafter(entries[name], np.inf)
    np.savez(path, **entries)
    assert main(["compare", path, "--only", _CHEAP]) == 1
    out = capsys.readouterr().out
    assert f"{name}: 1 of 1 numbers, by 1 ulp" in out
    assert out.endswith("1 entries equal bit for bit, 1 differ\n")


def test_an_entry_that_is_missing_differs(tmp_path):
    path = str(tmp_path / "results.npz")
    np.savez(path, **{"expm_cond: n=2, norm=1.0/gone": np.zeros(1)})
    assert main(["compare", path, "--only", "^expm_cond: n=2, norm=1.0"]) == 1


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (np.asarray([np.nan, 1.0]), np.asarray([-np.nan, 1.0]), ""),
        (np.asarray([0.0, 1.0]), np.asarray([-0.0, 1.0]), "1 of 2 numbers, by 0 ulp, 0.0e+00"),
        (np.float32([1.0]), np.float32([1.0 + 2.0**-22]), "by 2 ulp, 2.4e-07 relative"),
        (np.complex128([1j]), np.complex128([2j]), "1 of 2 numbers"),
        (np.zeros(2), np.zeros(3), "float64(2,) became float64(3,)"),
        (np.zeros(2), np.zeros(2, np.float32), "float64(2,) became float32(2,)"),
        (np.asarray("converged"), np.asarray("stopped"), "converged became stopped"),
        (np.asarray(3), np.asarray(4), "1 of 1: 3 became 4"),
    ],
)
def test_differences_in_words(before, after, words):
    found = difference(before, after)
    assert words in found and bool(words) == bool(found)


def test_errors_are_recorded_and_unknown_values_refused():
    found = recorded("f: x", lambda: int("two\nlines"))
    assert str(found["f: x/raised"]).startswith("ValueError: invalid literal")
    with pytest.raises(TypeError, match="`value` must hold numbers and words"):
        dict(flattened({"part": object()}, "f: x"))
