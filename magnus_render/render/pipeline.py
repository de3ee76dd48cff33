"""From a definition to text that has passed the lint: load, compile the plan for the target, run templates, lint."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus_render import collecting, integrations, registry
from magnus_render.diagnostics import DefinitionError, Diagnostic, has_errors
from magnus_render.errors import UsageError
from magnus_render.executors.base import is_executor
from magnus_render.plan import services_of
from magnus_render.render import templates as template_folder
from magnus_render.render.strict import missing
from magnus_render.spec.files import Files
from magnus_render.targets import codes
from magnus_render.targets.base import Bundling, Finding, Source, Unbundled
from magnus_render.targets.lookup import every, find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from magnus_render.graph.load import Loaded
    from magnus_render.plan import Config, Plan
    from magnus_render.targets.base import BaseTarget, Document, Made, Output

    _Place = Callable[[Iterable[Finding]], list[Diagnostic]]
    _Told = Callable[[str, Iterable[Diagnostic]], Iterable[Diagnostic]]


@dataclass
class Rendered:
    """A rendered pipeline, and its warnings."""

    text: str
    diagnostics: list[Diagnostic]
    """Warnings only: with an error nothing is rendered."""
    plan: Plan
    config: Config
    executable: bool
    """True if the text is a program."""
    others: dict[str, str] = field(default_factory=dict)
    """The outputs of `separate` dags, by name."""
    made: Sequence[Made] = ()
    """The outputs and documents of the texts, the pipeline's own first."""


@dataclass
class Bundled:
    """The files of a bundle by their paths below its folder, and its warnings."""

    files: dict[str, str]
    diagnostics: list[Diagnostic]
    """Warnings only: with an error there is no bundle."""
    marks: tuple[str, ...] = ()
    """The texts by which artefacts among the files are known (`BaseTarget.marks`)."""


class Given(NamedTuple):
    """How a definition is rendered in one environment."""

    config: str | None = None
    environ: Mapping[str, str] | None = None


@dataclass
class Shared:
    """A cache for several renderings in one process: a file is read once, and a template compiled once.

    While it is in use, no file of a definition and no template may change.
    """

    files: Files = field(default_factory=Files)
    environments: template_folder.Environments = field(default_factory=dict)


def render(
    file: str,
    target: str,
    config: str | None = None,
    *,
    templates: str | None = None,
    strict: bool = False,
    compact: bool = False,
    mock: str | None = None,
    environ: Mapping[str, str] | None = None,
    shared: Shared | None = None,
) -> Rendered:
    """Render a definition for a target, by name or alias.

    `config` is a file of configuration blocks. `templates` is a folder that overrides templates by name. `strict` makes
    warnings errors, and adds some (`render/strict.py`). `compact` asks for few bytes. `mock` is a file with the results
    of tasks, none of which runs then. `environ` is where variables are looked up, `os.environ` by default. `shared` is
    the cache of several renderings.
    Raise `DefinitionError` with all diagnostics if there is an error, `UsageError` for an unknown target.
    """
    from magnus_render.graph.load import examine

    chosen, shared = find(target), shared or Shared()
    with collecting.put_off():
        loaded = examine(file, config, environ=environ, files=shared.files)
        source, outside = _source(file)
        loaded.diagnostics += _placed(chosen, outside, loaded, file)
        if mock is not None:
            from magnus_render.executors import cases, mocked

            loaded.plan = mocked.mocked_plan(loaded.plan, cases.read_steps(mock, loaded.plan))
        return render_loaded(
            chosen,
            loaded,
            file,
            config,
            source,
            templates=templates,
            strict=strict,
            compact=compact,
            environments=shared.environments,
        )


def bundle(
    file: str,
    target: str,
    config: str | None = None,
    *,
    templates: str | None = None,
    strict: bool = False,
    environ: Mapping[str, str] | None = None,
    shared: Shared | None = None,
) -> Bundled:
    """Return the files that deploy a pipeline; see `render` for the arguments and errors.

    Raise `UsageError` if the target has no bundle.
    """
    chosen, shared = _with_bundles(target), shared or Shared()
    with collecting.put_off():
        bundling, said, place = _bundling(chosen, file, Given(config, environ), templates, strict, shared)
        return _bundled(chosen, templates, shared, said, place, lambda write: chosen.bundle(*bundling, write))


def bundle_environments(
    file: str,
    target: str,
    environments: Mapping[str, Given],
    *,
    templates: str | None = None,
    strict: bool = False,
    shared: Shared | None = None,
    told: _Told = lambda _, diagnostics: diagnostics,
) -> Bundled:
    """Return the files that deploy a pipeline to several environments; see `bundle`.

    `told` rewords the diagnostics of an environment, given its name. If there are errors, those of all environments are
    raised together.
    """
    chosen, shared = _with_bundles(target), shared or Shared()
    said, made = dict[Diagnostic, None](), dict[str, Bundling]()
    places: list[_Place] = []
    with collecting.put_off():
        for name, given in environments.items():
            try:
                made[name], more, place = _bundling(chosen, file, given, templates, strict, shared)
                places.append(place)
            except DefinitionError as error:
                more = error.diagnostics
            said.update(dict.fromkeys(told(name, more)))
        if len(made) < len(environments):
            raise DefinitionError(list(said))
        return _bundled(
            chosen, templates, shared, list(said), places[0], lambda write: chosen.overlays(made, write)
        )


def _with_bundles(target: str) -> BaseTarget:
    chosen = find(target)
    if not chosen.bundles():
        others = ", ".join(one.name for one in every()[0] if one.bundles())
        raise UsageError(
            f"the target {chosen.name} has no bundle\n  help: render it with `magnus render`, or bundle it for {others}"
        )
    return chosen


def _bundling(
    target: BaseTarget, file: str, given: Given, templates: str | None, strict: bool, shared: Shared
) -> tuple[Bundling, list[Diagnostic], _Place]:
    """Return the parts of a bundle, its diagnostics, and a function that gives findings their places."""
    from magnus_render.graph.load import examine

    loaded = examine(file, given.config, environ=given.environ, files=shared.files)
    source, outside = _source(file)
    loaded.diagnostics += _placed(target, outside, loaded, file)
    rendered = render_loaded(
        target,
        loaded,
        file,
        given.config,
        source,
        templates=templates,
        strict=strict,
        environments=shared.environments,
        bundled=True,
    )
    bundling = Bundling(rendered.plan, rendered.config, rendered.made)
    return bundling, rendered.diagnostics, lambda found: _placed(target, found, loaded, file, given.config)


def _bundled(
    target: BaseTarget,
    templates: str | None,
    shared: Shared,
    said: list[Diagnostic],
    place: _Place,
    files: Callable[[Callable[[str, Mapping[str, Any]], str]], Mapping[str, str]],
) -> Bundled:
    try:
        made = files(
            lambda name, context: template_folder.run(
                target, context, templates, shared.environments, template=name
            )
        )
    except template_folder.TemplateFault as fault:
        raise DefinitionError([*said, fault.diagnostic]) from fault
    except Unbundled as refused:
        raise DefinitionError([*said, *place(refused.findings)]) from None
    return Bundled(dict(sorted(made.items())), said, target.marks)


def render_loaded(
    target: BaseTarget,
    loaded: Loaded,
    file: str,
    config: str | None,
    source: Source,
    *,
    templates: str | None = None,
    strict: bool = False,
    compact: bool = False,
    environments: template_folder.Environments | None = None,
    bundled: bool = False,
) -> Rendered:
    """Render a definition that was read; raise `DefinitionError` with all diagnostics, those of reading it first."""
    diagnostics = [*loaded.diagnostics, *_checked(target, loaded, file, config, templates, bundled)]
    if strict:
        diagnostics += missing(loaded)
    _stop_at_errors(diagnostics, strict)
    outputs = list(target.compile(loaded.plan, loaded.config, source))
    try:
        texts = [template_folder.run(target, one.context, templates, environments) for one in outputs]
        made = [
            (output, target.finish(output, text, compact))
            for output, text in zip(outputs, texts, strict=True)
        ]
        findings = [item for number in range(len(made)) for item in _linted(target, made, number, templates)]
    except template_folder.TemplateFault as fault:
        raise DefinitionError([*diagnostics, fault.diagnostic]) from fault
    except (ValueError, RecursionError) as error:
        what = (
            f"the templates of {target.name} wrote text that cannot be read: {' '.join(str(error).split())}"
        )
        made, findings = [], [_by_templates(target, Finding(codes.NOT_VALID, what), templates)]
    diagnostics += _placed(target, findings, loaded, templates or file)
    _stop_at_errors(diagnostics, strict)
    others = {output.name: document.text for output, document in made}
    return Rendered(others.pop(""), diagnostics, loaded.plan, loaded.config, target.executable, others, made)


def _checked(
    target: BaseTarget, loaded: Loaded, file: str, config: str | None, templates: str | None, bundled: bool
) -> list[Diagnostic]:
    """Return a target's diagnostics of a definition; complete the configuration for the target."""
    findings = list(_for_another(target, loaded))
    if bundled:
        loaded.config = target.for_bundle(loaded.plan, loaded.config)
    loaded.config, more = target.completed(loaded.config, loaded.absent)
    findings += more
    findings += target.check(loaded.plan, loaded.config)
    if bundled:
        findings += target.check_bundle(loaded.plan, loaded.config)
    if not loaded.settings.unknown:
        findings += [
            Finding(codes.STORE, problem, config=(service, "path"))
            for service, problem in integrations.problems(target, loaded.config)
        ]
    settings = loaded.settings
    findings = [
        item
        for item in findings
        if not item.config or not (item.config[0] in settings.incomplete or settings.not_known(item.config))
    ]
    placed = _placed(target, findings, loaded, file, config)
    if templates is not None:
        placed += _placed(target, template_folder.unknown(target, templates), loaded, templates)
    return placed


def _for_another(target: BaseTarget, loaded: Loaded) -> Iterator[Finding]:
    """Yield a warning if the configuration is for another target."""
    kind = loaded.config["executor"]["type"]
    if "executor" in loaded.absent or kind in target.names():
        return
    if (
        "executor" not in loaded.settings.unknown
        and not is_executor(kind)
        and registry.canonical("target", kind)
    ):
        what = f"this configuration is for '{kind}': nothing of its executor block is used for {target.name}"
        fix = f"give the configuration for {target.name} with -c FILE, or render with --target {kind}"
        yield Finding(codes.ANOTHER_ENGINE, what, fix, "warning", config=("executor",))


def plan_json(plan: Plan, config: Config) -> str:
    """Return a plan and the configuration of its services as canonical JSON, for an image to carry."""
    whole = {"plan": plan, "services": services_of(config)}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


def _linted(
    target: BaseTarget, made: Sequence[tuple[Output, Document]], number: int, overrides: str | None
) -> Iterator[Finding]:
    """Yield what is wrong with one document of several, each finding with the name of its output in front."""
    output, document = made[number]
    others = [other for place, (_, other) in enumerate(made) if place != number]
    for item in target.lint(document, output, others):
        named = replace(item, message=f"{output.name}: {item.message}") if output.name else item
        yield _by_templates(target, named, overrides)


def _by_templates(target: BaseTarget, item: Finding, overrides: str | None) -> Finding:
    """Return a finding that, if it has no other fix, names the user's templates that replace the target's."""
    if overrides is None or item.address or item.fix:
        return item
    return replace(item, fix="look at " + ", ".join(template_folder.overriding(target, overrides)))


def _source(file: str) -> tuple[Source, list[Finding]]:
    """Return the path of the definition as callbacks in the project's folder will open it."""
    if not os.path.isabs(file):
        # A leading dash would be read as an option.
        return Source(os.path.join(".", file) if file.startswith("-") else file), []
    relative = os.path.relpath(os.path.realpath(file), os.path.realpath(os.curdir))
    if relative.split(os.sep, 1)[0] != os.pardir:
        return Source(os.path.join(".", relative) if relative.startswith("-") else relative), []
    name = os.path.basename(file)
    finding = Finding(
        codes.FILE_OUTSIDE,
        f"the definition lies outside the working folder: the output names it '{name}'",
        "run `magnus render` in the project's folder, with a path relative to it",
        severity="warning",
    )
    return Source(name), [finding]


def _placed(
    target: BaseTarget, findings: Iterable[Finding], loaded: Loaded, file: str, config: str | None = None
) -> list[Diagnostic]:
    """Return findings as diagnostics, each with the place of its node, or of its value in the configuration."""
    placed = []
    for item in findings:
        if item.address:
            field, path = item.field, (target.names(), item.config[1:])
            found = loaded.diagnostic(
                item.code,
                item.severity,
                item.address,
                item.message,
                item.fix,
                field=field,
                entry=item.entry,
                own=path,
            )
        else:
            written = loaded.config_diagnostic(item.code, item.severity, item.config, item.message, item.fix)
            where = (config or file) if item.config else file
            found = written or Diagnostic(item.code, item.severity, item.message, where, fix=item.fix)
        placed.append(found)
    return placed


def _stop_at_errors(diagnostics: Sequence[Diagnostic], strict: bool) -> None:
    if has_errors(diagnostics) or (strict and diagnostics):
        raise DefinitionError(diagnostics)


__all__ = ["Bundled", "Rendered", "Shared", "bundle", "plan_json", "render"]
