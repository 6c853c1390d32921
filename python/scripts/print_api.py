"""Prints docs/api-python.md from the docstrings of the package. Path: sources, read as syntax -> [print api] -> the page, between its marks.

Nothing is imported: it runs where neither gRPC nor protobuf is installed. `--check` changes nothing, and fails where the page is not what would be
printed. A public name without a docstring is an error.
"""

import ast
import re
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple, Union

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python" / "bridged_state"
PAGE = ROOT / "docs" / "api-python.md"

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]
Found = Union[ast.ClassDef, Function, ast.Assign, ast.AnnAssign]

# Public names with underscores that somebody calls by name or by an operator; `async with` and `for` are said in the docstring of their class.
SPECIAL = {"__init__", "__getitem__"}


class WrongDocs(Exception):
    """What has to be mended before the page can be printed."""


def public_names(module: str) -> Dict[str, Tuple[str, Found]]:
    """What `__all__` of the module names: the module that declares each, and its syntax."""
    tree = _tree(module)
    listed = next(one.value for one in tree.body if isinstance(one, ast.Assign) and _target(one) == "__all__")
    names: List[str] = ast.literal_eval(listed)
    from_elsewhere = _from_elsewhere(module)
    found: Dict[str, Tuple[str, Found]] = {}
    for name in names:
        source = from_elsewhere.get(name, module)
        found[name] = (source, _declaration(source, name))
    return found


def _from_elsewhere(module: str) -> Dict[str, str]:
    """Names that it has of other modules of the package."""
    imports = [one for one in _tree(module).body if isinstance(one, ast.ImportFrom) and one.level]
    return {alias.asname or alias.name: f"{one.module}" for one in imports for alias in one.names}


def _is_hidden_class(module: str, name: str) -> bool:
    """Of the package, and no public name of it."""
    return name.startswith("_") or (name in _from_elsewhere(module) and name not in public_names("__init__"))


def _tree(module: str) -> ast.Module:
    path = PACKAGE / f"{module.replace('.', '/')}.py"
    return ast.parse(path.read_text(encoding="utf-8"))


def _declaration(module: str, name: str) -> Found:
    for node in _tree(module).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            return node
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and _target(node) == name:
            return node
    raise WrongDocs(f"bridged_state/{module}.py declares no {name}")


def _target(node: Union[ast.Assign, ast.AnnAssign]) -> str:
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def _signature(node: Function, constants: Dict[str, str]) -> str:
    """As it is declared, without the body."""
    texts = list(_arguments(node.args, constants))
    returned = "" if node.returns is None else f" -> {_unquoted(ast.unparse(node.returns))}"
    head = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    line = f"{head} {node.name}({', '.join(texts)}){returned}:"
    if len(line) <= 100:
        return line
    return "\n".join([f"{head} {node.name}(", *(f"    {text}," for text in texts), f"){returned}:"])


def _arguments(arguments: ast.arguments, constants: Dict[str, str]) -> Iterator[str]:
    positional = [*arguments.posonlyargs, *arguments.args]
    without_default = len(positional) - len(arguments.defaults)
    for place, argument in enumerate(positional):
        yield _argument(argument, arguments.defaults[place - without_default] if place >= without_default else None, constants)
    if arguments.vararg is not None:
        yield f"*{ast.unparse(arguments.vararg)}"
    elif arguments.kwonlyargs:
        yield "*"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        yield _argument(argument, default, constants)
    if arguments.kwarg is not None:
        yield f"**{ast.unparse(arguments.kwarg)}"


def _argument(argument: ast.arg, default: Optional[ast.expr], constants: Dict[str, str]) -> str:
    text = argument.arg if argument.annotation is None else f"{argument.arg}: {_unquoted(ast.unparse(argument.annotation))}"
    if default is None:
        return text
    given = ast.unparse(default)
    return f"{text} {'=' if argument.annotation is None else ' = '}{constants.get(given, _quoted(given))}".replace("  ", " ")


def _unquoted(type_text: str) -> str:
    """Quotes around types are for the interpreter."""
    return type_text.replace("'", "")


def _quoted(text: str) -> str:
    return f'"{text[1:-1]}"' if text.startswith("'") and '"' not in text else text


def _constants(module: str) -> Dict[str, str]:
    """What stands for a name that a default says."""
    return {
        _target(one): ast.unparse(one.value)
        for one in _tree(module).body
        if isinstance(one, ast.Assign) and _target(one).isupper() and not isinstance(one.value, (ast.Tuple, ast.Dict))
    }


def _doc_lines(doc: str) -> List[str]:
    lines = doc.strip().split("\n")
    return [f'"""{lines[0]}"""'] if len(lines) == 1 else ['"""', *lines, '"""']


def _function_lines(node: Function, constants: Dict[str, str], owner: str = "") -> List[str]:
    doc = ast.get_docstring(node)
    is_setter = any(isinstance(one, ast.Attribute) and one.attr == "setter" for one in node.decorator_list)
    if doc is None and node.name != "__init__" and not is_setter:
        raise WrongDocs(f"{owner}{node.name} has no docstring")
    lines = [f"@{ast.unparse(one)}" for one in node.decorator_list]
    signature = _signature(node, constants).split("\n")
    if doc is None:
        return [*lines, *signature[:-1], f"{signature[-1]} ..."]
    return [*lines, *signature, *(f"    {line}" if line else "" for line in _doc_lines(doc))]


def _class_lines(node: ast.ClassDef, hidden: List[str], inherited: List[ast.stmt], constants: Dict[str, str]) -> List[str]:
    shown = [ast.unparse(one) for one in node.bases if ast.unparse(one) not in hidden]
    bases = f"({', '.join(shown)})" if shown else ""
    lines = [f"@{ast.unparse(one)}" for one in node.decorator_list]
    lines.append(f"class {node.name}{bases}:")
    members = [*node.body, *inherited]
    for place, member in enumerate(members):
        if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if _is_hidden(node, member):
                continue
            lines += ["", *(f"    {line}" if line else "" for line in _function_lines(member, constants, f"{node.name}."))]
        elif isinstance(member, ast.AnnAssign) and not _target(member).startswith("_"):
            lines.append(f"    {ast.unparse(member)}")
            after = members[place + 1] if place + 1 < len(members) else None
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
                lines += [f"    {line}" for line in _doc_lines(after.value.value)]
    if len(lines) == 1 + len(node.decorator_list):
        lines[-1] += " ..."
    return lines


def _is_hidden(owner: ast.ClassDef, member: Function) -> bool:
    if any(isinstance(one, ast.Attribute) and one.attr == "setter" for one in member.decorator_list):
        return False
    # Made by the package's own functions, and by nobody else.
    if member.name == "__init__":
        return owner.name not in ("Embedding", "Tensor", "BridgeError")
    return member.name.startswith("_") and member.name not in SPECIAL


def _is_error(found: Found) -> bool:
    return isinstance(found, ast.ClassDef) and found.name.endswith("Error")


def _declared(name: str, source: str, found: Found, module: str = "") -> str:
    heading = f"### {module}{name}\n\n"
    if isinstance(found, ast.ClassDef):
        doc = ast.get_docstring(found)
        if doc is None:
            raise WrongDocs(f"{name} of bridged_state/{source}.py has no docstring")
        inherited: List[ast.stmt] = []
        hidden = [base for base in map(ast.unparse, found.bases) if _is_hidden_class(source, base)]
        for base in hidden:
            # What it has is its heirs'.
            declared = _declaration(_from_elsewhere(source).get(base, source), base)
            assert isinstance(declared, ast.ClassDef)
            inherited += declared.body
        text = "\n".join(_class_lines(found, hidden, inherited, _constants(source)))
        return f"{heading}{_prose(doc)}\n\n```python\n{text}\n```"
    if isinstance(found, (ast.Assign, ast.AnnAssign)):
        return f"{heading}{_doc_behind(source, name)}\n\n```python\n{ast.unparse(found)}\n```"
    return f"{heading}```python\n" + "\n".join(_function_lines(found, _constants(source))) + "\n```"


def _doc_behind(module: str, name: str) -> str:
    """The text behind a constant."""
    body = _tree(module).body
    place = next(place for place, one in enumerate(body) if isinstance(one, (ast.Assign, ast.AnnAssign)) and _target(one) == name)
    after = body[place + 1] if place + 1 < len(body) else None
    if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str)):
        raise WrongDocs(f"{name} of bridged_state/{module}.py has no docstring behind it")
    return after.value.value


def _prose(doc: str) -> str:
    return re.sub(r"(?<=\S)\n(?=\S)", " ", doc.strip())


def printed() -> Dict[str, str]:
    """By the name of a mark in the page."""
    package = public_names("__init__")
    reactive = {name for name, (source, _) in package.items() if source in ("reactive", "derived_variable", "condition_wait")}
    errors = [found for _, found in package.values() if _is_error(found)]
    rest = [name for name, (source, found) in package.items() if name not in reactive and not _is_error(found)]
    order = ["SessionContext", "Watch", "VariableUpdate", "VariableInfo", "VersionedValue"]
    rest.sort(key=lambda name: (order.index(name) if name in order else len(order), name.lower()))
    return {
        "python-session": "\n\n".join(_declared(name, *package[name]) for name in rest),
        "python-reactive": "\n\n".join(_declared(name, *package[name]) for name in sorted(reactive, key=_reactive_order)),
        "python-sync": "\n\n".join(_declared(name, *found, "sync.") for name, found in public_names("sync").items()),
        "python-errors": _error_table(errors),
    }


def _reactive_order(name: str) -> Tuple[bool, str]:
    """Functions first: they make what the classes describe."""
    return name[0].isupper(), name.lower()


def _error_table(errors: List[Found]) -> str:
    lines = ["| class | code | when | more that it has |", "|---|---|---|---|"]
    base = next(one for one in errors if isinstance(one, ast.ClassDef) and one.name == "BridgeError")
    assert isinstance(base, ast.ClassDef)
    for one in sorted(errors, key=lambda error: getattr(error, "name", "")):
        assert isinstance(one, ast.ClassDef)
        if one is base:
            continue
        code = next((ast.literal_eval(each.value) for each in one.body if isinstance(each, ast.Assign) and _target(each) == "code"), "")
        more = [
            f"`{each.name}`"
            for each in one.body
            if isinstance(each, ast.FunctionDef) and any(ast.unparse(how) == "property" for how in each.decorator_list)
        ]
        doc = ast.get_docstring(one)
        if doc is None:
            raise WrongDocs(f"{one.name} has no docstring")
        cells = [f"`{one.name}`", f"`{code}`", _prose(doc).replace("|", "\\|"), ", ".join(more)]
        lines.append(f"| {' | '.join(cells)} |")
    return _declared("BridgeError", "errors", base) + "\n\n" + "\n".join(lines)


def fill(text: str, parts: Dict[str, str]) -> str:
    """The page with what is printed between its marks."""
    unused = set(parts)

    def put(mark: "re.Match[str]") -> str:
        name = mark[2]
        if name not in parts:
            raise WrongDocs(f"docs/api-python.md asks for {name}, which nobody prints")
        unused.discard(name)
        return f"{mark[1]}\n{parts[name].strip()}\n\n{mark[3]}"

    filled = re.sub(r"(<!-- printed: (\S+) -->\n)[\s\S]*?(<!-- end of \2 -->)", put, text)
    if unused:
        raise WrongDocs(f"docs/api-python.md has no place for {', '.join(sorted(unused))}")
    return filled


def main(options: List[str]) -> int:
    """The exit code."""
    try:
        for option in options:
            if option != "--check":
                raise WrongDocs(f"unknown option {option}: use --check")
        before = PAGE.read_text(encoding="utf-8")
        after = fill(before, printed())
        if after == before:
            return 0
        if "--check" in options:
            raise WrongDocs("docs/api-python.md is not what the docstrings say now: run node scripts/print-docs.mjs")
        PAGE.write_text(after, encoding="utf-8")
        print("printed docs/api-python.md")
        return 0
    except WrongDocs as error:
        print(f"print_api: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
