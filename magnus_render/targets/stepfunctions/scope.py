"""Where a state stands, and how its expressions name the run, the branch and the records from there."""

from __future__ import annotations

from dataclasses import dataclass

from magnus_render import naming
from magnus_render.targets.stepfunctions.jsonata import expression, string


@dataclass(frozen=True)
class Scope:
    """Where a state stands, as far as its expressions need it: which variables hold the run and the branch."""

    level: int = 0
    """How many distributed maps are around. Inside one no outer variable is visible, and none may be assigned again."""
    depth: int = 0
    """How many maps are around, distributed or not."""
    variable: str = ""
    """The variable that holds the address of the innermost branch of a map, '' outside of maps."""
    stands_for: str = ""
    """The definition address of that branch."""

    def shared(self, name: str) -> str:
        """Return the reference to a variable that all states share: `$run`, or `$run2` in a distributed map."""
        return f"${self.assigned(name)}"

    def assigned(self, name: str) -> str:
        """Return the name by which such a shared variable is assigned."""
        return f"{name}{self.level + 1}" if self.level else name

    def code(self, address: str) -> str:
        """Return the JSONata code for the instance address of a node or graph, given its definition address."""
        if not self.variable:
            return string(address)
        rest = address[len(self.stands_for) :]
        return f"${self.variable} & {string(rest)}" if rest else f"${self.variable}"

    def address(self, address: str) -> str:
        """Return the same as the value of a field: a literal where no map is around."""
        return expression(self.code(address)) if self.variable else address

    def folder(self, address: str) -> str:
        """Return the JSONata code for the record folder of a node."""
        if not self.variable:
            return string(naming.key(address))
        rest = address[len(self.stands_for) :].replace(".", "/")
        return f"'steps/' & $replace(${self.variable}, '.', '/') & {string(rest)}"

    def inside(self, address: str, distributed: bool) -> Scope:
        """Return the scope of the branches of the map at a definition address."""
        depth = self.depth + 1
        variable = f"branch{depth}" if depth > 1 else "branch"
        return Scope(self.level + distributed, depth, variable, f"{address}._")
