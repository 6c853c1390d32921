"""Reads test/vectors, which TypeScript's tests read too. Path: test/vectors/*.json -> [vectors] -> tests."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[3] / "test" / "vectors"


def read_vectors(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))
