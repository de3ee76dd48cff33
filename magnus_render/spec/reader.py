"""Reads YAML files into trees, event by event and without recursion, so that hostile files end in a clear error.

Limits, stated in `magnus explain` too: a file of 16 MiB, 500,000 values in all files of a definition (aliases
counted as often as they are used), 500 levels of nesting.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import yaml

from magnus_render.spec import codes, pairs
from magnus_render.spec.files import Files
from magnus_render.spec.report import Place, Report, Source
from magnus_render.spec.tree import MAYBE_NOT_TEXT, Map, Seq, Value, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 16 * 1024 * 1024
MAX_VALUES = 500_000
MAX_DEPTH = 500
_MAX_DIRECTIVES = 100
_BREAK = re.compile(r"[\r\n]")

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_MAP_TAGS = (None, "!", _TAG + "map")
_SEQ_TAGS = (None, "!", _TAG + "seq")
_SCALAR_TAGS = {_TAG + name for name in ("str", "int", "float", "bool", "null")}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")
_BODY = re.compile(r"^[^%#\s]", re.MULTILINE)
_CONTENT = re.compile(r"^(?!\.\.\.(?:\s|\Z))(?=[ \t]*[^\s#])", re.MULTILINE)

_PAIRED = "the escapes \\ud800 to \\udfff stand in pairs; or write the character itself"
_FIXES = (
    ("mapping values are not allowed", "a value that contains ': ' needs quotes; or check the indentation"),
    ("did not find expected ',' or ']'", "close the list with ']', and put ',' between its items"),
    ("did not find expected ',' or '}'", "close the mapping with '}', and put ',' between its entries"),
    ("could not find expected ':'", "a key needs ': ' after it; or check the indentation"),
    ("did not find expected key", "check the indentation: keys of one mapping begin in the same column"),
    ("did not find expected '-'", "check the indentation: items of one list begin in the same column"),
    ("cannot start any token", "a value that begins with this character needs quotes"),
    ("found unexpected end of stream", "close the quotes"),
    ("invalid Unicode character escape", _PAIRED),
    ("unknown escape character", "use single quotes, or double the backslash"),
)

_MERGE: Any = object()
"""Stands for a plain `<<` while a mapping is built."""


class _Stop(Exception):
    """The reading of this file cannot go on; the reason has been reported."""


class Reader:
    """Reads the files of one definition, each once. A file whose tree is known already is not read again."""

    def __init__(
        self, report: Report, files: Files | None = None, beginning: str = "begin with 'dag:'"
    ) -> None:
        """`files` is where they are read from, this machine's disk by default.

        `beginning` is the fix for an empty file.
        """
        self.report = report
        self.beginning = beginning
        self.files = files or Files()
        self.values = 0
        """How many values were read so far, in all files."""
        self._trees: dict[str, Value] = {}

    def read(self, path: str, named_by: Place | None = None) -> Value:
        """Return the tree of a file, None if it cannot be read (the reason is in the report).

        `path` is relative to the working folder and shown as it is; `named_by` is where another file names it.
        """
        key = self.files.identity(path)
        if key not in self._trees:
            self._trees[key] = self._tree(key, path, named_by)
        return self._trees[key]

    def _tree(self, key: str, path: str, named_by: Place | None) -> Value:
        tree, size = self.files.known.get((key, path), (None, 0))
        if tree is not None and self.values + size <= MAX_VALUES:
            self.values += size
            return tree
        data = self.content(path, named_by)
        if data is None:
            return None
        before, said = self.values, len(self.report.diagnostics)
        tree = self.parse(path, data)
        if len(self.report.diagnostics) == said:
            self.files.known[key, path] = tree, self.values - before
        return tree

    def parse(self, path: str, data: bytes) -> Value:
        """Return the tree of a YAML document in memory, None if there is none."""
        source = self._source(path, data)
        if source is None:
            return None
        try:
            return _Builder(self, source, data).build()
        except _Stop:
            return None

    def content(self, path: str, named_by: Place | None = None) -> bytes | None:
        """Return the content of a file, None if it cannot be read (the reason is in the report)."""
        try:
            size, data = self.files.read(path, MAX_BYTES)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            message = f"cannot read '{path}': {reason}"
            if named_by is None:
                self.report.error_without_line(codes.UNREADABLE, path, message)
            else:
                fix = "the path is relative to the file that names it"
                self.report.error(codes.UNREADABLE, named_by, message, fix)
            return None
        if size > MAX_BYTES:
            mib = MAX_BYTES // 1024 // 1024
            message = f"the file is larger than {mib} MiB, the most a definition may have"
            self.report.error_without_line(
                codes.TOO_LARGE, path, message, "generate fewer steps, or use a map"
            )
            return None
        return data

    def _source(self, path: str, data: bytes) -> Source | None:
        order = len(self._trees)
        try:
            source = Source(path, data.decode("utf-8-sig"), order)
        except UnicodeDecodeError as error:
            lossy = Source(path, data[: error.start + 200].decode("utf-8", "replace"), order)
            index = len(data[: error.start].decode("utf-8", "replace"))
            what = f"byte 0x{data[error.start]:02x} is not UTF-8"
            if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
                what = "the file is UTF-16, not UTF-8"
            fix = "save the file as UTF-8"
            self.report.error(codes.NOT_UTF8, Place(lossy, index, 1), what, fix)
            return None
        control = _CONTROL.search(source.text)
        if control:
            what = f"control character U+{ord(control.group()):04X} may not stand in YAML"
            fix = 'write it as an escape in double quotes, such as "\\x1b"'
            self.report.error(codes.CONTROL_CHARACTER, Place(source, control.start(), 1), what, fix)
            return None
        body = _BODY.search(source.text)
        # The parser compares every directive with all before it, so thousands of them would take minutes.
        if source.text.count("\n%", 0, body.start() if body else None) > _MAX_DIRECTIVES:
            self.report.error(
                codes.SYNTAX, Place(source, 0, 1), f"more than {_MAX_DIRECTIVES} YAML directives"
            )
            return None
        return source


class _Builder:
    """Builds one tree from the events of one document."""

    def __init__(self, reader: Reader, source: Source, data: bytes) -> None:
        self.reader = reader
        self.report = reader.report
        self.source = source
        self.data = data
        self.anchors: dict[str, tuple[Value, int]] = {}
        self.open_anchors: set[str] = set()

    def build(self) -> Value:
        """Return the tree; raise `_Stop` after reporting what ends the reading."""
        try:
            get = self._events()
            self.data = b""
            return self._document(get)
        except yaml.MarkedYAMLError as error:
            self._syntax_error(error)
        except yaml.reader.ReaderError as error:
            self.fail(codes.SYNTAX, 0, f"not YAML: {error.reason}")
        raise _Stop

    def _events(self) -> Callable[[], Any]:
        if not pairs.has_pairs(self.data):
            return _LOADER(self.data).get_event  # type: ignore[no-any-return]
        if data := pairs.substituted(self.data, self.source.text):
            return partial(self._mended, _LOADER(data).get_event, pairs.restored)
        return partial(self._mended, yaml.SafeLoader(self.data).get_event, pairs.joined)

    def _mended(self, get: Callable[[], Any], mended: Callable[[str], str]) -> Any:
        """Return the next event of a document that holds pairs of surrogates."""
        event = get()
        if type(event) is yaml.ScalarEvent:
            try:
                event.value = mended(event.value)
            except ValueError as error:
                mark: Any = event.start_mark
                self.fail(codes.SYNTAX, mark.index, f"not YAML: {error}", _PAIRED)
        return event

    def fail(self, code: str, index: int, message: str, fix: str = "") -> None:
        """Report an error that ends the reading."""
        self.report.error(code, Place(self.source, index), message, fix)
        raise _Stop

    def _document(self, get: Callable[[], Any]) -> Value:
        get()  # the start of the stream
        event = get()
        if not isinstance(event, yaml.DocumentStartEvent):
            self.fail(codes.EMPTY, 0, "the file is empty", self.reader.beginning)
        value = self._value(get)
        end = get().end_mark.index
        text = self.source.text
        if not text.startswith(("---", "%"), end):
            line = _BREAK.search(text, end)
            behind = text[end : line.start() if line else None].strip()
            if behind and not behind.startswith(("#", "...")):
                get()  # raises the parser's own error
        rest = _CONTENT.search(text, end)
        if rest:
            if not text.startswith(("---", "%"), rest.start()):
                get()
            what = "a second YAML document begins here"
            self.fail(codes.DOCUMENTS, rest.start(), what, "keep one document in a file; remove '---'")
        return value

    def _value(self, get: Callable[[], Any]) -> Value:
        """Build containers in one loop: with a call for each of a hundred thousand events it would take twice as long."""
        source, report = self.source, self.report
        scalar_event, map_start, seq_start = yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
        map_end, alias_event = yaml.MappingEndEvent, yaml.AliasEvent
        interned: dict[str, str] = {}
        stack: list[tuple[Any, ...]] = []
        box: Any = None  # the container being filled
        is_map = False
        key: str | None = None  # of the entry whose value comes next
        skip = False  # that entry is a duplicate
        key_index = 0
        start = 0  # number of values when the container began
        name = ""  # its anchor
        count = self.reader.values
        while True:
            event = get()
            kind = type(event)
            if kind is scalar_event:
                count += 1
                index = event.start_mark.index
                value: Any = event.value
                if is_map and key is None:
                    if event.anchor is not None or event.tag is not None:
                        self._bad_key(event, index)
                    key = interned.setdefault(value, value)
                    key_index = index
                    if key in box:
                        line = source.position(box.key_place(key).offset)[0]
                        what = f"duplicate key '{key}': it stands in line {line} already"
                        report.error(codes.DUPLICATE_KEY, Place(source, index), what, "remove one of the two")
                        skip = True
                    elif key == "<<" and event.implicit[0]:
                        key = _MERGE
                    continue
                if event.implicit[0]:
                    if value == "" or value[0] in MAYBE_NOT_TEXT:
                        value = self._plain(value, index)
                elif event.tag is not None:
                    value = self._tagged(event, index)
                if event.anchor is not None:
                    self.anchors[event.anchor] = (value, 1)
            elif kind is map_start or kind is seq_start:
                count += 1
                index = event.start_mark.index
                if is_map and key is None:
                    self.fail(codes.COMPLEX_KEY, index, "a key must be a plain text, not a mapping or a list")
                if event.tag not in (_MAP_TAGS if kind is map_start else _SEQ_TAGS):
                    self._unknown_tag(event.tag, index)
                if len(stack) >= MAX_DEPTH:
                    what = f"nested deeper than {MAX_DEPTH} levels"
                    self.fail(codes.TOO_DEEP, index, what, "move inner graphs to files of their own")
                stack.append((box, is_map, key, key_index, skip, start, name))
                is_map = kind is map_start
                box = Map() if is_map else Seq()
                box.source, box.offset, box.marks = source, index, []
                key, skip, start = None, False, count
                name = event.anchor or ""
                if name:
                    self.open_anchors.add(name)
                continue
            elif kind is alias_event:
                index = event.start_mark.index
                if is_map and key is None:
                    self._bad_key(event, index)
                    key, key_index, skip = "", index, True
                    continue
                value, size = self._alias(event.anchor, index)
                count += size
            elif kind is map_end or kind is yaml.SequenceEndEvent:
                value, index = box, box.offset
                if is_map and _MERGE in box:
                    value = self._merged(box)
                if name:
                    self.open_anchors.discard(name)
                    self.anchors[name] = (value, count - start + 1)
                box, is_map, key, key_index, skip, start, name = stack.pop()
            else:
                raise AssertionError(f"unexpected event {event}")
            if count > MAX_VALUES:
                what = f"more than {MAX_VALUES:,} values, aliases counted as often as they are used"
                self.fail(codes.TOO_MANY, index, what, "generate fewer steps, or use a map")
            if box is None:
                self.reader.values = count
                return value
            if is_map:
                if skip:
                    skip = False
                else:
                    box[key] = value
                    box.marks += (key_index, index)
                key = None
            else:
                box.append(value)
                box.marks.append(index)

    def _plain(self, text: str, index: int) -> Value:
        try:
            return resolve(text)
        except ValueError as error:
            what = f"'{text[:40]}' is {error}"
            self.report.error(
                codes.NOT_JSON, Place(self.source, index), what, "put it in quotes if it is a text"
            )
            return 0

    def _tagged(self, event: Any, index: int) -> Value:
        tag, text = event.tag, event.value
        if tag in ("!", _TAG + "str"):
            return text
        if tag not in _SCALAR_TAGS:
            self._unknown_tag(tag, index)
            return text
        value = self._plain(text, index)
        names = {str: "str", int: "int", float: "float", bool: "bool", type(None): "null"}
        if isinstance(value, int) and tag == _TAG + "float" and not isinstance(value, bool):
            return float(value)
        if _TAG + names[type(value)] != tag:
            what = f"'{text[:40]}' cannot be read as !!{tag[len(_TAG):]}"
            self.report.error(codes.UNKNOWN_TAG, Place(self.source, index), what, "remove the tag")
        return value

    def _unknown_tag(self, tag: str, index: int) -> None:
        shown = "!!" + tag[len(_TAG) :] if tag.startswith(_TAG) else tag
        fix = "remove the tag: a definition holds plain texts, numbers, lists and mappings"
        self.report.error(codes.UNKNOWN_TAG, Place(self.source, index), f"unknown tag '{shown}'", fix)

    def _bad_key(self, event: Any, index: int) -> None:
        place = Place(self.source, index)
        if event.anchor is not None:
            what = (
                "an alias may not be a key"
                if type(event) is yaml.AliasEvent
                else "a key may not have an anchor"
            )
            self.report.error(
                codes.COMPLEX_KEY, place, what, "write the key itself; anchors belong before values"
            )
        elif event.tag != "!" and event.tag != _TAG + "str":
            self._unknown_tag(event.tag, index)

    def _alias(self, name: str, index: int) -> tuple[Value, int]:
        if name in self.open_anchors:
            what = f"alias '*{name}' stands inside of what '&{name}' marks: it would contain itself"
        elif name in self.anchors:
            return self.anchors[name]
        else:
            what = f"alias '*{name}' has no anchor '&{name}' before it"
        fix = self.report.did_you_mean(name, self.anchors)
        self.report.error(codes.BAD_ALIAS, Place(self.source, index), what, fix)
        self.report.mute(Place(self.source, index))
        return None, 1

    def _merged(self, box: Map) -> Map:
        """Return a mapping with the mappings merged in that its `<<` entry names. Own keys win, then the first mapping's."""
        place = box.value_place(_MERGE)
        given = box[_MERGE]
        result = box.without(_MERGE)
        for part in given if isinstance(given, Seq) else (given,):
            if not isinstance(part, Map):
                what = "'<<' takes an alias of a mapping, or a list of such aliases"
                self.report.error(
                    codes.BAD_MERGE, place, what, "or put '<<' in quotes if it is meant as a name"
                )
                continue
            for number, (key, value) in enumerate(part.items()):
                if key not in result:
                    result[key] = value
                    result.marks += part.marks[2 * number : 2 * number + 2]
        return result

    def _syntax_error(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        index = mark.index if mark else 0
        problem = str(error.problem or error.context)
        if "tab" in problem or self.source.text[index : index + 1] == "\t":
            what = "a tab may not be used for indentation"
            self.report.error(codes.TAB, Place(self.source, index, 1), what, "indent with spaces")
            return
        what = f"not YAML: {problem}"
        if error.context and error.context_mark:
            began = error.context_mark.index
            if index >= len(self.source.text.rstrip()):
                what += f" {error.context} that begins here"
                index = began
            elif index != began:
                line, column, _ = self.source.position(began)
                what += f" {error.context} that begins at {line}:{column}"
        fix = next((fix for part, fix in _FIXES if part in problem), "")
        self.report.error(codes.SYNTAX, Place(self.source, index, 1), what, fix)
