"""Finds the messages of the package in its source: what a run log, or standard error beside an exit status, may say.

A message is a text with holes: `run <run_id>: the value <digest> is gone`. It is found where an error is made
(`Refused(...)`) or where a text is handed on (`say(...)`, `warnings.append(...)`), through variables and functions that
return texts. Diagnostics with a code are not among them: each code has an explanation.
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
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
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
                yield line, " ".join(text.split())


def _said(tree: ast.Module) -> Iterator[tuple[int, ast.expr, ast.AST]]:
    """Yield (line, text, function or module around it) of each message in a module."""
    for scope in _scopes(tree):
        for node in _own(scope):
            if isinstance(node, ast.Call) and node.args:
                name = _name(node.func)
                if name in ERRORS or name in FIRST or _says(name, node):
                    yield node.lineno, node.args[0], scope
                elif name in LAST:
                    yield node.lineno, node.args[-1], scope
            elif isinstance(node, ast.Assign | ast.AugAssign):
                target = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
                if ast.unparse(target).endswith(("['message']", "warnings")):
                    yield node.lineno, node.value, scope


def _says(name: str, call: ast.Call) -> bool:
    """Tell whether a call writes an error's own message, adds to the warnings, or prints to standard error."""
    if name == "print":
        return "sys.stderr" in ast.unparse(call)
    return name in ("__init__", "append") and ast.unparse(call.func).endswith(
        ("super().__init__", "warnings.append")
    )


@cache
def _scopes(scope: ast.AST) -> list[ast.AST]:
    """Return a module or function, and all functions within it."""
    inner = (child for node in (scope, *_own(scope)) for child in ast.iter_child_nodes(node))
    functions = [child for child in inner if isinstance(child, Function)]
    return [scope, *(one for function in functions for one in _scopes(function))]


@cache
def _own(scope: ast.AST) -> list[ast.AST]:
    """Return what is in a function or module, but not what is in a function within it."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(scope):
        if not isinstance(child, Function):
            found += (child, *_own(child))
    return found


def _name(called: ast.expr) -> str:
    return (
        called.id
        if isinstance(called, ast.Name)
        else called.attr if isinstance(called, ast.Attribute) else ""
    )


class _Texts:
    """What an expression may come to, as texts with holes."""

    def __init__(self, trees: list[ast.Module]) -> None:
        self.homes = {scope: tree for tree in trees for scope in _scopes(tree)}
        self.functions: dict[str, list[ast.AST]] = defaultdict(list)
        self.constants: dict[tuple[ast.Module, str], ast.expr] = {}
        for scope in self.homes:
            if isinstance(scope, ast.FunctionDef):
                self.functions[scope.name].append(scope)
        for tree in trees:
            for node in tree.body:
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    self.constants[tree, node.targets[0].id] = node.value

    def of(self, expression: ast.expr, scope: ast.AST, depth: int) -> Iterator[str]:
        """Yield the texts of an expression in a scope."""
        if isinstance(expression, ast.Constant):
            yield expression.value if isinstance(expression.value, str) else ""
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
        """Yield the texts that a variable was given, or that a function returns: one of its own module, if there is one."""
        home = self.homes[scope]
        if isinstance(expression, ast.Name):
            constant = self.constants.get((home, expression.id))
            for value in [*_given(expression.id, scope), *([constant] if constant is not None else [])]:
                yield from self.of(value, scope, depth)
        elif isinstance(expression, ast.Call):
            for function in self._called(expression.func, home):
                for node in _own(function):
                    if isinstance(node, ast.Return) and node.value is not None:
                        yield from self.of(node.value, function, depth)

    def _called(self, called: ast.expr, home: ast.Module) -> list[ast.AST]:
        """Return the functions that may be meant: of the own module if it has one; a plain name is no method of another."""
        named = self.functions.get(_name(called), [])
        if isinstance(called, ast.Name):
            named = [one for one in named if one in self.homes[one].body or self.homes[one] is home]
        elif isinstance(called, ast.Attribute) and ast.unparse(called.value) == "error":
            named = []  # what an error says is found where it is made
        return [one for one in named if self.homes[one] is home] or named


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
