"""The tour runs, checks itself, and draws."""

import struct
import subprocess
import sys

from solvers import __main__ as tour_command


def test_quick_tour(tmp_path):
    command = [sys.executable, "-m", "solvers", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every check holds" in done.stdout
    assert "FAILS" not in done.stdout
    assert "nan" not in done.stdout.lower().split()
    figures = sorted(tmp_path.glob("*.png"))
    assert len(figures) >= 4
    for path in figures:
        header = path.read_bytes()[:24]
        width, height = struct.unpack(">II", header[16:24])
        assert header[:8] == b"\x89PNG\r\n\x1a\n"
        assert min(width, height) > 300


def test_a_failed_check_fails_the_command(tmp_path, monkeypatch):
    from solvers.tour import bessel, diffusion, exponentials, mixture, volumes
    from solvers.tour.rows import Row

    for chapter in (bessel, diffusion, exponentials, mixture, volumes):
        monkeypatch.setattr(chapter, "step", lambda out, quick: [Row("a", "1", holds=True)])
    assert tour_command.main(["--out", str(tmp_path)]) == 0
    monkeypatch.setattr(bessel, "step", lambda out, quick: [Row("b", "2", holds=False)])
    assert tour_command.main(["--out", str(tmp_path)]) == 1
