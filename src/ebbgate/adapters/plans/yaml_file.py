"""YAML text to plain data with positions, by YAML 1.2's core schema and nothing else.

The nodes come from ruamel.yaml; what a plain scalar means is decided here, so that `off`, `on`, `no`, `1:30`, `5%` and
dates stay the text that a person wrote, whatever a `%YAML 1.1` line says. Merge keys, tags and duplicate keys are
refused: each hides a surprise.
"""

import re
import warnings
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ebbgate.core.errors import PlanError
from ebbgate.core.rollouts.plan_file_reader import at_index, at_key

MAX_CHARACTERS = 200_000
"""A plan is some hundred lines; more is a mistake, and takes seconds to parse."""

MAX_NODES = 20_000
"""Nodes after aliases have been followed: stops `[*a, *a, ...]` from growing without bound."""

MAX_DEPTH = 50
"""Levels of nesting; a plan has less than ten."""

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_UNQUOTED = re.compile(r"(?P<key>[A-Za-z_]\w*):\s+(?P<value>[>|@%*][ ]?[^\s\"'#,{}][^#,{}]*)")
_TAG = re.compile(r"(&\S+\s+)?!")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

_HINTS = (
    ("undefined alias", 'text that begins with `*` needs quotes: `"*@example.com"`'),
    ("expected alphabetic or numeric character", 'text that begins with `*` or `&` needs quotes: `"*@example.com"`'),
    ("chomping or indentation indicators", 'text that begins with `>` or `|` needs quotes: `"> 5% for 5m"`'),
    ("found character '>'", 'text that begins with `>` needs quotes: `"> 5% for 5m"`'),
    ("cannot start any token", 'text that begins with `>`, `@`, `%`, `*` or a tab needs quotes: `"> 5% for 5m"`'),
    ("mapping values are not allowed here", "text that holds `: ` needs quotes; a key needs its own line or braces"),
    ("expected ',' or '}'", "inside braces, separate entries with commas and quote text that holds `,`, `{` or `}`"),
    ("expected ',' or ']'", "inside brackets, separate entries with commas and close with `]`"),
    ("expected a comment or a line break", 'text that begins with `>` or `|` needs quotes: `"> 5% for 5m"`'),
    ("expected a single document", "keep one plan in a file; remove the second `---`"),
)


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where something stands in the text, both from 1."""

    line: int
    column: int


class YamlFile(msgspec.Struct, frozen=True, kw_only=True):
    """data: dicts with text keys, lists, text, int, float, bool, None. positions: of every path (`$.phases[1].to`)."""

    data: Any
    positions: dict[str, Position]

    def position_of(self, path: str) -> Position | None:
        """Of the path, or of the nearest thing around it."""
        while path:
            if path in self.positions:
                return self.positions[path]
            path = path[: max(path.rfind("."), path.rfind("["))]
        return None


def read_yaml(text: str) -> YamlFile:
    """Raises PlanError with line and column."""
    if len(text) > MAX_CHARACTERS:
        raise PlanError(
            f"the file has {len(text):,} characters", hint=f"a plan has at most {MAX_CHARACTERS:,}", path="$"
        )
    root = _compose(text)
    if root is None:
        raise PlanError("the file is empty", hint="write one with `ebbgate init`", path="$")
    builder = _Builder(text)
    return YamlFile(data=builder.build(root, "$"), positions=builder.positions)


def _compose(text: str) -> Node | None:
    yaml = YAML(typ="safe", pure=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ReusedAnchorWarning)
            node: Node | None = yaml.compose(text)
            return node
    except MarkedYAMLError as error:
        problem = str(error.problem or error.context or "not YAML")
        if (unquoted := _unquoted(text, error)) is not None:
            key, value = unquoted
            hint = f'text that begins with `{value[0]}` needs quotes: `{key}: "{value}"`'
            raise PlanError(f"{_place(error)}: {problem}, in `{key}: {value}`", hint=hint, path="$") from None
        raise PlanError(f"{_place(error)}: {problem}", hint=_hint(f"{error.context} {problem}"), path="$") from None
    except (YAMLError, ReusedAnchorWarning, ValueError) as error:
        words = str(error).strip().splitlines()
        raise PlanError(f"not YAML: {words[0] if words else error!r}", hint=_hint(str(error)), path="$") from None
    except RecursionError:
        raise PlanError("the file nests too deeply", hint="a plan is at most a few levels deep", path="$") from None


def _unquoted(text: str, error: MarkedYAMLError) -> tuple[str, str] | None:
    """The key and the value, if the error is in a line whose value begins with a sign of YAML's and has no quotes."""
    mark = error.problem_mark or error.context_mark
    lines = text.splitlines()
    if mark is None or mark.line >= len(lines):
        return None
    found = [one for one in _UNQUOTED.finditer(lines[mark.line]) if one.start() <= mark.column <= one.end()]
    return (found[0]["key"], found[0]["value"].rstrip()) if found else None


def _place(error: MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else "the file"


def _hint(problem: str) -> str:
    for part, hint in _HINTS:
        if part in problem:
            return hint
    return "check the indentation and the quotes there; `ebbgate plan lint` names the first mistake"


class _Builder:
    """Walks the nodes once, building plain data and remembering places."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.positions: dict[str, Position] = {}
        self._nodes = 0
        self._open: set[int] = set()  # ids of the nodes around this one: an alias to one of them never ends

    def build(self, node: Node, path: str) -> Any:
        self._nodes += 1
        self.positions[path] = Position(line=node.start_mark.line + 1, column=node.start_mark.column + 1)
        if self._nodes > MAX_NODES:
            raise self._error("the file is too large once its aliases are followed", "write it out without `*`", path)
        if len(self._open) > MAX_DEPTH:
            raise self._error("the file nests too deeply", "a plan is at most a few levels deep", path)
        self._refuse_tag(node, path)
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            raise self._error("an alias holds itself", "write it out without `*`", path)
        self._open.add(id(node))
        try:
            if isinstance(node, SequenceNode):
                return [self.build(item, at_index(path, i)) for i, item in enumerate(node.value)]
            assert isinstance(node, MappingNode)
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: MappingNode, path: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise self._error("a key must be text", "write `name: value`", path)
            key = str(key_node.value)
            place = at_key(path, key)
            self.positions[place] = Position(line=key_node.start_mark.line + 1, column=key_node.start_mark.column + 1)
            if key == "<<" and key_node.style is None:
                raise self._error("merge keys (`<<`) are not part of YAML 1.2", "write the keys out", place)
            if key in result:
                raise self._error(f"`{key}` stands here twice", "keep one of them: the other would be lost", place)
            value = self.build(value_node, place)
            # The key's place, not the value's: it is what a reader looks for, and a block value begins a line later.
            self.positions[place] = Position(line=key_node.start_mark.line + 1, column=key_node.start_mark.column + 1)
            result[key] = value
        return result

    def _scalar(self, node: ScalarNode, path: str) -> str | int | float | bool | None:
        text = str(node.value)
        if node.style is not None:  # quoted, or a block of text
            return text
        if _NULL.fullmatch(text):
            return None
        if _BOOLEAN.fullmatch(text):
            return text.lower() == "true"
        if _INTEGER.fullmatch(text) and len(text) <= 18:
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        if _NOT_FINITE.fullmatch(text):
            raise self._error(f"`{text}` is not a number that can be compared", "write a finite number", path)
        return text

    def _refuse_tag(self, node: Node, path: str) -> None:
        start: int = node.start_mark.index
        # The composer forgets whether a tag was written or resolved; the text remembers.
        if _TAG.match(self._text, start):
            raise self._error("a tag (`!...`) is not understood", "remove it; quote the value to make it text", path)

    def _error(self, message: str, hint: str, path: str) -> PlanError:
        place = self.positions.get(path)
        where = f"line {place.line}, column {place.column}: " if place else ""
        return PlanError(f"{where}{message}", hint=hint, path=path)
