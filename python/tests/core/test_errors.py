"""Errors have the names and codes of docs/errors.md, and come back from the wire as what they were."""

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from bridged_state import errors
from bridged_state.errors import (
    ERROR_CLASSES,
    BridgeError,
    ErrorDetails,
    VariablesNotFoundError,
    code_of_sentence,
    error_of,
    error_of_rpc,
)

DOCS = Path(__file__).resolve().parents[3] / "docs" / "errors.md"


def test_names_and_codes_are_those_of_the_docs() -> None:
    documented = re.findall(r"^\| `(\w+Error)` \| `(\w+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert [(one.__name__, one.code) for one in ERROR_CLASSES] == documented
    for name, _ in documented:
        assert issubclass(getattr(errors, name), BridgeError)


def test_a_code_makes_its_class_and_an_unknown_one_keeps_its_code() -> None:
    error = error_of("VERSION_CONFLICT", "at version 3")
    assert type(error).__name__ == "VersionConflictError" and str(error) == "at version 3" == error.message
    newer = error_of("FROM_THE_FUTURE", "x", ErrorDetails(identifiers=("a",)))
    assert type(newer) is BridgeError and newer.code == "FROM_THE_FUTURE" and newer.details.identifiers == ("a",)


def test_missing_variables_are_named() -> None:
    with pytest.raises(VariablesNotFoundError) as caught:
        raise VariablesNotFoundError.of(["a", "b"])
    assert caught.value.identifiers == ("a", "b") and str(caught.value).startswith("Variable not found: a, b: ")


def test_of_many_missing_variables_the_sentence_shows_some() -> None:
    names = [f"v{place}" for place in range(100_000)]
    error = VariablesNotFoundError.of(names)
    assert error.identifiers == tuple(names) and "… (100000 in all)" in str(error) and len(str(error)) < 200



class StatusCode:
    """As grpc.StatusCode has it."""

    def __init__(self, number: int, name: str) -> None:
        self.value = (number, name)


@pytest.mark.parametrize(
    ("status", "trailer", "code"),
    [(5, None, "VARIABLE_NOT_FOUND"), (5, "SESSION_NOT_FOUND", "SESSION_NOT_FOUND"), (5, b"WATCH_NOT_FOUND", "WATCH_NOT_FOUND"),
     (StatusCode(8, "resource exhausted"), None, "QUOTA_EXCEEDED"), (8, "SLOW_STREAM", "SLOW_STREAM"),
     (10, None, "VERSION_CONFLICT"), (9, "", "VERSION_CONFLICT"), (14, None, "UNAVAILABLE"), (1, None, "UNAVAILABLE"),
     (13, None, "PROTOCOL"), (2, None, "PROTOCOL"), (16, None, "UNAUTHENTICATED"), (12, None, "UNSUPPORTED")],
)  # fmt: skip
def test_the_end_of_a_call(status: Any, trailer: Any, code: str) -> None:
    error = error_of_rpc(status, "because", trailer)
    assert (error.code, error.message) == (code, "because")
    assert error_of_rpc(status, None, trailer).message == ""


def test_sentences_of_servers_without_a_trailer() -> None:
    assert code_of_sentence("Session not found: x") == "SESSION_NOT_FOUND"
    assert code_of_sentence("Variable not found: x") == "VARIABLE_NOT_FOUND"
    assert code_of_sentence("x is already registered") == "ALREADY_EXISTS"
    assert code_of_sentence("Version mismatch") == "VERSION_CONFLICT"
    assert code_of_sentence("constraint violated") == "CONSTRAINT_VIOLATION"
    assert code_of_sentence("no") == "INVALID_ARGUMENT"


def test_causes_and_pickles() -> None:
    cause = ValueError("deep down")
    error = error_of("VARIABLE_NOT_FOUND", "gone", ErrorDetails(identifiers=("a",)), cause)
    assert error.cause is cause
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is VariablesNotFoundError and copy.identifiers == ("a",) and copy.message == "gone"
    newer = pickle.loads(pickle.dumps(error_of("NEWER", "x")))
    assert newer.code == "NEWER"
