"""Where the project, the example and the samples are."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "digits.py"
RESUME_EXAMPLE = ROOT / "examples" / "resume.py"
TESTS = ROOT / "tests"
SAMPLES = TESTS / "samples"
