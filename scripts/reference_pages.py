"""Writes docs/reference/: fields of definitions, keys of configurations and projects, commands and diagnostics.

python -m scripts.reference_pages
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from typer.main import get_command

from magnus_render import registry
from magnus_render.cli.examples import EXAMPLES
from magnus_render.cli.main import CALLBACKS, COMMANDS, _app
from magnus_render.diagnostics import Code, explained
from magnus_render.project import schema as project_schema
from magnus_render.project.models import ENTRIES
from magnus_render.runtime.command_line import usage
from magnus_render.spec import schema
from magnus_render.spec.config import BLOCKS

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
_WRITTEN = "<!-- Written by scripts/reference_pages.py: change what the code says, not this page. -->"
_NODES = ("Task", "Parallel", "Map", "Dag", "Conditional", "AsIs", "Success", "Fail")
_PARTS = {"Task": ("Catalog", "Retry", "When")}
"""What fields of a type of node hold, after its table."""
_BLOCKS = {
    "executor": "What runs the pipeline here, or what it is rendered for. A node overrides keys by `executor_config`: "
    "mappings, such as `environment`, are merged key by key. Any other value of a node replaces the pipeline's.",
    "run_log_store": "Where runs are recorded.",
    "catalog": "Where the files that steps put are kept.",
    "secrets": "Where secrets are read.",
}
_CODES = (
    ("Definitions and configurations", "MR0", "magnus_render.spec.codes"),
    ("Every target", "MR1", "magnus_render.targets.codes"),
    ("AWS Step Functions", "MR2", "magnus_render.targets.stepfunctions.codes"),
    ("Argo Workflows", "MR3", "magnus_render.targets.argo.codes"),
)

_PYTHON_TYPE = re.compile(r" <(str|list\[str\])>$")
"""What typer says of an argument that is a text, or a list of texts."""


def pages() -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of each page."""
    for name, title, lines in (
        ("definition", "Fields of a definition", definition()),
        ("configuration", "Keys of a configuration", configuration()),
        ("project", "Keys of a project file", project()),
        ("commands", "Commands", commands()),
        ("codes", "Diagnostics", codes()),
    ):
        yield FOLDER / f"{name}.md", "\n".join([f"# {title}", "", _WRITTEN, "", *lines]).rstrip() + "\n"


# ---- definitions ----


def definition() -> Iterator[str]:
    """Yield the lines on what stands in a definition."""
    whole = schema.build()
    models = whole["$defs"]
    yield "A definition is a YAML file. [Semantics](../semantics.md) says how what is written here behaves when it runs."
    yield "`magnus schema` prints the same as a JSON schema, which editors use."
    yield from ("", "## The file", "")
    yield from _table(whole)
    yield from ("", "## A graph", "", models["GraphSpec"]["description"], "")
    yield from _table(models["GraphSpec"])
    for name in _NODES:
        node = models[f"{name}Spec"]
        yield from ("", f"## `type: {_type_of(node)}`", "", node["description"], "")
        yield from _table(node)
        for part in _PARTS.get(name, ()):
            yield from ("", f"### `{part.lower()}`", "", models[f"{part}Spec"]["description"], "")
            yield from _table(models[f"{part}Spec"])


def _type_of(node: dict[str, Any]) -> str:
    kind = node["properties"]["type"]
    return str(kind.get("const") or kind["enum"][0])


def _table(model: dict[str, Any]) -> Iterator[str]:
    needed = model.get("required", ())
    yield from ("| field | value | by default | meaning |", "|---|---|---|---|")
    fields = model["properties"].items()
    for name, field in sorted(fields, key=lambda pair: (pair[0] != "type", pair[0] not in needed)):
        yield _row(name, field, "**must be given**" if name in needed else _default(field))


def _row(name: str, field: dict[str, Any], default: str) -> str:
    examples = "".join(f" Example: `{_yaml(one)}`." for one in field.get("examples", ())[:1])
    cells = (f"`{name}`", _kind(field), default, field["description"] + examples)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    # Where the keys of a mapping are told one by one, each tells its own default.
    empty = "properties" in field or value in (None, "", [], {})
    return "" if empty else f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    """Return a value on one line, as YAML takes it: JSON, with a text or a number as it is."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _kind(field: dict[str, Any]) -> str:
    """Return what a value is, in words."""
    if "enum" in field or "const" in field:
        return ", ".join(f"`{one}`" for one in field.get("enum", [field.get("const")]) if one != "")
    if "anyOf" in field:
        said = dict.fromkeys(_kind(one) for one in field["anyOf"] if one.get("type") != "null")
        if len(said) > 1 and any("pattern" in one for one in field["anyOf"]):
            said.pop("text", None)  # a variable, which may stand for any value
        if "number" in said:
            said.pop("whole number", None)
        return ", or ".join(filter(None, said))
    if "$ref" in field:
        referred = field["$ref"].rpartition("/")[2].removesuffix("Spec").lower()
        return "graph" if referred == "graph" else f"`{referred}`" if "." not in referred else "mapping"
    kind = field.get("type")
    if isinstance(kind, list):
        kind = next(one for one in kind if one != "null")
    if kind == "array":
        return f"list of {_kind(field['items'])}" if field.get("items") else "list"
    words = {"string": "text", "boolean": "true or false", "object": "mapping"}
    if kind in ("integer", "number"):
        return ("whole number" if kind == "integer" else "number") + _bounds(field)
    return words.get(kind or "", "any value")


def _bounds(field: dict[str, Any]) -> str:
    least, most = field.get("minimum"), field.get("maximum")
    above = field.get("exclusiveMinimum")
    said = f" from {least:,g}" if least is not None else f" above {above:g}" if above is not None else ""
    return said + (f" to {most:,.0f}" if most is not None else "")


# ---- configurations ----


def configuration() -> Iterator[str]:
    """Yield the lines on what stands in a configuration."""
    yield "A configuration has four blocks, each with a `type` and the keys of its `config`."
    yield "The blocks stand in the definition, beside `dag`, or in a file of their own (`-c`)."
    for block in BLOCKS:
        yield from ("", f"## `{block}`", "", _BLOCKS[block], f"By default: `{registry.DEFAULT[block]}`.")
        for kind in ("executor", "target") if block == "executor" else (block,):
            for name in registry.BUILT_IN[kind]:
                yield from _type(name, registry.find(kind, name))


def _type(name: str, described: type[registry.Described]) -> Iterator[str]:
    yield from ("", f"### `{name}`", "", described.summary[:1].upper() + described.summary[1:] + ".")
    if described.aliases:
        yield f"Also called {', '.join(f'`{alias}`' for alias in described.aliases)}."
    if described.extra:
        yield f"It needs `{registry.install(described.extra)}`."
    keys = schema.keys(described)
    if not keys:
        yield "It takes no keys."
        return
    yield from ("", "| key | value | by default | meaning |", "|---|---|---|---|")
    for key, field in keys.items():
        yield _row(key, field, "**must be given**" if key in described.needed else _default(field))
        for inner, inside in _inner(field):
            yield _row(f"{key}.{inner}", inside, _default(inside))


def _inner(field: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the keys of the mappings that a key holds, or holds a list of."""
    yield from field.get("properties", {}).items()
    for holder in (field.get("items"), field.get("additionalProperties")):
        if isinstance(holder, dict):
            for name, inside in holder.get("properties", {}).items():
                yield f"*.{name}", inside


# ---- project files ----


def project() -> Iterator[str]:
    """Yield the lines on what stands in a project file."""
    whole = project_schema.build()
    yield "A project file is `magnus.yaml`, or the table `[tool.magnus]` of pyproject.toml: [Projects](../projects.md)."
    yield "`magnus schema --project` prints the same as a JSON schema."
    yield from ("", "## The file", "", whole["description"], "")
    yield from _table(whole)
    for key, spec in ENTRIES.items():
        model = whole["$defs"][spec.__name__]
        yield from ("", f"## An entry of `{key}`", "", model["description"], "")
        yield from _table(model)


# ---- commands ----


def commands() -> Iterator[str]:
    """Yield the lines on every command, its arguments and its options."""
    whole, of_project = _group([]), _group(["--all"])
    yield "`magnus COMMAND --help` prints the same in a terminal."
    for name in COMMANDS:
        yield from _command(f"magnus {name}", whole.commands[name])
        if name == "render":
            yield from _command(f"magnus {name} --all", of_project.commands[name], level="##")
    yield from (
        "",
        "## What rendered pipelines call",
        "",
        "Nobody types these: every generated step calls them.",
    )
    for name in CALLBACKS:
        yield from ("", f"### `magnus {name}`", "", CALLBACKS[name], "", "```", usage(name).strip(), "```")


def _group(argv: list[str]) -> Any:
    """Return all commands, as typer's own copy of click describes them, for a command line."""
    return get_command(_app(list(COMMANDS), argv))


def _command(name: str, command: Any, level: str = "") -> Iterator[str]:
    level = level or "#" * (1 + name.count(" "))
    context = command.context_class(command, info_name=name)
    yield from ("", f"{level} `{name}`", "", (command.help or "").strip())
    if hasattr(command, "commands"):
        yield from _examples(name)
        for inner, one in command.commands.items():
            yield from _command(f"{name} {inner}", one)
        return
    pieces = " ".join(command.collect_usage_pieces(context))
    yield from ("", f"    {name} {pieces}")
    records = [one.get_help_record(context) for one in command.params if not getattr(one, "hidden", False)]
    if rows := [record for record in records if record]:
        yield from ("", "| argument or option | meaning |", "|---|---|")
        for left, right in rows:
            left = _PYTHON_TYPE.sub("", left)
            yield f"| {_as_code(left)} | " + right.replace("|", "\\|") + " |"
    yield from _examples(name)


def _as_code(text: str) -> str:
    """Return a text as code in a table: the builders of sites do not agree on how a bar is escaped between backticks."""
    if "|" not in text:
        return f"`{text}`"
    return f"<code>{html.escape(text).replace('|', '&#124;')}</code>"


def _examples(name: str) -> Iterator[str]:
    yield from ("", "For example:", "")
    yield from (f"    {line}" for line in EXAMPLES[name.removeprefix("magnus ")])


# ---- diagnostics ----


def codes() -> Iterator[str]:
    """Yield the lines on every diagnostic code."""
    for _, _, module in _CODES:
        import_module(module)
    found = explained()
    yield "`magnus explain CODE` prints one of these. A code keeps its meaning for good."
    told: set[str] = set()
    for title, prefix, _ in _CODES:
        yield from ("", f"## {title}")
        for code, entry in sorted(found.items()):
            if code.startswith(prefix):
                told.add(code)
                yield from _code(entry)
    missing = found.keys() - told
    assert not missing, f"no part of the page has {sorted(missing)}"


def _code(entry: Code) -> Iterator[str]:
    yield from ("", f"### {entry.code}: {entry.title}", "", entry.explanation.strip())


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in pages():
        path.write_text(text, encoding="utf-8")
