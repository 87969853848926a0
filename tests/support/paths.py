"""Where things are: the repository, its tests, and real models and recordings."""

from __future__ import annotations

import os
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
#: ``$SAFEASR_TEST_DATA``, or ``shared`` beside the repository. It may not be there.
DATA = Path(os.environ.get("SAFEASR_TEST_DATA") or ROOT.parent / "shared")
