"""A reader of JSONata expressions that finds syntax errors and what an expression refers to, without evaluating it.

The grammar is that of JSONata 2.0.6, the version that Step Functions supports (developer guide, "Transforming data with
JSONata"), read token by token with a stack of open brackets: no recursion, time linear in the text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from magnus_render.targets.lint.report import near
from magnus_render.targets.stepfunctions.lint.tokens import (
    FUNCTIONS,
    Problem,
    check_escapes,
    regex_end,
    signature_end,
    token_at,
)


@dataclass
class Expression:
    """The parts of an expression that checks need."""

    problem: str = ""
    """Why it cannot be parsed, '' if it can. The other fields then have what was read before the problem."""
    variables: list[str] = field(default_factory=list)
    """Names, without the `$`, that it neither binds itself nor takes from the functions."""
    states: list[tuple[str, ...]] = field(default_factory=list)
    """Paths that begin at `$states`, as far as they consist of names."""
    bare: list[str] = field(default_factory=list)
    """What it reads from a context item, though there is none: names, `$`, `$$`."""


_BINARY = frozenset(("+", "-", "*", "/", "%", "=", "!=", "<", "<=", ">", ">=", "&", "~>"))
_WORDS = frozenset(("and", "or", "in"))
_LITERALS = frozenset(("true", "false", "null"))
_CLOSE = {"(": ")", "[": "]", "{": "}", "|": "|"}


class _Frame:
    """An open bracket, or the whole expression."""

    __slots__ = ("commas", "context", "kind", "names", "open", "pending", "step", "value")

    def __init__(self, open_: str, kind: str, context: bool, step: bool = False) -> None:
        self.open = open_
        self.kind = kind
        """whole, block, call, sort, params, array, filter, object, body, transform."""
        self.context = context
        """Whether there is a context item inside."""
        self.step = step
        """Whether the bracket belongs to a step behind a dot."""
        self.names: list[str] = []
        """Variables bound inside."""
        self.pending = 0
        """Conditions whose `:` has not come yet."""
        self.value = False
        """For an object: whether the `:` behind the key has come. For a transform: whether the second part is reached."""
        self.commas = 0
        """Separators since the bracket was opened."""


@lru_cache(maxsize=8192)
def read(code: str) -> Expression:
    """Return what is known of the code between `{%` and `%}`."""
    reader = _Reader(code)
    try:
        reader.run()
    except Problem as problem:
        reader.found.problem = str(problem)
    return reader.found


class _Reader:
    def __init__(self, code: str) -> None:
        self.code = code
        self.found = Expression()
        self.frames = [_Frame("", "whole", False)]
        self.operand = True
        """Whether a value must come next, not an operator."""
        self.before = ""
        """The operator or opening bracket just read, behind which a value must come; 'value' behind a value."""
        self.step = False
        """Whether the value just read, or the one that must come next, is a step behind a dot."""
        self.last = ""
        """The last token."""
        self.chain: list[str] | None = None
        """The path from `$states` that is being read."""
        self.parameters: list[str] = []
        """Parameters of the function that is being read."""
        self.body_due = False
        """Whether the parameters of a function have been read, and its body must come next."""
        self.bound: dict[str, int] = {}
        """How many of the open frames bind a variable."""

    def run(self) -> None:
        position, code = 0, self.code
        while position < len(code):
            if code[position] == "/" and self.operand and not code.startswith("/*", position):
                self._check_due("/")
                position = regex_end(code, position)
                self._done(False)
                self.last = "/"
                continue
            kind, token = token_at(code, position)
            position += len(token)
            if kind == "blank":
                continue
            if self.body_due and token == "<":
                position = signature_end(code, position)
                continue
            self._token(kind, token)
        frame = self.frames[-1]
        if frame.open:
            raise Problem(f"{frame.open!r} is not closed by {_CLOSE[frame.open]!r}")
        if self.operand:
            where = f"it ends behind {self.last!r}, where a value is due"
            raise Problem(where if self.last else "it is empty")
        self._end_chain()

    def _token(self, kind: str, token: str) -> None:
        self._check_due(token)
        if kind == "op" or (kind == "name" and token in _WORDS and not self.operand):
            if token in _CLOSE and token != "|":
                self._open(token)
            elif token in (")", "]", "}"):
                self._close(token)
            elif self.operand:
                self._prefix(token)
            else:
                self._operator(token)
        else:
            self._value(kind, token)
        self.last = token

    def _check_due(self, token: str) -> None:
        """Check a token where the one before it allows one kind of token only."""
        if self.body_due and token != "{":
            raise Problem(f"the body of a function begins with '{{', not {token!r}")
        if self.before == "^" and token != "(":
            raise Problem(f"behind '^' comes '(', not {token!r}")
        if self.before in ("@", "#") and not (token.startswith("$") and len(token) > 1):
            raise Problem(f"behind {self.before!r} comes the name of a variable, not {token!r}")

    # ---- values ----

    def _value(self, kind: str, token: str) -> None:
        if not self.operand:
            raise Problem(f"an operator is missing before {token}")
        frame, behind_dot = self.frames[-1], self.before == "."
        if frame.kind == "params":
            if kind != "variable" or len(token) < 2:
                raise Problem(f"{token!r} cannot be the parameter of a function")
            self.parameters.append(token[1:])
        elif kind == "string":
            check_escapes(token)
            self._name(token[1:-1], behind_dot, False)
        elif kind == "number":
            if behind_dot:
                raise Problem(f"{token!r} cannot be a step of a path")
        elif kind == "variable":
            self._variable(token, behind_dot)
        elif token in _LITERALS:
            if behind_dot:
                raise Problem(f"{token!r} cannot be a step of a path")
        else:
            self._name(token.strip("`"), behind_dot, token not in ("function", "λ"))
        self._done(behind_dot)

    def _done(self, step: bool) -> None:
        self.operand, self.before, self.step = False, "value", step

    def _name(self, name: str, behind_dot: bool, bare: bool) -> None:
        if behind_dot and self.chain is not None:
            self.chain.append(name)
        elif bare and not behind_dot and not self.frames[-1].context:
            self.found.bare.append(name)

    def _variable(self, token: str, behind_dot: bool) -> None:
        name = token[1:]
        if self.before in ("@", "#"):
            self._bind(name)
        elif name in ("", "$"):
            if not behind_dot and (name == "$" or not self.frames[-1].context):
                self.found.bare.append(token)
        elif name == "states":
            self._end_chain()
            self.chain = []
        elif not self.bound.get(name) and name not in FUNCTIONS:
            self.found.variables.append(name)

    def _bind(self, name: str) -> None:
        frame = next(f for f in reversed(self.frames) if f.kind in ("whole", "block", "body"))
        frame.names.append(name)
        self.bound[name] = self.bound.get(name, 0) + 1

    def _end_chain(self) -> None:
        if self.chain is not None:
            self.found.states.append(tuple(self.chain))
            self.chain = None

    # ---- operators ----

    def _prefix(self, token: str) -> None:
        """Read an operator where a value must come."""
        frame = self.frames[-1]
        if token in ("*", "**", "%"):
            self._done(self.before == ".")
        elif token == "-" and self.before != ".":
            self.before = token
        elif token in ("<", ">") and frame.kind == "sort" and self.before in ("(", ","):
            self.before = "term"
        elif token == "?" and frame.kind == "call" and self.before in ("(", ","):
            self._done(False)
        elif token == "|":
            self.frames.append(_Frame("|", "transform", True))
            self.before = "|"
        else:
            raise Problem(f"a value is missing before {token!r}")

    def _operator(self, token: str) -> None:
        """Read an operator behind a value."""
        frame = self.frames[-1]
        if token == ":=":
            if not self.last.startswith("$") or len(self.last) < 2:
                raise Problem("the left side of ':=' is not a variable")
            name = self.last[1:]
            if self.found.variables and self.found.variables[-1] == name:
                self.found.variables.pop()
            self._bind(name)
        if token != ".":
            self._end_chain()
        if token == ",":
            self._comma(frame)
        elif token == ";":
            if frame.kind != "block":
                raise Problem("';' stands between expressions in parentheses only")
        elif token == ":":
            if frame.pending:
                frame.pending -= 1
            elif frame.kind == "object" and not frame.value:
                frame.value = True
            else:
                raise Problem("':' has no '?' before it")
        elif token == "?":
            frame.pending += 1
        elif token == "..":
            if frame.kind != "array":
                raise Problem("'..' stands in square brackets only")
        elif token == "|":
            self._transform(frame)
            return
        elif token not in _BINARY and token not in _WORDS and token not in (".", ":=", "^", "@", "#"):
            raise Problem(f"{token!r} is not expected here")
        self.operand, self.before = True, token

    def _comma(self, frame: _Frame) -> None:
        allowed = frame.kind in ("call", "array", "sort", "params") or (
            frame.kind == "object" and frame.value
        )
        if frame.kind == "transform" and frame.value and not frame.commas:
            allowed = True
        if not allowed:
            raise Problem("',' is not expected here")
        frame.commas += 1
        frame.value = frame.kind == "transform"
        frame.pending = 0

    def _transform(self, frame: _Frame) -> None:
        if frame.kind != "transform":
            raise Problem("'|' is not expected here")
        if frame.value:
            self.frames.pop()
            self._done(False)
        else:
            frame.value = True
            self.operand, self.before = True, "|"

    # ---- brackets ----

    def _open(self, token: str) -> None:
        frame, step = self.frames[-1], self.before == "." if self.operand else self.step
        context = frame.context or step
        if self.body_due:
            kind = "body"
        elif token == "(":
            if self.before == "^":
                kind, context = "sort", True
            elif self.operand:
                kind = "block"
            elif self.last in ("function", "λ"):
                kind, self.parameters = "params", []
            else:
                kind = "call"
                self._check_call()
        elif self.operand:
            kind = "array" if token == "[" else "object"
        else:
            kind, context = ("filter" if token == "[" else "object"), True
        self._end_chain()
        opened = _Frame(token, kind, context, step)
        self.frames.append(opened)
        if kind == "body":
            self.body_due = False
            for name in self.parameters:
                self._bind(name)
        self.operand, self.before, self.step = True, token, False

    def _check_call(self) -> None:
        if not self.step and self.last in FUNCTIONS and self.found.bare and self.found.bare[-1] == self.last:
            raise Problem(f"functions are written with a '$': '${self.last}'")
        name = self.last[1:] if self.last.startswith("$") else ""
        if name == "eval" and not self.bound.get(name):
            raise Problem("Step Functions has no '$eval', only '$parse' for JSON")

    def _close(self, token: str) -> None:
        frame = self.frames[-1]
        if _CLOSE.get(frame.open, "") != token or frame.kind == "transform":
            opened = f"{frame.open!r} is open" if frame.open else "nothing is open"
            raise Problem(f"{token!r} closes nothing: {opened}")
        self._end_chain()
        if self.operand:
            empty = self.last == frame.open and frame.kind not in ("sort", "body")
            if not empty and not (frame.kind == "block" and self.last == ";"):
                raise Problem(f"a value is missing before {token!r}")
        elif frame.kind == "object" and not frame.value:
            raise Problem("a key of an object has no ':' behind it")
        self.frames.pop()
        for name in frame.names:
            self.bound[name] -= 1
        self._done(frame.step and frame.kind in ("call", "filter"))
        if frame.kind == "params":
            self.operand = self.body_due = True


def suggestion(name: str, variables: list[str]) -> str:
    """Return the nearest variable or function for a name that is not known, as a question, or ''."""
    return near(f"${name}", [f"${known}" for known in [*variables, *FUNCTIONS]])
