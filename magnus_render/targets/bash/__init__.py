"""The bash target: one script that walks the graph and calls back for every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from magnus_render import naming
from magnus_render.plan import (
    AS_IS,
    CONDITIONAL,
    DAG,
    MAP,
    PARALLEL,
    RECORDS_VERSION,
    TASK,
    as_is_text,
    services_of,
)
from magnus_render.targets import codes, options
from magnus_render.targets.base import BaseTarget, Document, Finding, Findings, Output, Source, own_config
from magnus_render.targets.bash import flow, quote, syntax
from magnus_render.targets.bash.config import BashConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from magnus_render.plan import Config, Node, Plan
    from magnus_render.targets.base import Made


class BashTarget(BaseTarget):
    """Scripts for bash 3.2 and later."""

    name = "bash"
    aliases = ("demo-renderer",)
    summary = "a script for bash 3.2 or later"
    template = "bash/script.sh.j2"
    executable = True
    suffix = "sh"
    marks = ("# Rendered by `magnus render ",)
    capabilities: ClassVar[Mapping[str, frozenset[str]]] = {
        TASK: frozenset({"retry", "timeout", "catalog", "secrets", "when", "on_failure"}),
        PARALLEL: frozenset({"max_concurrency", "fail_fast", "on_failure"}),
        MAP: frozenset({"max_concurrency", "fail_fast", "on_failure"}),
        DAG: frozenset({"on_failure", "separate"}),
        CONDITIONAL: frozenset({"on_failure"}),
        AS_IS: frozenset({"on_failure"}),
    }

    @classmethod
    def configuration(cls) -> type[BashConfig]:
        """Return the model of `executor.config`."""
        return BashConfig

    def check(self, plan: Plan, config: Config) -> list[Finding]:
        """Return what stands against rendering: capabilities, executor configuration, `render_string`."""
        findings = Findings(super().check(plan, config))
        options.check(self, BashConfig, plan, config, findings)
        for node, own in options.owners(self, plan):
            if "bundle" in own:
                what = f"executor_config.{self.name}: 'bundle' is the whole pipeline's"
                findings.add(
                    codes.EXECUTOR_CONFIG,
                    node,
                    what,
                    "write it into executor.config",
                    "executor_config",
                    config=("executor", "bundle"),
                )
        for node in plan["nodes"].values():
            text = self._text(node)
            if text is not None and not isinstance(text, str):
                findings.add(
                    codes.RENDER_STRING,
                    node,
                    f"its render_string for {self.name} is {_kind(text)}, not lines for the shell",
                    f"write text under '{self.name}', or leave that key out if there is nothing to do there",
                    "render_string",
                )
        return findings.items

    def compile(self, plan: Plan, config: Config, source: Source) -> Iterator[Output]:
        """Yield the one script: `docs/targets/bash.md` describes every variable of `bash/script.sh.j2`."""
        common = options.read(BashConfig, options.common(self, config))
        functions = flow.compile_plan(plan, lambda node: self._command(node, common), self._text)
        context = {
            "plan": plan,
            "file": source.file,
            "magnus": common.magnus_command,
            "steps": [*common.launcher, *common.magnus_command],
            "workspaces": "step" if common.isolated else "branch",
            "services": services_of(config),
            "records": RECORDS_VERSION,
            "fail": plan["graphs"][""]["fail"],
            "functions": functions,
            "conditionals": any(node["type"] == CONDITIONAL for node in plan["nodes"].values()),
            "conditions": any("when" in node for node in plan["nodes"].values()),
            "texts": [
                flow.Text(flow.text_function(plan, node), text)
                for node in plan["nodes"].values()
                if isinstance(text := self._text(node), str)
            ],
        }
        yield Output("", plan, context)

    def filters(self) -> Mapping[str, Callable[..., str]]:
        """Return the filters of `quote.py`."""
        return quote.FILTERS

    def bundle(
        self,
        plan: Plan,
        config: Config,
        made: Sequence[Made],
        write: Callable[[str, Mapping[str, Any]], str],
    ) -> Mapping[str, str]:
        """Return the script, a service of systemd, a timer and a crontab where there is a schedule, and a README."""
        given = options.read(BashConfig, options.common(self, config)).bundle
        name = naming.slug(plan["name"])
        output, document = made[0]
        unit = f"magnus-{name}"  # the prefix keeps a pipeline called `cron` from replacing the system's service of that name
        context = {"plan": plan, "target": self.name, "name": name, "unit": unit, "given": given}
        context |= {"file": output.context["file"], "magnus": output.context["magnus"]}
        names = {"README.md": "README.md", f"{unit}.service": "service"}
        if given.on_calendar is not None:
            names[f"{unit}.timer"] = "timer"
        if given.cron is not None:
            names["crontab"] = "crontab"
        files = {path: write(f"bash/bundle/{template}.j2", context) for path, template in names.items()}
        return {"run.sh": document.text, **files}

    def lint(self, document: Document, output: Output, others: Sequence[Document]) -> list[Finding]:
        """Parse the script, and the lines of each `as-is` node, with `bash -n` if there is a bash."""
        findings = Findings()
        for node in output.plan["nodes"].values():
            lines = self._text(node)
            message = syntax.error(lines) if isinstance(lines, str) else None
            if message is not None:
                findings.add(
                    codes.NOT_VALID,
                    node,
                    f"bash cannot parse its render_string: {message}",
                    "",
                    "render_string",
                )
        message = syntax.error(document.text)
        if message is not None:
            findings.add(codes.NOT_VALID, None, f"bash cannot parse the script: {message}")
        return findings.items

    def _text(self, node: Node) -> Any:
        """Return what an `as-is` node has for bash: lines, None if there is nothing, anything else is a mistake."""
        return as_is_text(node, self.name)

    def _command(self, node: Node, common: BashConfig) -> list[str]:
        """Return the argv of a node's callbacks where it is not that of all steps, else []."""
        own = own_config(self, node)
        if not own:
            return []
        merged = BashConfig.model_validate({**common.model_dump(), **own})
        workspaces = []
        if merged.isolated != common.isolated:
            workspaces = ["env", f"MAGNUS_WORKSPACES={'step' if merged.isolated else 'branch'}"]
        argv = [*workspaces, *merged.launcher, *merged.magnus_command]
        return argv if argv != [*common.launcher, *common.magnus_command] else []


def _kind(value: object) -> str:
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)
