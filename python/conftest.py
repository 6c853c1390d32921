"""Tests read the package as it lies here: nothing has to be installed. Path: pytest -> [conftest] -> tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
