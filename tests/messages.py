"""Finds the messages of the runtime in its source: what a run log, or standard error beside an exit status, may say.

A message is a text with holes: `run <run_id>: the value <digest> is gone`. It is found where an error
is made (`Refused(...)`) or where a text is handed on (`say(...)`, `warnings.append(...)`), through variables and functions
that return texts.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "magnus_render"
SEARCHED = ("runtime/**/*.py", "services/*.py", "executors/*.py", "api.py", "older_api.py")
"""The parts of the package that run steps, here or as callbacks."""
ERRORS = {
    *("UsageError", "Refused", "PlatformError", "TaskFailure", "FinalFailure", "Unsaid"),
    *("MissingError", "OutsideStepError", "NotImplementedError"),
}
FIRST, LAST = {"say", "_say", "_failed"}, {"platform_failed", "Damaged"}
"""What is called with a message, as its first or its last argument."""
DEPTH = 3
"""How many functions and variables are followed from an error to the text that is its message."""
_HOLE = re.compile(r"<[^<>]*>")
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def owner(line: str, said: Iterable[str]) -> str | None:
    """Return the message that a line of the page tells, None if there is none.

    Where the code puts a text into a hole, the line may have that text. Of several messages it tells the one with the most
    words of its own.
    """
    fitting = (message for message in said if _pattern(message).fullmatch(line))
    return max(fitting, key=lambda message: len(_HOLE.sub("", message)), default=None)


@cache
def _pattern(message: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, _HOLE.split(message))))


def found() -> dict[str, str]:
    """Return each message without the names of its holes, with where it is: `file:line` and its text."""
    messages: dict[str, str] = {}
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for part in SEARCHED
        for path in sorted(PACKAGE.glob(part))
    }
    texts = _Texts(list(trees.values()))
    for path, tree in trees.items():
        for line, text in _of_module(tree, texts):
            messages.setdefault(
                re.sub(r"(<[^<>]*>)+", "<>", text), f"{path.relative_to(ROOT)}:{line}: {text}"
            )
    return messages


def of_source(source: str) -> list[str]:
    """Return the messages of one module."""
    tree = ast.parse(source)
    return [text for _, text in _of_module(tree, _Texts([tree]))]


def _of_module(tree: ast.Module, texts: _Texts) -> Iterator[tuple[int, str]]:
    for line, expression, scope in _said(tree):
        for text in texts.of(expression, scope, DEPTH):
            # A text of holes alone is that of somebody else.
            if re.search(r"[a-z]{3}", _HOLE.sub("", text)):
                yield line, text


def _said(tree: ast.Module) -> Iterator[tuple[int, ast.expr, ast.AST]]:
    """Yield (line, text, function or module around it) of each message in a module."""
    for scope in _scopes(tree):
        for node in _own(scope):
            if isinstance(node, ast.Call) and node.args:
                name = _name(node.func)
                called = ast.unparse(node.func)
                printed = name == "print" and "sys.stderr" in ast.unparse(node)
                if (
                    name in ERRORS | FIRST
                    or called in ("super().__init__", "self.warnings.append")
                    or printed
                ):
                    yield node.lineno, node.args[0], scope
                elif name in LAST or called.endswith("warnings.append"):
                    yield node.lineno, node.args[-1], scope
            elif isinstance(node, ast.Assign | ast.AugAssign):
                target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
                if ast.unparse(target).endswith(("['message']", "warnings")):
                    yield node.lineno, node.value, scope


def _scopes(tree: ast.Module) -> list[ast.AST]:
    return [tree, *(node for node in ast.walk(tree) if isinstance(node, Function))]


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """Yield what is in a function or module, but not what is in a function within it."""
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, Function):
            yield child
            yield from _own(child)


def _name(called: ast.expr) -> str:
    return (
        called.id
        if isinstance(called, ast.Name)
        else called.attr if isinstance(called, ast.Attribute) else ""
    )


class _Texts:
    """What an expression may come to, as texts with holes."""

    def __init__(self, trees: list[ast.Module]) -> None:
        self.functions: dict[str, list[ast.AST]] = defaultdict(list)
        self.constants: dict[str, list[ast.expr]] = defaultdict(list)
        for tree in trees:
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    self.functions[node.name].append(node)
            for node in tree.body:
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    self.constants[node.targets[0].id].append(node.value)

    def of(self, expression: ast.expr, scope: ast.AST, depth: int) -> Iterator[str]:
        """Yield the texts of an expression in a scope."""
        if isinstance(expression, ast.Constant):
            yield str(expression.value)
        elif isinstance(expression, ast.JoinedStr):
            yield "".join(_part(part) for part in expression.values)
        elif isinstance(expression, ast.BoolOp):
            for value in expression.values:
                yield from self.of(value, scope, depth)
        elif isinstance(expression, ast.IfExp):
            yield from self.of(expression.body, scope, depth)
            yield from self.of(expression.orelse, scope, depth)
        elif isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Add):
            for left in self.of(expression.left, scope, depth):
                yield from (left + right for right in self.of(expression.right, scope, depth))
        elif isinstance(expression, ast.List):
            for value in expression.elts:
                yield from self.of(value, scope, depth)
        elif isinstance(expression, ast.ListComp):
            yield from self.of(expression.elt, scope, depth)
        elif isinstance(expression, ast.Subscript):
            yield from self.of(expression.value, scope, depth)
        elif depth:
            yield from self._elsewhere(expression, scope, depth - 1)

    def _elsewhere(self, expression: ast.expr, scope: ast.AST, depth: int) -> Iterator[str]:
        """Yield the texts that a variable was given, or that a function returns."""
        if isinstance(expression, ast.Name):
            for value in [*_given(expression.id, scope), *self.constants.get(expression.id, ())]:
                yield from self.of(value, scope, depth)
        elif isinstance(expression, ast.Call):
            for function in self.functions.get(_name(expression.func), ()):
                for node in _own(function):
                    if isinstance(node, ast.Return) and node.value is not None:
                        yield from self.of(node.value, function, depth)


def _given(name: str, scope: ast.AST) -> Iterator[ast.expr]:
    """Yield what a function assigns to a variable, also by `for` and `:=`."""
    for node in _own(scope):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id == name:
                    yield node.value
                elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = zip(target.elts, node.value.elts, strict=True)
                    yield from (value for one, value in pairs if isinstance(one, ast.Name) and one.id == name)
        elif isinstance(node, ast.NamedExpr) and node.target.id == name:
            yield node.value
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == f"{name}.append":
            yield node.args[0]


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    value = part.value if isinstance(part, ast.FormattedValue) else part
    while isinstance(value, ast.Call) and value.args:
        value = value.args[0]
    words = re.findall(r"[a-z]+", ast.unparse(value).lower())
    return f"<{words[-1] if words else ''}>"
