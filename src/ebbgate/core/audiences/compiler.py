"""From JsonLogic to closures."""

from collections.abc import Callable, Mapping
from sys import intern
from typing import Any

from ebbgate.core.audiences.branching import apply, chain, choose
from ebbgate.core.audiences.bucketing import Bucketing
from ebbgate.core.audiences.coercion import to_number
from ebbgate.core.audiences.fractional import compile_fractional
from ebbgate.core.audiences.node import Call, Node, condition, constant, sequence
from ebbgate.core.audiences.operators import FUNCTIONS, PLAIN, TESTS, concatenate
from ebbgate.core.audiences.shortcuts import shortcut


class Compiler:
    """Compiles one flag's rule. `needs_flagd` tells afterwards whether it reads `$flagd` from the data.

    `top` is true while the data is the evaluation context, which is a dict; inside `map` and its like it is an element.
    """

    def __init__(self, *, flag_key: str, bucketing: Bucketing, evaluators: Mapping[str, Any]) -> None:
        self.needs_flagd = False
        self._flag_key = flag_key
        self._bucketing = bucketing
        self._evaluators = evaluators
        self._references: dict[tuple[str, bool], Node] = {}
        self._open: list[str] = []

    def compile(self, rule: Any, *, top: bool) -> Node:
        """One rule or literal. Raises LookupError with a message for an unknown operator or reference."""
        if isinstance(rule, list):
            nodes = [self.compile(item, top=top) for item in rule]
            if all(node.is_constant for node in nodes):
                return constant([node.value for node in nodes])
            return Node(sequence(nodes))
        if not isinstance(rule, dict) or len(rule) != 1:
            return constant(rule)  # an object with no or several keys is data, as in json-logic-js
        ((name, raw),) = rule.items()
        if name == "$ref":
            return self._reference(raw, top=top)
        arguments = raw if isinstance(raw, list) else [raw]
        if special := _SPECIAL.get(name):
            return special(self, arguments, top)
        test = TESTS.get(name)
        function = test or FUNCTIONS.get(name)
        if function is None:
            raise LookupError(f"unknown operator {name!r}")
        nodes = [self.compile(argument, top=top) for argument in arguments]
        node = shortcut(name, nodes) or apply(function, nodes, is_plain=test is not None or name in PLAIN)
        if name == "cat" and len(nodes) == 1:
            node.text_of = nodes[0].key
        return node

    def _reference(self, name: Any, *, top: bool) -> Node:
        if not isinstance(name, str) or name not in self._evaluators:
            raise LookupError(f"$ref to an unknown evaluator {name!r}")
        if name in self._open:
            raise LookupError(f"$ref cycle through evaluator {name!r}")
        known = self._references.get((name, top))
        if known is None:
            self._open.append(name)
            known = self._references[name, top] = self.compile(self._evaluators[name], top=top)
            self._open.pop()
        return known

    def variable(self, arguments: list[Any], top: bool) -> Node:
        path = self.compile(arguments[0], top=top) if arguments else constant(None)
        default = self.compile(arguments[1], top=top) if len(arguments) > 1 else constant(None)
        if not path.is_constant:
            self.needs_flagd = self.needs_flagd or top
            find, otherwise = path.call, default.call
            return Node(lambda data: _default(read_path(data, find(data)), data, otherwise))
        if top and path.value == "$flagd.flagKey":
            return constant(self._flag_key)
        if top and _reads_flagd(path.value):
            self.needs_flagd = True
        return _static_variable(path.value, default, top=top)

    def choice(self, arguments: list[Any], top: bool) -> Node:
        nodes = [self.compile(argument, top=top) for argument in arguments]
        rest = nodes.pop() if len(nodes) % 2 else constant(None)
        branches = list(zip(nodes[::2], nodes[1::2], strict=True))
        if rest.branches is not None:  # else-if written as a nested `if`: one walk instead of nested calls
            inner, rest = rest.branches
            branches = [*branches, *inner]
        return choose(branches, rest)

    def every(self, arguments: list[Any], top: bool) -> Node:
        return chain([self.compile(argument, top=top) for argument in arguments], stops_on=False)

    def any(self, arguments: list[Any], top: bool) -> Node:
        return chain([self.compile(argument, top=top) for argument in arguments], stops_on=True)

    def negation(self, arguments: list[Any], top: bool) -> Node:
        test = condition(self.compile(arguments[0], top=top) if arguments else constant(None))
        return Node(lambda data: not test(data), is_plain=True)

    def affirmation(self, arguments: list[Any], top: bool) -> Node:
        node = self.compile(arguments[0], top=top) if arguments else constant(None)
        test = condition(node)
        return Node(lambda data: bool(test(data)), is_plain=True)

    def missing(self, arguments: list[Any], top: bool) -> Node:
        nodes = [self.compile(argument, top=top) for argument in arguments]
        self._note_names(arguments, top)
        values = sequence(nodes)

        def find(data: Any) -> list[Any]:
            names = values(data)
            if names and isinstance(names[0], list | tuple):
                names = names[0]
            return _missing_of(data, names)

        return Node(find)

    def missing_some(self, arguments: list[Any], top: bool) -> Node:
        nodes = [self.compile(argument, top=top) for argument in arguments]
        self._note_names(arguments, top)
        values = sequence(nodes)

        def find(data: Any) -> list[Any]:
            found = values(data)
            names = found[1] if len(found) > 1 and isinstance(found[1], list | tuple) else []
            absent = _missing_of(data, names)
            needed = to_number(found[0]) if found else 0
            return [] if len(names) - len(absent) >= needed else absent

        return Node(find)

    def _note_names(self, arguments: list[Any], top: bool) -> None:
        names = [name for item in arguments for name in (item if isinstance(item, list) else [item])]
        if top and any(isinstance(name, dict) or _reads_flagd(name) for name in names):
            self.needs_flagd = True

    def array(self, arguments: list[Any], top: bool) -> tuple[Call, Node]:
        """The array and the inner rule of `map` and its like."""
        source = self.compile(arguments[0], top=top) if arguments else constant(None)
        inner = self.compile(arguments[1], top=False) if len(arguments) > 1 else constant(None)
        call = source.call

        def items(data: Any) -> Any:
            value = call(data)
            return value if isinstance(value, list | tuple) else ()

        return items, inner

    def map(self, arguments: list[Any], top: bool) -> Node:
        items, inner = self.array(arguments, top)
        call = inner.call
        return Node(lambda data: [call(item) for item in items(data)])

    def filter(self, arguments: list[Any], top: bool) -> Node:
        items, inner = self.array(arguments, top)
        test = condition(inner)
        return Node(lambda data: [item for item in items(data) if test(item)])

    def all(self, arguments: list[Any], top: bool) -> Node:
        items, inner = self.array(arguments, top)
        test = condition(inner)

        def check(data: Any) -> bool:
            values = items(data)
            return len(values) > 0 and all(test(item) for item in values)  # of nothing, JsonLogic says false

        return Node(check, is_plain=True)

    def some(self, arguments: list[Any], top: bool) -> Node:
        items, inner = self.array(arguments, top)
        test = condition(inner)
        return Node(lambda data: any(test(item) for item in items(data)), is_plain=True)

    def none(self, arguments: list[Any], top: bool) -> Node:
        items, inner = self.array(arguments, top)
        test = condition(inner)
        return Node(lambda data: not any(test(item) for item in items(data)), is_plain=True)

    def reduce(self, arguments: list[Any], top: bool) -> Node:
        items, inner = self.array(arguments, top)
        start = (self.compile(arguments[2], top=top) if len(arguments) > 2 else constant(None)).call
        step = inner.call

        def fold(data: Any) -> Any:
            result = start(data)
            for item in items(data):
                result = step({"current": item, "accumulator": result})
            return result

        return Node(fold)

    def fractional(self, arguments: list[Any], top: bool) -> Node:
        nodes = [self.compile(argument, top=top) for argument in arguments]
        call = compile_fractional(
            nodes,
            is_literal=[isinstance(argument, list) for argument in arguments],
            flag_key=self._flag_key,
            bucketing=self._bucketing,
            prefix=self._prefix(arguments[0]) if top and arguments else None,
        )
        return Node(call, is_plain=True)

    def _prefix(self, rule: Any) -> str | None:
        """P of `{"cat": [P..., {"var": "targetingKey"}]}` with constant P, which a rollout renders (B2)."""
        if not isinstance(rule, dict) or list(rule) != ["cat"] or not isinstance(rule["cat"], list):
            return None
        nodes = [self.compile(argument, top=True) for argument in rule["cat"]]
        if len(nodes) < 2 or nodes[-1].key != "targetingKey" or not all(node.is_constant for node in nodes[:-1]):
            return None
        return concatenate(*(node.value for node in nodes[:-1]))


_SPECIAL: dict[str, Callable[[Compiler, list[Any], bool], Node]] = {
    "var": Compiler.variable,
    "if": Compiler.choice,
    "?:": Compiler.choice,
    "and": Compiler.every,
    "or": Compiler.any,
    "!": Compiler.negation,
    "!!": Compiler.affirmation,
    "missing": Compiler.missing,
    "missing_some": Compiler.missing_some,
    "map": Compiler.map,
    "filter": Compiler.filter,
    "all": Compiler.all,
    "some": Compiler.some,
    "none": Compiler.none,
    "reduce": Compiler.reduce,
    "fractional": Compiler.fractional,
}

KNOWN_OPERATORS = frozenset(_SPECIAL) | frozenset(TESTS) | frozenset(FUNCTIONS)

_ABSENT = object()


def _default(value: Any, data: Any, otherwise: Call) -> Any:
    return otherwise(data) if value is _ABSENT else value


def _reads_flagd(path: Any) -> bool:
    return path in (None, "") or (isinstance(path, str) and (path == "$flagd" or path.startswith("$flagd.")))


def read_path(data: Any, path: Any) -> Any:
    """The value at a dotted path, or the marker for absent. An empty path is the data itself."""
    if path is None or path == "":
        return data
    name = path if isinstance(path, str) else str(path)
    return _read_parts(data, name.split("."))


def _read_parts(data: Any, parts: list[str]) -> Any:
    for part in parts:
        if isinstance(data, dict):
            data = data.get(part, _ABSENT)
        elif isinstance(data, list | tuple) and part.isascii() and part.isdigit() and len(part) < 10:
            data = data[int(part)] if int(part) < len(data) else _ABSENT
        else:
            return _ABSENT
        if data is _ABSENT:
            return _ABSENT
    return data


def _missing_of(data: Any, names: Any) -> list[Any]:
    found = ((name, read_path(data, name)) for name in names)
    return [name for name, value in found if value is _ABSENT or value is None or value == ""]


def _static_variable(path: Any, default: Node, *, top: bool) -> Node:
    if path is None or path == "":
        return Node(lambda data: data)
    parts = (path if isinstance(path, str) else str(path)).split(".")
    otherwise = default.call
    if top and len(parts) == 1 and default.is_constant:
        # Interned, as names written in code are: such a look-up compares by identity, and rules share one copy.
        name, value = intern(parts[0]), default.value
        if value is None:
            return Node(lambda data: data.get(name), key=name)
        return Node(lambda data: data.get(name, value))
    if default.is_constant and default.value is None:

        def read(data: Any) -> Any:
            value = _read_parts(data, parts)
            return None if value is _ABSENT else value

        return Node(read)
    return Node(lambda data: _default(_read_parts(data, parts), data, otherwise))
