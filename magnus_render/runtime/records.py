"""A run's records through a run log store: JSON in and out, large values once, plan pages, states."""

from __future__ import annotations

from magnus_render import jsontext, naming
from magnus_render.errors import PlatformError, Refused, UsageError
from magnus_render.hashing import sha256
from magnus_render.plan import ITEMS_PER_PAGE, LARGE_VALUE, RECORDS_VERSION
from magnus_render.runtime import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from magnus_render.plan import Graph, Json, Node, Packed, RunRecord, Scope, State
    from magnus_render.services.base import BaseRunLogStore


def dumps(value: Json) -> bytes:
    """Return the canonical JSON of a value: sorted keys, no blanks, ASCII.

    Raises ValueError or TypeError for what is not JSON.
    """
    return jsontext.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def as_text(value: Json) -> str:
    """Return how a value is compared with a text, such as the name of a branch: a text as it is, anything else as JSON.

    Without blanks, the keys of objects sorted.
    """
    if isinstance(value, str):
        return value
    return jsontext.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def valid_run_id(text: str) -> bool:
    """Tell whether a text is a run id: `[A-Za-z0-9][A-Za-z0-9_-]{0,79}`."""
    return (
        0 < len(text) <= 80
        and text.isascii()
        and text[0].isalnum()
        and all(c.isalnum() or c in "_-" for c in text)
    )


def check_run_id(text: str, what: str = "") -> str:
    """Return a run id that somebody gave; raise `UsageError` if it is none. `what` begins the message."""
    if valid_run_id(text):
        return text
    rule = "1 to 80 of A-Z a-z 0-9 _ -, beginning with a letter or digit"
    raise UsageError(f"{what}'{text}' is not a run id: {rule}")


class OtherFormat(Refused):
    """A run's records have a format that this version does not read."""

    def __init__(self, run_id: str, version: int) -> None:
        super().__init__(
            f"run '{run_id}' has records of format {version}, this version of magnus-render reads and writes "
            f"format {RECORDS_VERSION}: use the version that the run was started with"
        )
        self.version = version


def check_format(rendered_for: str) -> None:
    """Raise `Refused` if an output was rendered for records of another format than this version's; '' is any format."""
    if rendered_for not in ("", str(RECORDS_VERSION)):
        raise Refused(
            f"the pipeline was rendered for records of format {rendered_for}, this version of magnus-render reads and "
            f"writes format {RECORDS_VERSION}: render it anew, or use an image with the version that rendered it"
        )


def run_record(run_id: str, data: bytes) -> RunRecord:
    """Return what `run.json` of a run says; raise `OtherFormat` if its version is not ours."""
    record: RunRecord = shapes.record(run_id, "run.json", data)
    if record["version"] != RECORDS_VERSION:
        raise OtherFormat(run_id, record["version"])
    return record


def attempts_of(names: list[str], kind: str) -> list[int]:
    """Return the numbers of the attempts that have a record of a kind ("start" or "end"), among the names of a folder."""
    found = [name.partition(".") for name in names]
    return [int(number) for number, _, rest in found if rest == f"{kind}.json" and number.isdecimal()]


def page_of(address: str, pages: int) -> int:
    """Return the number of the plan page that holds the definition of a node, given any instance's address."""
    if pages == 1:
        return 0
    return int(sha256(naming.normal(address).encode()).hexdigest()[:8], 16) % pages


KEPT = 1000
"""So many records of a run are kept as they were read, so that a large map does not fill the memory."""


class Run:
    """One run in a store. The records that it read last are kept, for they never change: nobody may change what is given."""

    def __init__(self, store: BaseRunLogStore, run_id: str, record: RunRecord) -> None:
        self.store = store
        self.run_id = run_id
        self.record = record
        self._kept: dict[str, Any] = {}
        self._sound: set[str] = set()

    @classmethod
    def open(cls, store: BaseRunLogStore, run_id: str) -> Run | None:
        """Return the run of that id, or None if nobody has created it; raise `OtherFormat`."""
        data = store.read(f"{run_id}/run.json")
        return None if data is None else cls(store, run_id, run_record(run_id, data))

    # ---- records ----

    def read(self, key: str) -> Any:
        """Return the record under a key of this run, or None; raise `shapes.Damaged` if it is no such record."""
        if key in self._kept:
            return self._kept[key]
        data = self.store.read(f"{self.run_id}/{key}")
        return None if data is None else self._keep(key, shapes.record(self.run_id, key, data))

    def _keep(self, key: str, value: Json) -> Json:
        if len(self._kept) == KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = value
        return value

    def create(self, key: str, value: Json) -> bool:
        """Write a record if there is none; tell whether it was written."""
        return self.store.create(f"{self.run_id}/{key}", dumps(value))

    def names(self, address: str) -> list[str]:
        """Return what lies in the record folder of an address."""
        return self.store.names(f"{self.run_id}/{naming.key(address)}")

    def of(self, address: str, name: str) -> Any:
        """Return the record `name` (without `.json`) of an address, or None."""
        return self.read(f"{naming.key(address)}/{name}.json")

    def is_known(self, address: str, name: str) -> bool:
        """Tell, without a request, whether an address is known to have the record `name` (without `.json`)."""
        return f"{naming.key(address)}/{name}.json" in self._kept

    # ---- definition ----

    def find(self, address: str) -> Node | None:
        """Return the definition of the node at an instance address, or None if there is no such node."""
        number = page_of(address, self.record["pages"])
        key = f"plan/{self.record['dag_hash']}/{number}.json"
        found = self.read(key)
        if found is None:
            raise PlatformError(f"run {self.run_id}: page {number} of its definition is gone")
        page: dict[str, Node] = found["nodes"]
        if address in page:
            return self._checked(key, address, page[address])
        parts = address.split(".")
        for candidate in page:
            definition = candidate.split(".")
            if len(definition) == len(parts) and all(
                a == b or (a == "_" and b.isdigit()) for a, b in zip(definition, parts, strict=True)
            ):
                return self._checked(key, candidate, page[candidate])
        return None

    def _checked(self, key: str, address: str, node: Node) -> Node:
        """Return a node of a page: checked when it is first asked for, as a step needs but some of them."""
        if address not in self._sound:
            shapes.node(self.run_id, key, address, node)
            self._sound.add(address)
        return node

    def node(self, address: str) -> Node:
        """Return the definition of the node at an instance address; raise `Refused` if there is none."""
        node = self.find(address)
        if node is None:
            raise Refused(f"run {self.run_id}: its definition has no step '{address}'")
        return node

    def graphs(self) -> dict[str, Graph]:
        """Return the graphs of the definition by definition address: more than a step should read on its way."""
        found = self.read(f"plan/{self.record['dag_hash']}/graphs.json")
        if found is None:
            raise PlatformError(f"run {self.run_id}: the graphs of its definition are gone")
        graphs: dict[str, Graph] = found["graphs"]
        return graphs

    # ---- values and states ----

    def pack(self, values: Mapping[str, Json]) -> Packed:
        """Store large values by hash and return the mapping with references in their place."""
        packed: Packed = {"values": {}, "large": {}}
        for name, value in values.items():
            data = dumps(value)
            if len(data) <= LARGE_VALUE:
                packed["values"][name] = value
            else:
                digest = sha256(data).hexdigest()
                self.store.create(f"{self.run_id}/values/{digest}.json", data)
                packed["large"][name] = digest
        return packed

    def unpack(self, packed: Packed) -> dict[str, Json]:
        """Return the mapping with its large values read."""
        values = dict(packed["values"])
        for name in packed["large"]:
            values[name] = self.unpack_one(packed, name)
        return values

    def unpack_one(self, packed: Packed, name: str) -> Json:
        """Return one value of a packed mapping; raise KeyError if it is not there."""
        if name in packed["values"]:
            return packed["values"][name]
        digest = packed["large"][name]
        key = f"values/{digest}.json"
        data = self.store.read(f"{self.run_id}/{key}")
        if data is None:
            raise PlatformError(f"run {self.run_id}: the value {digest} is gone")
        return shapes.record(self.run_id, key, data)

    def state(self, digest: str) -> State:
        """Return a state by its hash."""
        state: State | None = self.read(f"states/{digest}.json")
        if state is None:
            raise PlatformError(f"run {self.run_id}: the state {digest} is gone")
        return state

    def unmocked(self, digest: str) -> str:
        """Return a state behind a failure: nothing there is taken over from an earlier run."""
        return self.save({**self.state(digest), "mocked": False})

    def save(self, state: State) -> str:
        """Store a state, unless it is there, and return its hash."""
        data = dumps(state)
        digest = sha256(data).hexdigest()
        key = f"states/{digest}.json"
        if key not in self._kept:
            self.store.create(f"{self.run_id}/{key}", data)
            self._keep(key, state)
        return digest

    # ---- maps ----

    def item(self, address: str, index: int) -> Json:
        """Return an item of the map at an address; raise `Refused` if it has no such item."""
        page: Packed | None = self.of(address, f"items.{index // ITEMS_PER_PAGE}")
        name = str(index)
        if page is None or (name not in page["values"] and name not in page["large"]):
            raise Refused(f"run {self.run_id}: the map '{address}' has no item {index}")
        return self.unpack_one(page, name)

    def items(self, address: str, count: int) -> list[Json]:
        """Return all items of the map at an address."""
        items: list[Json] = []
        for number in range(-(-count // ITEMS_PER_PAGE)):
            page: Packed | None = self.of(address, f"items.{number}")
            if page is None:
                raise PlatformError(f"run {self.run_id}: page {number} of the items of '{address}' is gone")
            found = self.unpack(page)
            items.extend(found[name] for name in sorted(found, key=lambda name: (len(name), name)))
        return items

    def map_variables(self, address: str, scopes: list[Scope]) -> dict[str, Json]:
        """Return the values of the map variables at an instance address, outermost first; the innermost wins."""
        parts = address.split(".")
        values: dict[str, Json] = {}
        for scope in scopes:
            if scope["iterate_as"]:
                depth = scope["address"].count(".") + 1
                values[scope["iterate_as"]] = self.item(".".join(parts[:depth]), int(parts[depth]))
        return values
