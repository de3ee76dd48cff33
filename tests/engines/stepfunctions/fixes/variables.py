"""Variables."""

from __future__ import annotations

from typing import Any

from moto.stepfunctions.parser.asl.component.common.assign.assign_decl import AssignDecl
from moto.stepfunctions.parser.asl.component.state.choice.state_choice import StateChoice
from moto.stepfunctions.parser.asl.component.state.state import CommonStateField

from tests.engines.stepfunctions.fixes import Patch, fix


@fix("assign-after-output")
def assign_after_output(patch: Patch) -> None:
    """moto: `Output` sees what the same state's `Assign` sets, and so does a Catch. AWS: both are evaluated with the
    old values; the next state sees the new ones.
    """

    def _eval_body(self: Any, env: Any) -> None:
        env.assigned = {}  # a Catch's replaces the state's own
        for binding in self.declaration_bindings:
            binding.eval(env=env)
            env.assigned.update(env.stack.pop())

    patch(AssignDecl, "_eval_body", _eval_body)
    for state in (CommonStateField, StateChoice):
        patch(state, "_set_next", _after_assigning(state._set_next))


def _after_assigning(original: Any) -> Any:
    def _set_next(self: Any, env: Any) -> None:
        for name, value in vars(env).pop("assigned", {}).items():
            env.variable_store.set(variable_identifier=name, variable_value=value)
        original(self, env)

    return _set_next
