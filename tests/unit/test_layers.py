"""Imports point one way: down the list of docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "magnus_render"

# Top to bottom. Each may import what stands below it, and itself.
LAYERS = (
    ("cli",),
    ("planning",),
    ("image", "project"),
    ("report",),
    ("exports",),
    ("render",),
    ("targets",),
    ("executors",),
    ("integrations",),
    ("graph",),
    ("spec",),
    ("runtime", "api", "older_api", "shims", "lambda_handler"),
    ("services",),
    (
        "plan",
        "naming",
        "hashing",
        "jsontext",
        "signals",
        "registry",
        "diagnostics",
        "errors",
        "texts",
        "collecting",
    ),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
RANK[""] = RANK["runtime"]  # the package itself is the API of user code
DATA_ONLY = {"templates"}

THIN = (
    "runtime",
    "services",
    "api",
    "plan",
    "naming",
    "hashing",
    "jsontext",
    "signals",
    "registry",
    "errors",
    "texts",
)
# Whole words of the standard library that cost more than they give at the start of every step.
NOT_AT_MODULE_LEVEL = {
    "argparse", "dataclasses", "importlib.metadata", "inspect", "pathlib", "re", "subprocess", "tempfile", "typing",
}  # fmt: skip
MODULES = sorted(PACKAGE.rglob("*.py"))


def layer(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def is_type_checking(node: ast.AST) -> bool:
    """Tell whether this is a block for type checkers, which no program runs."""
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports(tree: ast.AST, *, deep: bool) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of imports that run; `deep` includes those inside functions."""
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            module = node.module or ""
            yield node.lineno, module
            if module == "magnus_render":
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and not deep:
            continue
        elif is_type_checking(node):
            assert isinstance(node, ast.If)
            nodes.extend(node.orelse)
        else:
            nodes.extend(ast.iter_child_nodes(node))


def upward(path: Path, text: str) -> list[str]:
    """Return the imports of a module that point up."""
    rank = RANK[layer(path)]
    found = []
    for line, module in imports(ast.parse(text), deep=True):
        top, _, rest = module.partition(".")
        name = rest.partition(".")[0]
        if top == "magnus_render" and name in RANK and name and RANK[name] < rank:
            found.append(f"{path.relative_to(PACKAGE)}:{line} imports {module}")
    return found


def test_every_module_has_a_layer() -> None:
    assert MODULES
    assert {layer(path) for path in MODULES} - DATA_ONLY <= RANK.keys()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    if layer(path) not in DATA_ONLY:
        assert upward(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "path", [path for path in MODULES if layer(path) in THIN], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_thin_modules_are_thin(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [
        f"line {line}: {name}" for line, name in imports(tree, deep=False) if name in NOT_AT_MODULE_LEVEL
    ]
    assert found == []


def test_the_check_finds_what_it_is_for() -> None:
    """An upward import is found wherever it hides, and a block for type checkers is left alone."""
    module = PACKAGE / "runtime" / "example.py"
    up = "magnus_render.graph.load"
    assert upward(module, f"import {up}")
    assert upward(module, f"def f():\n    if True:\n        from {up} import x\n")
    assert upward(module, "from magnus_render import cli")
    assert not upward(module, f"TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import {up}\n")
    assert not upward(module, "from magnus_render.services.base import BaseCatalog")
