"""Names and maps of strings that travel as they are."""

from typing import Any

import pytest
from bridged_state._core.metadata import check_name, copy_metadata
from bridged_state.errors import InvalidArgumentError, InvalidNameError, InvalidValueError


def test_metadata_is_copied() -> None:
    given = {"__proto__": "x", "": "é😀"}
    copy = copy_metadata(given, "x")
    assert copy == given and copy is not given
    assert copy_metadata(None, "x") == {}


def test_as_many_as_servers_take() -> None:
    many = {str(number): "" for number in range(16_384)}
    assert copy_metadata(many, "x") == many
    with pytest.raises(InvalidArgumentError, match="x: metadata has 16385 entries"):
        copy_metadata({**many, "more": ""}, "x")


@pytest.mark.parametrize("given", [5, "ab", ["a"], {1: "a"}, {"a": 1}, {"a": None}, {"\ud800": "a"}, {"a": "\ud800"}], ids=ascii)
def test_metadata_that_is_refused(given: Any) -> None:
    with pytest.raises(InvalidValueError, match='^variable "x": '):
        copy_metadata(given, 'variable "x"')


@pytest.mark.parametrize("name", ["a", "*", "__proto__", "x" * 256, "😀" * 256, "Grüße 世界"], ids=ascii)
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "x" * 257, "a\n", "\x7f", "a\x85", "\ud800", None, 5, b"a"], ids=ascii)
def test_names_that_are_refused(name: Any) -> None:
    with pytest.raises(InvalidNameError) as caught:
        check_name(name)
    # A sentence can be written anywhere.
    assert str(caught.value).encode("utf-8")
