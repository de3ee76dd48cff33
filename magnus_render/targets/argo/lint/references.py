"""Checks of references: `{{...}}` in templates and tasks, simple ones and expressions.

Rules: Argo's documentation, "Workflow Variables", and its validation, which resolves simple tags only. A tag that begins
with none of the known words is left as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus_render.targets.argo.lint import codes
from magnus_render.targets.argo.lint.edges import ancestors
from magnus_render.targets.argo.lint.graph import target
from magnus_render.targets.argo.lint.manifest import PODS, Document, Task, Template, named, strings
from magnus_render.targets.lint.report import mapping, near, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from magnus_render.targets.argo.lint.manifest import Owner, Report

_GLOBALS = frozenset(
    f"workflow.{name}"
    for name in (
        *(
            "name",
            "namespace",
            "uid",
            "mainEntrypoint",
            "serviceAccountName",
            "priority",
            "status",
            "failures",
        ),
        *("parameters", "parameters.json", "labels", "labels.json", "annotations", "annotations.json"),
        *("creationTimestamp", "duration", "scheduledTime"),
    )
)
_OPEN = ("workflow.creationTimestamp.", "workflow.outputs.", "workflow.duration", "workflow.scheduledTime")
"""Beginnings of references whose rest is known only at run time."""
_ROOTS = (
    *("workflow", "inputs", "outputs", "tasks", "steps", "item", "pod", "node", "retries", "lastRetry"),
    *("status", "duration", "exitCode", "resourcesDuration", "request", "response"),
)
_OF_TASKS = (
    *("id", "ip", "status", "exitCode", "startedAt", "finishedAt", "hostNodeName"),
    *("outputs.result", "outputs.parameters"),
)
_RESULT_TYPES = PODS | {"http", "plugin"}
_TAG = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(r"[-\w]+\Z")
_SPEC_FIELDS = (
    "volumes",
    "volumeClaimTemplates",
    "nodeSelector",
    "podMetadata",
    "workflowMetadata",
    "podSpecPatch",
    "tolerations",
)
"""Fields of a workflow in which its parameters may be used."""
_PARAMETERS = {"parameters"}
_MERGED = ("env", "volumeMounts")
"""Fields of a container that are put together from a template's own and its default."""
_TASK_FIELDS = ("arguments", "withParam", "withItems", "withSequence", "when", "templateRef")


class _Found(NamedTuple):
    """The references in one string."""

    simple: tuple[str, ...]
    chains: tuple[tuple[str, ...], ...]
    """References of expressions: ("inputs", "parameters", "a")."""
    problem: str
    """The part that cannot be parsed; '' if there is none."""
    code: str


class _Scope:
    """The values that references in one place may name, with those that were found already."""

    def __init__(self, owner: Template | Document, others: Mapping[str, Document]) -> None:
        self.template = owner if isinstance(owner, Template) else None
        self.document = owner.document if isinstance(owner, Template) else owner
        self.others = others
        self.known: set[str] = set()
        self._ancestors: dict[str, int] | None = None

    def is_before(self, other: Task, task: Task) -> bool:
        """Return whether another task of the same template has ended when a task begins."""
        if task.template.type == "steps":
            return other.group < task.group
        if other.name in task.needs:
            return True
        if self._ancestors is None:
            self._ancestors = ancestors(task.template)
            self._bits = {name: 1 << number for number, name in enumerate(task.template.by_name)}
        return bool(self._ancestors[task.name] & self._bits[other.name])


def check_tags(document: Document, others: Mapping[str, Document], report: Report) -> None:
    """Check every reference of an object."""
    spec = document.spec
    scope = _Scope(document, others)
    for field in _SPEC_FIELDS:
        for place, string in strings(spec.get(field), "{{") if spec.get(field) else ():
            _check(string, f"{field}.{place}" if place else field, document, None, scope, report)
    local = []
    for key, place, string in _defaults(document):
        if _is_local(string):
            local.append((key, place, string))
        else:
            _check(string, f"templateDefaults.{_joined(key, place)}", document, None, scope, report)
    for template in document.templates:
        scope = _Scope(template, others)
        if template.tasks:
            _check_tasks(template, scope, report)
        for key, value in template.body.items():
            if key in ("dag", "steps", "name") or not isinstance(value, str | dict | list):
                continue
            for place, string in strings(value, "{{"):
                _check(string, _joined(key, place), template, None, scope, report)
        for key, place, string in local:
            own, field = template.body.get(key), re.split(r"[.\[]", place)[0]
            if isinstance(own, dict) and (field in _MERGED or field not in own):
                _check(string, f"templateDefaults.{_joined(key, place)}", template, None, scope, report)


def _joined(key: str, place: str) -> str:
    return key + ("" if not place or place.startswith("[") else ".") + place


def _defaults(document: Document) -> list[tuple[str, str, str]]:
    """Return (type, place, string) of the strings with references that templates have by default."""
    return [
        (key, place, string)
        for key in ("container", "script")
        if isinstance(document.defaults.get(key), dict)
        for place, string in strings(document.defaults[key], "{{")
    ]


def _is_local(string: str) -> bool:
    """Return whether a string refers to more than the workflow, so that it depends on the template."""
    found = read(string)
    roots = [tag.split(".")[0] for tag in found.simple] + [chain[0] for chain in found.chains]
    return any(root != "workflow" for root in roots)


def _check_tasks(template: Template, scope: _Scope, report: Report) -> None:
    for task in template.tasks:
        for field in _TASK_FIELDS:
            value = task.body.get(field)
            if value and (field != "arguments" or not _is_plain(value)):
                for place, string in strings(value, "{{"):
                    _check(string, _joined(field, place), task, task, scope, report)


def _is_plain(arguments: Any) -> bool:
    """Return whether arguments refer to nothing: most only name a step."""
    if not isinstance(arguments, dict) or arguments.keys() != _PARAMETERS:
        return False
    given = arguments["parameters"]
    for parameter in given if isinstance(given, list) else (None,):
        value = parameter.get("value") if isinstance(parameter, dict) and len(parameter) == 2 else None
        if not isinstance(value, str) or "{{" in value:
            return False
    return True


def _check(string: str, place: str, owner: Owner, task: Task | None, scope: _Scope, report: Report) -> None:
    found = read(string)
    if found.problem:
        report.error(found.code, owner, f"{place} has {found.problem}", _FIXES[found.code])
    for tag in found.simple:
        if tag not in scope.known:
            chain = tuple(tag.split("."))
            _look_up(tag, chain, place, owner, task, scope, report, simple=True)
    for chain in found.chains:
        _look_up("=" + ".".join(chain), chain, place, owner, task, scope, report, simple=False)


_FIXES = {
    codes.TEXT: "carry such text encoded, or keep it in the image or in the pipeline's definition",
    codes.EXPRESSION: "write names with a hyphen in brackets: workflow.parameters['run-id']",
}


@lru_cache(maxsize=4096)
def read(string: str) -> _Found:
    """Return what a string refers to; where a reference begins is decided as Argo does: the first `{{` to the next `}}`."""
    simple: list[str] = []
    chains: list[tuple[str, ...]] = []
    problem, code = "", ""
    position = 0
    for match in _TAG.finditer(string):
        tag = match.group(1)
        position = match.end()
        if tag.startswith("="):
            read, wrong = _expression(tag[1:])
            chains.extend(read)
            if wrong:
                problem, code = (
                    f"the expression {shown('{{' + tag + '}}')}, in which {wrong}",
                    codes.EXPRESSION,
                )
        elif "{{" in tag:
            problem, code = (
                f"'{{{{' before the reference '{tag[tag.rindex('{{'):]}}}}}', which it hides",
                codes.TEXT,
            )
        else:
            simple.append(tag.strip())
    if "{{" in string[position:]:
        problem, code = "'{{' without '}}' behind it", codes.TEXT
    return _Found(tuple(simple), tuple(chains), problem, code)


_PART = re.compile(
    r"""(?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`)"""
    r"""|(?P<chain>(?<![\w.$])(?:workflow|inputs|tasks|steps|item)\b(?:\s*\??\.\s*\w+|\s*\[\s*(?:'[^']*'|"[^"]*")\s*\])*)"""
    r"""(?P<minus>-[A-Za-z])?|(?P<bracket>[()\[\]{}])|(?P<quote>['"`])""",
    re.VERBOSE,
)
_LINK = re.compile(r"""\.\s*(\w+)|\[\s*(?:'([^']*)'|"([^"]*)")\s*\]""")
_PAIRS = {")": "(", "]": "[", "}": "{"}


def _expression(code: str) -> tuple[list[tuple[str, ...]], str]:
    """Return the references of an expression, and what is wrong with its form."""
    chains: list[tuple[str, ...]] = []
    opened: list[str] = []
    if not code.strip():
        return chains, "there is nothing"
    for part in _PART.finditer(code):
        if part["quote"]:
            return chains, "a quote is not closed"
        if part["bracket"]:
            if part["bracket"] in _PAIRS:
                if not opened or opened.pop() != _PAIRS[part["bracket"]]:
                    return chains, "brackets do not match"
            else:
                opened.append(part["bracket"])
        elif part["chain"]:
            root = re.match(r"\w+", part["chain"])
            links = [
                next(name for name in link if name) for link in _LINK.findall(part["chain"]) if any(link)
            ]
            if part["minus"]:
                return chains, f"'{part['chain']}-' is a subtraction"
            chains.append((root.group() if root else "", *links))
    return chains, "a bracket is not closed" if opened else ""


def _look_up(
    tag: str,
    chain: tuple[str, ...],
    place: str,
    owner: Owner,
    task: Task | None,
    scope: _Scope,
    report: Report,
    *,
    simple: bool,
) -> None:
    """Report what is wrong with one reference."""
    written = "{{" + tag + "}}" if simple else ".".join(chain)
    root = re.split(r"[\[ ]", chain[0])[0]
    local = True  # what is there depends on the task, so it is looked up each time
    problem: tuple[str, str] | None = None
    if root == "workflow":
        problem, local = _global(chain, scope.document, owner, report, place, written), False
    elif root == "inputs" and scope.template is not None:
        inner = task.inline if task else None
        problem = _input(chain, scope.template, inner)
        local = inner is not None
    elif root in ("tasks", "steps") and scope.template is not None:
        _task(chain, written, place, owner, task, scope, report)
    elif root == "item":
        if task is None or not task.loops:
            where = "the task has no items" if task else "a template does not see the items of a task"
            what = f"{place} refers to {written}, but {where}"
            fix = "give the task withParam or withItems" if task else "hand it over as an argument"
            (report.error if task else report.house)(codes.ITEM, owner, what, fix)
    elif root in ("retries", "lastRetry") and scope.template is not None:
        retried = scope.template.body.get("retryStrategy") or scope.document.defaults.get("retryStrategy")
        problem = None if retried or task else ("the template has no retryStrategy", "add one, or do without")
    elif root == "outputs" and scope.template is not None and chain[-1] == "path" and len(chain) == 4:
        names = _declared(scope.template, "outputs", chain[1])
        problem = None if chain[2] in names else (f"there is no output '{chain[2]}'", near(chain[2], names))
    elif root not in _ROOTS and simple:
        fix = near(root, _ROOTS) if _NAME.match(root) else ""
        what = f"{place} has {written}, which Argo does not know"
        report.house(codes.TEXT, owner, what, fix or _FIXES[codes.TEXT])
    if problem:
        report.error(codes.TAG, owner, f"{place} refers to {written}, but {problem[0]}", problem[1])
    elif simple and not local:
        scope.known.add(tag)


def _global(
    chain: tuple[str, ...], document: Document, owner: Owner, report: Report, place: str, written: str
) -> tuple[str, str] | None:
    name = ".".join(chain)
    if len(chain) < 2 or name in _GLOBALS or name.startswith(_OPEN):
        return None
    kind, rest = chain[1], ".".join(chain[2:])
    if kind == "parameters":
        known = document.parameters
        if rest in known or document.spec.get("workflowTemplateRef"):
            return None
        problem = (
            f"the workflow has no parameter '{rest}'",
            near(rest, known) or "add it to arguments of the workflow",
        )
        if document.shared:
            # The workflow that uses the template may have it; where it declares some, it should declare all.
            if known:
                report.warning(codes.TAG, owner, f"{place} refers to {written}, but {problem[0]}", problem[1])
            return None
        return problem
    if kind in ("labels", "annotations"):
        metadata = mapping(document.spec.get("workflowMetadata"))
        given = {*mapping(mapping(document.body.get("metadata")).get(kind)), *mapping(metadata.get(kind))}
        if rest in given or rest in mapping(metadata.get("labelsFrom")) or document.shared:
            return None
        return f"the workflow has no {kind.rstrip('s')} '{rest}'", near(rest, given)
    fields = {name.split(".")[1] for name in _GLOBALS}
    return f"a workflow has no '{kind}'", near(kind, fields)


def _declared(template: Template, side: str, kind: str) -> Collection[str]:
    return named(mapping(template.body.get(side)).get(kind))


def _input(chain: tuple[str, ...], template: Template, inline: Template | None) -> tuple[str, str] | None:
    if len(chain) < 2 or chain[1] not in ("parameters", "artifacts"):
        return "inputs are parameters or artifacts", "write inputs.parameters.NAME"
    if len(chain) == 2:
        return None
    kind, name = chain[1], chain[2] if chain[1] == "artifacts" else ".".join(chain[2:])
    names = set(_declared(template, "inputs", kind))
    if template.around:
        names.update(_declared(template.around.template, "inputs", kind))
    if inline:
        names.update(_declared(inline, "inputs", kind))
    if name in names:
        return None
    return f"the template has no input '{name}'", near(name, names) or f"add it to inputs.{kind}"


def _task(
    chain: tuple[str, ...],
    written: str,
    place: str,
    owner: Owner,
    task: Task | None,
    scope: _Scope,
    report: Report,
) -> None:
    """Check a reference to a task or step: it is there, has ended by then, and has what is asked for."""
    template = scope.template
    if template is None or chain[1:] == ("name",):
        return
    if template.around is not None and not template.by_name:
        return  # an inline template: the tasks around it are resolved before
    wanted = "dag" if chain[0] == "tasks" else "steps"
    name = chain[1] if len(chain) > 1 else ""
    other = template.by_name.get(name) if template.type == wanted else None
    if other is None:
        where = f"the template has no {'task' if wanted == 'dag' else 'step'} '{name}'"
        fix = near(name, template.by_name) or "hand the value over as an argument"
        report.error(codes.TAG, owner, f"{place} refers to {written}, but {where}", fix)
        return
    if task is not None and not scope.is_before(other, task):
        what = f"{place} uses {written}, but it does not depend on '{name}'"
        report.error(codes.ANCESTOR, owner, what, f"name '{name}' in depends")
    rest = ".".join(chain[2:])
    called = target(other, scope.others)
    if called is None or rest.startswith("outputs.artifacts."):
        return
    problem = _output(rest, other, called)
    if problem:
        report.error(codes.TAG, owner, f"{place} refers to {written}, but {problem[0]}", problem[1])


def _output(rest: str, other: Task, called: Template) -> tuple[str, str] | None:
    if rest.startswith("outputs.parameters."):
        name = rest.removeprefix("outputs.parameters.")
        if name in called.outputs:
            return None
        what = f"the template of '{other.name}' has no output '{name}'"
        return what, near(name, called.outputs) or "add it to outputs.parameters"
    if rest == "outputs.result" and called.type not in _RESULT_TYPES:
        return f"a {called.type or 'template'} has no result", "use an output parameter"
    if rest in _OF_TASKS:
        return None
    return f"a task has no '{rest}'", near(rest, _OF_TASKS)
