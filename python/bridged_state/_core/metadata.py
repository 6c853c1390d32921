"""The setter's own map of strings, and other texts that travel as they are. Path: caller -> [metadata] -> set queue, requests."""

from typing import Any, Dict, Mapping

from ..errors import InvalidArgumentError, InvalidNameError, InvalidValueError
from .describe_value import describe_value

MAX_NAME_CHARACTERS = 256
"""Characters of a name."""
MAX_ENTRIES = 16_384
"""Of a map, as servers take it."""


def copy_metadata(given: Any, subject: str) -> Dict[str, str]:
    """
    A copy. None is an empty one. Raises InvalidArgumentError for too many entries, and InvalidValueError when it is no map, or something in it is not a
    string that UTF-8 can say.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidValueError(f"{subject}: metadata is a dict of strings, not {describe_value(given)}")
    if len(given) > MAX_ENTRIES:
        raise InvalidArgumentError(f"{subject}: metadata has {len(given)} entries: give at most {MAX_ENTRIES}")
    copy: Dict[str, str] = {}
    for key, value in given.items():
        if not isinstance(key, str) or not isinstance(value, str):
            odd = value if isinstance(key, str) else key
            raise InvalidValueError(
                f"{subject}: metadata {describe_value(key)} holds {describe_value(odd)}, not a string: convert it first"
            )
        if not is_well_formed(key) or not is_well_formed(value):
            raise InvalidValueError(
                f"{subject}: metadata {describe_value(key)} holds half of a surrogate pair, which UTF-8 cannot say"
            )
        copy[str.__str__(key)] = str.__str__(value)
    return copy


def check_name(name: Any) -> str:
    """Any 1 to 256 characters without control characters. Raises InvalidNameError."""
    if not isinstance(name, str):
        raise InvalidNameError(f"a variable's name is a str, not {describe_value(name)}")
    if name == "":
        raise InvalidNameError(f"a variable's name is empty: give 1 to {MAX_NAME_CHARACTERS} characters")
    if len(name) > MAX_NAME_CHARACTERS:
        raise InvalidNameError(
            f"the variable name that begins {describe_value(name)} is too long: give at most {MAX_NAME_CHARACTERS} characters"
        )
    for character in name:
        code = ord(character)
        if code < 0x20 or 0x7F <= code <= 0x9F:
            raise InvalidNameError(f"the variable name {name!a} holds a control character (U+{code:04X}): leave it out")
        if 0xD800 <= code <= 0xDFFF:
            raise InvalidNameError(
                f"the variable name {name!a} holds half of a surrogate pair, which UTF-8 cannot say: leave it out"
            )
    return name


def check_text(text: Any, subject: str) -> str:
    """An identifier, a pattern, a source. Raises InvalidArgumentError for what no message can carry."""
    if not isinstance(text, str):
        raise InvalidArgumentError(f"{subject}: give a str, not {describe_value(text)}")
    if not is_well_formed(text):
        raise InvalidArgumentError(f"{subject}: {text[:80]!a} holds half of a surrogate pair, which UTF-8 cannot say")
    return text


def is_well_formed(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
