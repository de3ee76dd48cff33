"""JSONata: the evaluator that moto left out, and the functions that AWS adds to the language."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import math
import random
import re
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from jsonata import Jsonata, Utils
from moto.stepfunctions.parser.api import EvaluationFailedEventDetails, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.string.string_expression import StringJSONata
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

from tests.engines.stepfunctions.fixes import Patch, fix

_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_WHOLE_FLOATS = 2.0**53


@fix("jsonata")
def evaluate_jsonata(patch: Patch) -> None:
    """moto: the evaluator is None, so any expression is a States.Runtime; were there one, it would be handed the
    variables as text spliced before the expression, strings unescaped, and what it raises could not be caught.

    AWS: expressions are evaluated with `$states` and the variables; one that fails, is undefined or is a function is
    States.QueryEvaluationError, which Catch sees.
    """
    patch(StringJSONata, "_eval_body", _eval_body)


@fix("jsonata-functions")
def provide_functions(patch: Patch) -> None:
    """moto: `$parse` evaluates its text as a program, `$hash` and `$uuid` return an apology, `$random` is missing.

    AWS: `$parse` reads JSON; `$hash(text, algorithm)`, `$uuid()`, `$random([seed])`, `$partition(array, size)` and
    `$range(first, last, step)`; `$eval` there is none.
    """
    patch(_Known, "functions", _AWS_FUNCTIONS)


class _Known:
    functions: ClassVar[dict[str, Callable[..., Any]]] = {}


def _eval_body(self: Any, env: Environment) -> None:
    try:
        value = evaluate(self.expression, _variables(self.expression, env))
    except Exception as error:
        raise _failure(env, f"{error} (expression: {self.expression})") from error
    env.stack.append(value)


def evaluate(expression: str, variables: dict[str, Any]) -> Any:
    """Evaluate a JSONata expression and return a JSON value.

    Raises:
        ValueError: it is undefined, or no JSON.
        Exception: whatever the evaluator raises; its text says what is wrong.
    """
    program = copy.copy(_compile(expression))
    program.environment = program.create_frame(Jsonata.static_frame)
    program.output_convert_nulls = False
    Jsonata.CURRENT.jsonata = program
    for name, function in _Known.functions.items():
        program.register_lambda(name, function)
    result = program.evaluate(None, {name: _to_jsonata(value) for name, value in variables.items()})
    if result is None:
        raise ValueError("The JSONata expression returned nothing (undefined).")
    return _from_jsonata(result)


@functools.lru_cache(maxsize=4096)
def _compile(expression: str) -> Jsonata:
    return Jsonata(expression)


def _variables(expression: str, env: Environment) -> dict[str, Any]:
    """Return the variables that an expression mentions; `$states` with the members that it may mean."""
    store = env.variable_store
    known = {**store._outer_scope, **store._inner_scope}
    mentioned = set(re.findall(r"\$(\w+)", expression))
    variables = {name: value for name, value in known.items() if name in mentioned}
    if "states" in mentioned:
        data: dict[str, Any] = dict(env.states._states_data)
        if data.get("errorOutput") is None:
            data.pop("errorOutput", None)
        members = re.findall(r"\$states(?:\.(\w+))?", expression)
        variables["states"] = {
            name: value for name, value in data.items() if "" in members or name in members
        }
    return variables


def _failure(env: Environment, cause: str) -> FailureEventException:
    name = StatesErrorName(typ=StatesErrorNameType.StatesQueryEvaluationError)
    details = EvaluationFailedEventDetails(error=name.error_name, cause=cause)
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.EvaluationFailed,
            event_details=EventDetails(evaluationFailedEventDetails=details),
        )
    )


def _to_jsonata(value: Any) -> Any:
    """Copy a JSON value into the evaluator's form, where None is undefined and null an object of its own."""
    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict):
        return {key: _to_jsonata(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_jsonata(member) for member in value]
    return value


def _from_jsonata(value: Any) -> Any:
    if value is None or value is Utils.NULL_VALUE:
        return None
    if isinstance(value, dict):
        return {key: _from_jsonata(member) for key, member in value.items()}
    if isinstance(value, list):  # by index: the iterator of the evaluator's ranges leaves out the last number
        return [_from_jsonata(value[index]) for index in range(len(value))]
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE_FLOATS:
        return int(value)
    if isinstance(value, (str, int, float)):
        return value
    raise ValueError("The JSONata expression returned an unsupported result type.")


def _parse(text: Any) -> Any:
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError("$parse: the argument is not a string")
    try:
        return _to_jsonata(json.loads(text, parse_constant=_refuse_constant))
    except ValueError as error:
        raise ValueError(f"$parse: not JSON: {error}") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _hash(text: str, algorithm: str) -> str:
    if algorithm not in _ALGORITHMS:
        raise ValueError(f"$hash: unknown algorithm {algorithm}")
    return hashlib.new(_ALGORITHMS[algorithm], text.encode()).hexdigest()


def _uuid() -> str:
    return str(uuid.uuid4())


def _random(seed: Any = None) -> float:
    return random.Random(seed).random()


def _partition(array: list[Any], size: int) -> list[Any]:
    if size < 1:
        raise ValueError("$partition: the size is less than 1")
    return [array[start : start + size] for start in range(0, len(array), size)]


def _range(first: float, last: float, step: float) -> list[float]:
    if step == 0:
        raise ValueError("$range: the step is 0")
    return [first + index * step for index in range(math.floor((last - first) / step) + 1)]


def _no_eval(text: Any) -> Any:
    raise ValueError("$eval is not supported")


_AWS_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "parse": _parse,
    "hash": _hash,
    "uuid": _uuid,
    "random": _random,
    "partition": _partition,
    "range": _range,
    "eval": _no_eval,
}
