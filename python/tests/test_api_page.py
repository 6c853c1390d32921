"""docs/api-python.md is what the docstrings say now, and has every public name."""

import sys
from pathlib import Path

import pytest

import bridged_state
from bridged_state import sync

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
import print_api  # noqa: E402


def test_the_page_is_what_the_docstrings_say_now(capsys: pytest.CaptureFixture[str]) -> None:
    assert print_api.main(["--check"]) == 0, capsys.readouterr().err


def test_the_page_has_every_public_name() -> None:
    page = print_api.PAGE.read_text(encoding="utf-8")
    names = [*bridged_state.__all__, *(f"sync.{name}" for name in sync.__all__)]
    missing = [name for name in names if f"### {name}\n" not in page and f"| `{name}` |" not in page]
    assert missing == []
    for member in dir(bridged_state.SessionContext):
        assert member.startswith("_") or f"def {member}(" in page, member


def test_a_public_name_without_a_docstring_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "__init__.py").write_text('from .things import Thing\n__all__ = ["Thing"]\n')
    (tmp_path / "things.py").write_text('class Thing:\n    """A thing."""\n    def use(self) -> None:\n        pass\n')
    monkeypatch.setattr(print_api, "PACKAGE", tmp_path)
    name, found = next(iter(print_api.public_names("__init__").items()))
    with pytest.raises(print_api.WrongDocs, match="Thing.use has no docstring"):
        print_api._declared(name, *found)
