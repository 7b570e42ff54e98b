"""From JsonLogic to Python source, for what most rules are made of; any other part stands in it as its closure.

The text says what the closures of `compiler` say, for every context that is a dict; what it does not catch (an
exception of a strange value) the caller replays with the closures. A test compares the two on random rules. Values of
the document enter the text only as `repr` of texts, numbers and the like, or as marks that stand for objects.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, NamedTuple

from ebbgate.core.audiences.bucketing import HASH_SPACE, Bucketing
from ebbgate.core.audiences.coercion import truthy
from ebbgate.core.audiences.compiler import Compiler
from ebbgate.core.audiences.fractional import ladder, read_entries
from ebbgate.core.audiences.operators import FUNCTIONS, PLAIN, TESTS, concatenate
from ebbgate.core.audiences.source_names import NUMBERS, OPERATOR_NAMES
from ebbgate.core.audiences.source_shapes import is_scalar, operation, property_of
from ebbgate.core.audiences.tables import BRANCHES_MAX, tabulate

# Beyond these a part becomes a closure: Python's parser bounds nesting, and a text much longer is slow to compile.
_PARTS_MAX = 2_000
_DEPTH_MAX = 20
_INDENT_MAX = 12
_INTEGER_MAX = 2**63
_TUPLE_MAX = 4

Known = set[str]
"""Properties of the context that a local variable holds already, wherever the text is reached."""


class Ends(NamedTuple):
    """How a rule's text ends. returns: from a constant result of the rule to the text that answers with it.

    finish: what to call with a result that is computed. replay: the statement that has the closures answer instead.
    """

    returns: Callable[[Any], str]
    finish: str
    replay: str


class Emitter:
    """Writes one rule as statements. `marks` are the objects that stand in the text as bytes constants.

    compiler: has compiled the rule before, so that it is known to hold no unknown operator and no cycle.
    """

    def __init__(
        self, compiler: Compiler, *, flag_key: str, bucketing: Bucketing, evaluators: Mapping[str, Any]
    ) -> None:
        self.marks: dict[bytes, Any] = {}
        self._marked: dict[int, bytes] = {}
        self._compiler = compiler
        self._flag_key = flag_key
        self._bucketing = bucketing
        self._evaluators = evaluators
        self._locals: dict[str, str] = {}
        self._parts = 0

    def mark(self, value: Any) -> str:
        """The text that stands for an object. No JSON value is bytes, so none is taken for a mark."""
        name = self._marked.get(id(value))  # `marks` keeps the object, so that its id stays its own
        if name is None:
            name = self._marked[id(value)] = b"%d" % len(self.marks)
            self.marks[name] = value
        return repr(name)

    def literal(self, value: Any) -> str:
        """The text of a constant."""
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return repr(value)
        if (kind is int and abs(value) < _INTEGER_MAX) or (kind is float and isfinite(value)):
            return f"({value!r})"
        return self.mark(value)

    # Statements: the rule's result is returned where it is known.

    def body(self, rule: Any, ends: Ends) -> list[str]:
        """The lines that return the rule's answer."""
        lines: list[str] = []
        self._body(rule, set(), 0, lines, ends)
        return lines

    def _body(self, rule: Any, known: Known, indent: int, lines: list[str], ends: Ends) -> None:
        pad = " " * indent
        name, arguments = operation(rule)
        if name in _CHOICES and indent < _INDENT_MAX and self._has_room():
            branches, rest = self._branches(arguments)
            for start in range(0, len(branches), BRANCHES_MAX):
                self._chain(branches[start : start + BRANCHES_MAX], known, indent, lines, ends)
            self._body(rest, known, indent, lines, ends)
        elif name == "$ref" and self._has_room():
            self._body(self._evaluators[arguments[0]], known, indent, lines, ends)
        elif name is None and not isinstance(rule, list):
            lines.append(f"{pad}return {ends.returns(rule)}")
        elif name == "fractional" and (share := self._share(arguments, known, 0)):
            ready, digest, steps, _ = share
            lines.append(f"{pad}if {ready}:")
            if len(steps) > 1:
                lines.append(f"{pad} h = {digest}")
            lines.extend(
                f"{pad} {'' if below == HASH_SPACE else f'if h < {below}: '}return {ends.returns(variant)}"
                for below, variant in steps
            )
            # Units without such a key are few: the closures answer them, made when the first one comes.
            lines.append(f"{pad}{ends.replay}")
        else:
            lines.append(f"{pad}return {ends.finish}({self.value(rule, known, 0)[0]}, default, d, timestamp)")

    def _branches(self, arguments: list[Any]) -> tuple[list[tuple[Any, Any]], Any]:
        """(test, result) of each branch, those of an `if` that stands as the rest among them; and the last rest."""
        branches: list[tuple[Any, Any]] = []
        while True:
            branches.extend((arguments[index], arguments[index + 1]) for index in range(0, len(arguments) - 1, 2))
            rest = arguments[-1] if len(arguments) % 2 else None
            name, arguments = operation(rest)
            if name not in _CHOICES or not self._has_room():
                return branches, rest

    def _chain(self, branches: list[tuple[Any, Any]], known: Known, indent: int, lines: list[str], ends: Ends) -> None:
        """Branches one after the other, by tables where these are worth it."""
        tables, asked = tabulate([test for test, _ in branches])
        for index, table in enumerate(tables):
            pad, name = " " * indent, self._local(table.key)
            if table.key not in known:
                known.add(table.key)
                lines.append(f"{pad}{name} = d.get({table.key!r})")
            found = f"{self.mark(table.masks)}.get({name}, {table.otherwise})"
            lines.append(f"{pad}if {name}.__class__ is s: m {'&' if index else ''}= {found}")
            # Another type may equal a text in JavaScript's sense; who sends one is answered by the closures.
            lines.append(f"{pad}elif {name} is not None: {ends.replay}")
            lines.append(f"{pad}else: m {'&' if index else ''}= {table.otherwise}")
            if not table.otherwise:
                lines.append(f"{pad}if m:")
                indent, known = indent + 1, set(known)
        if tables and not tables[0].otherwise:  # else a branch may hold that asks for none of them
            for key in _shared_keys([part for branch in asked for part in branch.parts]):
                if key not in known:
                    known.add(key)
                    lines.append(f"{' ' * indent}{self._local(key)} = d.get({key!r})")
        for bit, ((test, result), branch) in enumerate(zip(branches, asked, strict=True)):
            inside = set(known) if branch.is_tabled else known
            if branch.is_tabled:
                texts = [f"m & {1 << bit}"]
                for part in branch.parts:
                    text, inside = self.test(part, inside, 1)
                    texts.append(text)
                text = " and ".join(texts)
            else:
                text, inside = self.test(test, inside, 0)
            lines.append(f"{' ' * indent}if {text}:")
            self._body(result, set(inside), indent + 1, lines, ends)

    # Expressions: (text, whether Python's truth of it is the rule's). Each adds to `known` what it surely reads.

    def value(self, rule: Any, known: Known, depth: int) -> tuple[str, bool]:
        """The expression for a rule's value."""
        has_room = self._has_room()
        name, arguments = operation(rule)
        if name is None and not isinstance(rule, list):
            return self.literal(rule), isinstance(rule, str | int | None)
        if key := property_of(rule):
            return self.read(key, known)[0], False
        if name is None or not has_room or depth > _DEPTH_MAX or name in _CLOSURES:
            return self._closure(rule)
        if name == "$ref":
            return self.value(self._evaluators[arguments[0]], known, depth + 1)
        if name in _TRUTH or (name in ("and", "or") and arguments):
            return self._truth(name, rule, arguments, known, depth)
        if name in _CHOICES:
            return self._choice(arguments, known, depth)
        if name == "fractional":
            return self._fractional(rule, arguments, known, depth)
        if text := self._comparison(name, arguments, known, depth):
            return text, True
        texts = [self.value(argument, known, depth + 1)[0] for argument in arguments]
        return f"{OPERATOR_NAMES[name]}({', '.join(texts)})", name in TESTS or name in PLAIN

    def test(self, rule: Any, known: Known, depth: int) -> tuple[str, Known]:
        """The expression whose Python truth is the rule's, and what is known where it holds."""
        name, arguments = operation(rule)
        if name == "and" and arguments and depth <= _DEPTH_MAX and self._has_room():
            first, inside = self.test(arguments[0], known, depth + 1)
            inside, texts = set(inside), [first]
            for argument in arguments[1:]:
                text, inside = self.test(argument, inside, depth + 1)
                texts.append(text)
            return f"({' and '.join(texts)})", inside
        if name == "or" and arguments and depth <= _DEPTH_MAX and self._has_room():
            texts = [self.test(arguments[0], known, depth + 1)[0]]
            inside = set(known)
            texts.extend(self.test(argument, inside, depth + 1)[0] for argument in arguments[1:])
            return f"({' or '.join(texts)})", known
        if name == "$ref" and depth <= _DEPTH_MAX and self._has_room():
            return self.test(self._evaluators[arguments[0]], known, depth + 1)
        if name is None and not isinstance(rule, list):
            return repr(truthy(rule)), known
        if key := property_of(rule):
            first, again = self.read(key, known)
            return f"({first} is True or {again} is not None and {again} is not False and truthy({again}))", known
        text, is_plain = self.value(rule, known, depth)
        return (text if is_plain else f"truthy({text})"), known

    def read(self, key: str, known: Known) -> tuple[str, str]:
        """A property of the context: the text for the first look at it and for further ones."""
        name = self._local(key)
        if key in known:
            return name, name
        known.add(key)
        return f"({name} := d.get({key!r}))", name

    def _local(self, key: str) -> str:
        return self._locals.setdefault(key, f"v{len(self._locals)}")

    def operand(self, rule: Any, known: Known, depth: int) -> tuple[str, str]:
        """As `read`, of any rule."""
        if key := property_of(rule):
            return self.read(key, known)
        text = self.value(rule, known, depth + 1)[0]
        name = f"t{self._parts}"
        return f"({name} := {text})", name

    def _has_room(self) -> bool:
        self._parts += 1
        return self._parts <= _PARTS_MAX

    def _closure(self, rule: Any) -> tuple[str, bool]:
        node = self._compiler.compile(rule, top=True)
        if node.is_constant:
            # A mark must not stand as a test: Python's compiler would take its truth for the object's.
            return self.literal(node.value), node.is_plain
        return f"(f := {self.mark(node.call)})(d)", node.is_plain

    def _truth(self, name: str, rule: Any, arguments: list[Any], known: Known, depth: int) -> tuple[str, bool]:
        if name in ("!", "!!"):
            test = self.test(arguments[0], known, depth + 1)[0] if arguments else "False"
            return f"(not {test})" if name == "!" else f"(not not {test})", True
        texts, inside = [], known
        for argument in arguments:
            text, is_plain = self.value(argument, inside, depth + 1)
            if not is_plain:
                known.clear()  # what was noted above stands in a text that is thrown away
                return self._closure(rule)
            texts.append(text)
            inside = set(inside) if inside is known else inside
        return f"({f' {name} '.join(texts)})", True

    def _choice(self, arguments: list[Any], known: Known, depth: int) -> tuple[str, bool]:
        text, are_plain, running = "", True, known
        for index in range(len(arguments) // 2):
            test, inside = self.test(arguments[2 * index], running, depth + 1)
            then, is_plain = self.value(arguments[2 * index + 1], set(inside), depth + 1)
            text += f"{then} if {test} else "
            are_plain = are_plain and is_plain
            running = set(running) if running is known else running
        rest, is_plain = self.value(arguments[-1] if len(arguments) % 2 else None, set(running), depth + 1)
        return f"({text}{rest})", are_plain and is_plain

    def _fractional(self, rule: Any, arguments: list[Any], known: Known, depth: int) -> tuple[str, bool]:
        share = self._share(arguments, known, depth)
        if share is None:
            return self._closure(rule)
        ready, digest, steps, slow = share
        *firsts, (_, last) = steps
        chosen = "".join(
            f"{self.literal(variant)} if {f'(h := {digest})' if index == 0 else 'h'} < {below} else "
            for index, (below, variant) in enumerate(firsts)
        )
        return f"(({chosen}{self.literal(last)}) if {ready} else {slow})", True

    def _share(
        self, arguments: list[Any], known: Known, depth: int
    ) -> tuple[str, str, tuple[tuple[int, Any], ...], str] | None:
        """`fractional` with constant entries: when the hash can be taken at once, the hash, the ladder, and the text
        for other units. None where only the closure will do.
        """
        is_shorthand = bool(arguments) and isinstance(arguments[0], list)
        entries = arguments if is_shorthand else arguments[1:]
        if not is_shorthand and (not arguments or operation(arguments[0])[0] is None):
            return None
        nodes = [self._compiler.compile(entry, top=True) for entry in entries]
        read = read_entries([node.value for node in nodes]) if all(node.is_constant for node in nodes) else None
        if read is None:
            return None
        slow = self._closure({"fractional": arguments})[0]
        if is_shorthand:
            first, unit = self.read("targetingKey", known)
            ready = f"{first}.__class__ is s and {unit}"
            text = f"{self._flag_key!r} + {unit}" if self._bucketing == "v2" else f"[{self._flag_key!r}, {unit}]"
        else:
            prefix, rule = self._prefixed(arguments[0])
            first, unit = self.operand(rule, known, depth)
            ready = f"{first}.__class__ is s"
            text = f"{prefix!r} + {unit}" if prefix else unit
        digest = f"hash_text({text}, 0, False)" if self._bucketing == "v2" else f"hash_value({text})"
        return ready, digest, ladder(read), slow

    def _prefixed(self, rule: Any) -> tuple[str, Any]:
        """(P, property) of `{"cat": [P..., property]}` with constant P, else ("", rule)."""
        name, arguments = operation(rule)
        if name == "cat" and len(arguments) > 1 and property_of(arguments[-1]):
            heads = arguments[:-1]
            if all(operation(head)[0] is None and not isinstance(head, list) for head in heads):
                return concatenate(*heads), arguments[-1]
        return "", rule

    # Comparisons of anything with a constant.

    def _comparison(self, name: str, arguments: list[Any], known: Known, depth: int) -> str | None:
        if len(arguments) != 2:
            return None
        left, right = arguments
        if name in _EQUALITIES:
            if is_scalar(left) and not is_scalar(right):
                left, right = right, left
            key = property_of(left)
            if name == "===" and key is not None and operation(right) == ("cat", [{"var": key}]):
                return f"isinstance({self.read(key, known)[0]}, str)"
            if not is_scalar(right) or is_scalar(left):
                return None
            first, again = self.operand(left, known, depth)
            text = self._equal(first, again, right, is_strict=len(name) == 3)
            return f"(not {text})" if name[0] == "!" else text
        if name == "in":
            return self._membership(left, right, known, depth)
        if name in ("starts_with", "ends_with") and type(right) is str:
            first, again = self.operand(left, known, depth)
            method = f"{again}.{name.replace('_', '')}({right!r})"
            return f"({method} if {first}.__class__ is s else None if {again} is None else {name}({again}, {right!r}))"
        if name in (">", ">=", "<", "<=") and (type(right) is int or type(right) is float):
            first, again = self.operand(left, known, depth)
            limit = self.literal(right)
            general = f"{OPERATOR_NAMES[name]}({again}, {limit})"
            return f"({again} {name} {limit} if {first}.__class__ in {self.mark(NUMBERS)} else {general})"
        return None

    def _equal(self, first: str, again: str, value: Any, *, is_strict: bool) -> str:
        """The text of `first == value` in JavaScript's sense, for a constant scalar."""
        literal = self.literal(value)
        if value is None:
            return f"({first} is None)"
        if isinstance(value, bool):
            if is_strict:
                return f"({first} is {literal})"
            rest = f"{again} is not None and {again} is not {not value} and loose({again}, {literal})"
            return f"({first} is {literal} or {rest})"
        general = f"{'strict' if is_strict else 'loose'}({again}, {literal})"
        if isinstance(value, str):
            if is_strict:
                return f"(isinstance({first}, str) and {again} == {literal})"
            return f"({again} == {literal} if {first}.__class__ is s else {again} is not None and {general})"
        if not is_strict and not abs(value) < 2**53:
            return f"loose({first}, {literal})"
        return f"({again} == {literal} if {first}.__class__ in {self.mark(NUMBERS)} else {general})"

    def _membership(self, needle: Any, haystack: Any, known: Known, depth: int) -> str | None:
        if isinstance(haystack, list) and all(map(is_scalar, haystack)) and not is_scalar(needle):
            members = dict.fromkeys(item for item in haystack if isinstance(item, str))
            # A few are found as fast in a tuple, which is a third of the size.
            texts = tuple(members) if len(members) <= _TUPLE_MAX else frozenset(members)
            others = [item for item in haystack if not isinstance(item, str)]
            first, again = self.operand(needle, known, depth)
            inside = f"{again} in {self.mark(texts)}"
            if not others:
                return f"(isinstance({first}, str) and {inside})"
            among = f"among({again}, {self.mark(frozenset(texts))}, {self.mark(others)})"
            return f"({inside} if {first}.__class__ is s else {among})"
        if type(needle) is str and needle and property_of(haystack):
            first, again = self.operand(haystack, known, depth)
            general = f"{again} is not None and contains({needle!r}, {again})"
            return f"({needle!r} in {again} if {first}.__class__ is s else {general})"
        return None


def _shared_keys(parts: list[Any]) -> list[str]:
    """Properties that several of the parts compare."""
    keys = [key for part in parts for side in operation(part)[1] if (key := property_of(side))]
    return [key for key in dict.fromkeys(keys) if keys.count(key) > 1]


_CHOICES = frozenset({"if", "?:"})
_EQUALITIES = frozenset({"==", "===", "!=", "!=="})
_TRUTH = frozenset({"!", "!!"})
_CLOSURES = frozenset(
    {"and", "or", "var", "missing", "missing_some", "map", "filter", "all", "some", "none", "reduce", "sem_ver"}
)

assert set(OPERATOR_NAMES) == set(TESTS) | set(FUNCTIONS)
