"""A deterministic scheduler: two callbacks of one run, interleaved in every way that can make a difference.

Each callback is a thread, of which only one runs at a time. It pauses before each request to the store whose answer may
depend on when it is made. Which of the two goes on then is what an interleaving chooses, and all choices are tried.

Such a request is about a record of a step that one of the two creates, and that the other asks for or creates too. All
other requests commute with what the other callback does: those about what is there already, about what only one of the two
asks for, and about states and values, which are named by their content. Which records both are about is learnt as they run;
then all is tried anew.
"""

from __future__ import annotations

import contextvars
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from magnus_render.graph.load import load
from magnus_render.runtime import attempt, callback
from magnus_render.runtime.comparing import comparable
from magnus_render.runtime.fold import fold
from magnus_render.runtime.reading import read_run
from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.services import lookup
from magnus_render.services.base import BaseRunLogStore

FAILS: contextvars.ContextVar[bool] = contextvars.ContextVar("FAILS", default=False)
"""Whether the task of the callback that is made fails."""


_TIME = re.compile(rb'"(?:time|created)":[0-9.e+]+')


class Killed(BaseException):
    """A callback was killed just before it wrote a record."""


class Callback(threading.Thread):
    """A callback that goes on by one request to the store at a time; killed before its write number `kill`, from 0."""

    def __init__(self, store: Store, words: tuple[str, ...], fails: bool = False, kill: int = -1) -> None:
        super().__init__(daemon=True)
        self.store, self.words, self.fails, self.kill = store, words, fails, kill
        self.status: int | None = None
        """The exit status, None if it was killed or is not over."""
        self.killed = False
        self.over = False
        self.created: set[str] = set()
        self.touched: set[str] = set()
        """Keys of records, and folders ending in a slash, that it asked for or created."""
        self.error: BaseException | None = None
        self.history = 0
        """Of what it has asked and been told."""
        self.abandoned = False
        self._go, self._waits = threading.Semaphore(0), threading.Semaphore(0)
        self.start()
        self.advance()

    def run(self) -> None:
        self._go.acquire()
        FAILS.set(self.fails)
        try:
            self.status = self.store.call(*self.words)
        except Killed:
            self.killed = True
        except BaseException as error:
            self.error = error
        self.over = True
        self._waits.release()

    def about(self, key: str, create: bool = False) -> None:
        """Called by the thread itself before a request: pauses if that does not commute with the other callback's."""
        self.touched.add(key)
        shared = self.store.shared
        if key.endswith("/"):
            waits = any(one.startswith(key) for one in shared)
        else:
            waits = key in shared and key not in self.store.records
        if waits:
            self._waits.release()
            self._go.acquire()
            if self.abandoned:
                raise Killed
        if create and key not in self.store.records:
            self.created.add(key)
            self.kill -= 1
            if self.kill == -1:
                raise Killed

    def answered(self, *what: Any) -> None:
        """Called by the thread itself behind a request, with what it was told."""
        self.history = hash((self.history, *what))

    def abandon(self) -> None:
        """Let it go no further."""
        self.abandoned = True
        if not self.over:
            self.advance()

    def advance(self) -> None:
        """Let it make its request and go on to the next; raise what it raised."""
        self._go.release()
        self._waits.acquire()
        if self.error is not None:
            raise self.error


class Store(BaseRunLogStore):
    """Records in memory, of one run `r`."""

    def __init__(self, records: dict[str, bytes], shared: Iterable[str] = ()) -> None:
        self.records = dict(records)
        self.shared = set(shared)
        """Keys of the records that both of two callbacks are about."""

    # ---- what callbacks ask of it ----

    def create(self, key: str, data: bytes) -> bool:
        _about(key, create=True)
        return _answered(key, self.records.setdefault(key, data) is data)

    def read(self, key: str) -> bytes | None:
        _about(key)
        data = self.records.get(key)
        _answered(key, data and _TIME.sub(b"", data))
        return data

    def names(self, folder: str) -> list[str]:
        _about(f"{folder}/")
        below = (key[len(folder) + 1 :] for key in self.records if key.startswith(f"{folder}/"))
        return list(_answered(folder, tuple(sorted({name.partition("/")[0] for name in below}))))

    def read_all(self, folder: str) -> Iterator[tuple[str, bytes]]:
        return ((key, data) for key, data in list(self.records.items()) if key.startswith(f"{folder}/"))

    def open_log(self, key: str) -> BinaryIO:
        raise AssertionError("no task runs")

    # ---- what tests do with it ----

    def call(self, *words: str) -> int:
        """Make a callback of the run; return its exit status."""
        return callback.main([words[0], "r", *words[1:]], services=_services(self))

    def step(self, *words: str, fails: bool = False) -> int:
        """Execute a step alone; return its exit status."""
        token = FAILS.set(fails)
        try:
            return self.call("execute_single_node", *words)
        finally:
            FAILS.reset(token)

    def content(self) -> frozenset[tuple[str, bytes]]:
        """Return all records without their times."""
        return frozenset((key, _TIME.sub(b"", data)) for key, data in self.records.items())

    def log(self) -> dict[str, Any]:
        """Return the folded log, without what engines may differ in."""
        return comparable(fold(*read_run(self, "r"), 0.0))


class _Quiet:
    """Takes no signals: those are of the main thread."""

    def __enter__(self) -> _Quiet:
        return self

    def __exit__(self, *error: object) -> None:
        return None


def _work(self: Any, number: int) -> None:
    """What a task does here: it sets a parameter, and fails if it is to."""
    self.set = {f"by_{self.address.replace('.', '_')}": self.attempt}
    if FAILS.get():
        raise TaskFailure("exited with status 1")


def _about(key: str, create: bool = False) -> None:
    here = threading.current_thread()
    if isinstance(here, Callback):
        here.about(key, create)


def _answered(key: str, answer: Any) -> Any:
    here = threading.current_thread()
    if isinstance(here, Callback):
        here.answered(key, answer)
    return answer


_OPEN: dict[str, Store] = {}
"""Stores by the name in their configuration."""


def _services(store: Store) -> Any:
    name = str(id(store))
    _OPEN[name] = store
    nothing = {"type": "do-nothing", "config": {}}
    return {
        "run_log_store": {"type": "interleaved", "config": {"name": name}},
        "catalog": nothing,
        "secrets": nothing,
    }


def prepare(monkeypatch: Any) -> None:
    """Let callbacks find their stores here, and run no process."""
    found = lookup.load

    def opened(kind: str, service: Any) -> Any:
        return _OPEN[service["config"]["name"]] if service["type"] == "interleaved" else found(kind, service)

    monkeypatch.setattr(lookup, "load", opened)
    monkeypatch.setattr(attempt.process, "Signals", _Quiet)
    monkeypatch.setattr(attempt.Work, "do", _work)


def begin(dag: dict[str, Any], *words: str) -> Store:
    """Return a store with a run of a definition that was started."""
    from tests.unit.view_graphs import begin as write

    write(dag)
    store = Store({})
    plan = load("dag.yaml").plan
    assert callback.main(["start_run", "r", *words], plan=plan, services=_services(store)) == 0
    return store


class Made:
    """A callback that is to be made: its words, whether its task fails, and before which write it is killed."""

    def __init__(self, *words: str, fails: bool = False, kill: int = -1) -> None:
        self.words, self.fails, self.kill = ("execute_single_node", *words), fails, kill

    def on(self, store: Store, kill: int = -1) -> Callback:
        """Make it, up to its first request."""
        return Callback(store, self.words, self.fails, kill if kill >= 0 else self.kill)


class Interleavings:
    """All interleavings of two callbacks: `each` yields those that differ, `count` says how many there are in all.

    Where both callbacks have had the same answers so far by another interleaving, what follows is the same, and counted.
    """

    def __init__(self, base: Store, first: Made, second: Made) -> None:
        self.base, self.first, self.second = base, first, second
        self.count = 0
        self._shared: set[str] = set()
        while self._learn():
            pass

    def _learn(self) -> bool:
        """Add to the records that both are about; tell whether there was any to add."""
        for _, one, other in self.each():
            if new := (_met(one, other) | _met(other, one)) - self._shared:
                self._shared |= new
                return True
        return False

    def each(self) -> Iterator[tuple[Store, Callback, Callback]]:
        """Yield the store and both callbacks behind the interleavings."""
        self.count = 0
        known: dict[tuple[int, int], int] = {}
        path: list[_Choice] = []
        while True:
            store = Store(self.base.records, self._shared)
            callers = (self.first.on(store), self.second.on(store))
            at, below = 0, 0
            while at_work := [caller for caller in callers if not caller.over]:
                if len(at_work) == 1:
                    at_work[0].advance()
                    continue
                if at == len(path):
                    state = (callers[0].history, callers[1].history)
                    if state in known:
                        below = known[state]
                        break
                    path.append(_Choice(state))
                at_work[path[at].chosen].advance()
                at += 1
            if below:
                for caller in callers:
                    caller.abandon()
            else:
                below = 1
                yield store, *callers
            while path:
                path[-1].below += below
                if path[-1].chosen == 0:
                    path[-1].chosen = 1
                    break
                last = path.pop()
                below = known[last.state] = last.below
            else:
                self.count = below
                return


class _Choice:
    """A place where both callbacks may go on: which does, and how many interleavings there are from here."""

    def __init__(self, state: tuple[int, int]) -> None:
        self.state, self.chosen, self.below = state, 0, 0


def _met(one: Callback, other: Callback) -> set[str]:
    """Return what one created of what the other is about."""
    folders = tuple(key for key in other.touched if key.endswith("/"))
    return {
        key for key in one.created if "/steps/" in key and (key in other.touched or key.startswith(folders))
    }


def in_turn(base: Store, first: Made, second: Made) -> Iterator[Store]:
    """Yield the store behind each walk that made one callback after the other: the first whole, or killed at a write."""
    for one, other in ((first, second), (second, first)):
        kill = 0
        while True:
            store = Store(base.records)
            before = _alone(one.on(store, kill))
            _alone(other.on(store))
            yield store
            if not before.killed:
                break
            kill += 1


def _alone(caller: Callback) -> Callback:
    while not caller.over:
        caller.advance()
    return caller


def each(check: Callable[[Store, Callback, Callback], None], base: Store, first: Made, second: Made) -> int:
    """Check every interleaving: that its log is one that a walk could have left, and what `check` says. Return how many."""
    possible = [_unexplained(store.log()) for store in in_turn(base, first, second)]
    seen, all_ = set(), Interleavings(base, first, second)
    for store, one, other in all_.each():
        behind = (store.content(), one.status, one.killed, other.status, other.killed)
        if behind in seen:
            continue
        seen.add(behind)
        log = store.log()
        assert _unexplained(log) in possible, log
        began = {
            key.split("/steps/")[1].rpartition("/")[0]
            for key in store.records
            if key.endswith("/1.start.json")
        }
        assert began <= set(_reached(log)), "what began is not in the log"
        check(store, one, other)
    return all_.count


def _unexplained(log: dict[str, Any]) -> dict[str, Any]:
    """Return a log without the messages of attempts that crashed: what was killed says nothing, what was late does."""
    text = json.dumps(log, sort_keys=True)

    def without(record: dict[str, Any]) -> dict[str, Any]:
        return {**record, "message": ""} if record.get("status") == "CRASHED" else record

    found: dict[str, Any] = json.loads(text, object_hook=without)
    return found


def _reached(log: dict[str, Any]) -> Iterator[str]:
    for step in log["steps"].values():
        yield step["internal_name"].replace(".", "/")
        for branch in step["branches"].values():
            yield from _reached(branch)
