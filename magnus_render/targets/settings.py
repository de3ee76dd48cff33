"""What targets share in reading their configuration: one model, the common block, and each node's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, Field, StrictStr, ValidationError

from magnus_render.targets import codes
from magnus_render.targets.base import own_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_render.plan import Config, Node, Plan
    from magnus_render.targets.base import BaseTarget, Findings

Model = TypeVar("Model", bound=BaseModel)
Text = Annotated[StrictStr, Field(min_length=1, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""One line."""


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise ValueError("must be a text, a number, true or false")
    return value


Scalar = Annotated[Any, AfterValidator(_scalar)]
"""What an environment may be given."""


class Problem(NamedTuple):
    """One mistake in a configuration block."""

    text: str
    fix: str


def common(target: BaseTarget, config: Config) -> Mapping[str, Any]:
    """Return `executor.config` if it was written for this target."""
    executor = config["executor"]
    return executor["config"] if executor["type"] in target.names() else {}


def read(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Return a block that `check` found nothing wrong with."""
    # Without anything to validate there is no need for a validator, which takes a model longer to build than to be used.
    return model.model_validate(dict(values)) if values else model.model_construct()


def text(value: Any) -> str:
    """Return a value of a configuration as the text that an environment holds: numbers in full, `true` and `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def check(target: BaseTarget, model: type[BaseModel], plan: Plan, config: Config, findings: Findings) -> None:
    """Add what is wrong with the common block and with each node's own."""
    given = common(target, config)
    for problem in problems(model, given):
        findings.add(codes.EXECUTOR_CONFIG, None, f"executor.config: {problem.text}", problem.fix)
    for node, own in owners(target, plan):
        for problem in problems(model, {**given, **own}, only=own):
            text = f"executor_config.{target.name}: {problem.text}"
            findings.add(codes.EXECUTOR_CONFIG, node, text, problem.fix, "executor_config")


def owners(target: BaseTarget, plan: Plan) -> Iterator[tuple[Node, Mapping[str, Any]]]:
    """Yield the nodes that have a configuration of their own for a target, with it."""
    for node in plan["nodes"].values():
        own = own_config(target, node)
        if own:
            yield node, own


def problems(
    model: type[BaseModel], values: Mapping[str, Any], only: Mapping[str, Any] | None = None
) -> list[Problem]:
    """Return what is wrong with a block; `only` leaves out what is wrong with keys that are not in it."""
    if not values:
        return []
    try:
        model.model_validate(dict(values))
    except ValidationError as error:
        return [
            _problem(model, item["type"], item["loc"], item["msg"])
            for item in error.errors(include_url=False)
            if only is None or not item["loc"] or item["loc"][0] in only
        ]
    return []


def _problem(model: type[BaseModel], kind: str, place: tuple[int | str, ...], message: str) -> Problem:
    name = ".".join(str(part) for part in place if isinstance(part, str)) or "config"
    if kind == "extra_forbidden":
        import difflib

        fields = model.model_fields
        for part in place[:-1]:
            inner = fields[str(part)].annotation if str(part) in fields else None
            fields = getattr(inner, "model_fields", fields)
        close = difflib.get_close_matches(str(place[-1]), fields, n=1)
        known = ", ".join(fields)
        return Problem(
            f"unknown key '{name}'", f"did you mean '{close[0]}'?" if close else f"known keys: {known}"
        )
    if kind == "string_pattern_mismatch" and "x00" in message:
        return Problem(f"'{name}' holds a control character", "")
    if kind in ("list_type", "string_type"):
        return Problem(
            f"'{name}' is not a list of texts" if kind == "list_type" else f"'{name}' is not a text", ""
        )
    return Problem(f"'{name}': {message[0].lower()}{message[1:]}", "")
