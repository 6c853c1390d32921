"""Names and ids of variables as users give them, one or several. Path: the user -> [variable names] -> session, reactive. Pure."""

from typing import Any, Mapping, Tuple

from ._core.describe_value import describe_value
from ._core.metadata import check_text
from .errors import InvalidArgumentError


def read_names(names: Any, what: str, least: int = 1) -> Tuple[str, ...]:
    """As `read_name_list`, each name once."""
    return tuple(dict.fromkeys(read_name_list(names, what, least)))


def read_name_list(names: Any, what: str, least: int = 1) -> Tuple[str, ...]:
    """Raises InvalidArgumentError. One name stands for a list of it."""
    if isinstance(names, str):
        names = [names]
    if isinstance(names, (bytes, Mapping)) or not hasattr(names, "__iter__"):
        raise InvalidArgumentError(f"{what}: give a list of names, not {describe_value(names)}")
    read = list(names)
    if len(read) < least:
        raise InvalidArgumentError(f"{what}: the list is empty: name at least one variable")
    for name in read:
        check_identifier(name, what)
    return tuple(read)


def check_identifier(name: Any, what: str) -> str:
    if not isinstance(name, str):
        raise InvalidArgumentError(f"{what}: give a variable's name or id as a str, not {describe_value(name)}")
    if name == "":
        raise InvalidArgumentError(f"{what}: the name is empty: give a variable's name or id")
    return check_text(name, what)
