"""A condition as text, for the server to ask it: JSON, with an infinity as 1e999 and integers in all their digits.

Path: watch -> [condition text] -> link session. What the text cannot say, or what is larger, is asked where the updates arrive alone.
"""

import json
import math
from typing import Any, Optional

from ..types import Embedding, OpaqueBinary, Tensor
from .condition import Condition

MAX_CONDITION_BYTES = 16 * 1024
"""Of one condition's text."""

MAX_CONDITION_STEPS = 1_000
"""Of one condition: its parts, and the values that they are compared with."""


def condition_text(condition: Condition) -> Optional[str]:
    """
    Of what `check_condition` has returned. None for what the text cannot say or may not be as long as: NaN, embeddings and tensors, more than
    the bytes or steps above.
    """
    if _steps_of(condition) > MAX_CONDITION_STEPS:
        return None
    text = _text_of(condition)
    return None if text is None or len(text.encode("utf-8")) > MAX_CONDITION_BYTES else text


def _text_of(value: Any) -> Optional[str]:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        # JSON has no word for infinity, and every reader makes it of a number that is too large.
        return float.__repr__(value) if math.isfinite(value) else "1e999" if value > 0 else "-1e999"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (Embedding, Tensor, OpaqueBinary)):
        return None
    if isinstance(value, (list, tuple)):
        parts = [_text_of(element) for element in value]
        return None if None in parts else f"[{','.join(part or '' for part in parts)}]"
    if isinstance(value, dict):
        # Of these the server takes what a float holds; the others take integers in all their digits.
        if any(key in ("changedBy", "crosses") and isinstance(operand, int) and abs(operand) >= 2**53 for key, operand in value.items()):
            return None
        entries = [(key, _text_of(element)) for key, element in value.items()]
        if any(text is None for _, text in entries):
            return None
        return f"{{{','.join(f'{json.dumps(key, ensure_ascii=False)}:{text}' for key, text in entries)}}}"
    return None


def _steps_of(value: Any) -> int:
    """Every list element, map value and scalar is one, and a long text some more: it is compared character by character."""
    if isinstance(value, str):
        return 1 + len(value) // _UNITS_A_STEP
    if isinstance(value, dict):
        return 1 + sum(map(_steps_of, value.values()))
    if isinstance(value, (list, tuple)):
        return 1 + sum(map(_steps_of, value))
    return 1


_UNITS_A_STEP = 64
