"""Bounds on rules: how deep, how large, and no cycle of `$ref`. Checked at load, so that evaluation cannot run away."""

from collections.abc import Mapping
from typing import Any

from ebbgate.core.audiences.targeting import DEPTH_MAX, SIZE_MAX
from ebbgate.core.errors import FlagDocumentError


def check_rules(rules: Mapping[str, Any], evaluators: Mapping[str, Any]) -> None:
    """Raises FlagDocumentError for a rule too deep or too large, with every `$ref` counted as what it stands for."""
    measure = _Measure(evaluators)
    for name in evaluators:
        measure.evaluator(name, f"$.$evaluators.{name}")
    for key, rule in rules.items():
        if rule is not None:
            measure.rule(rule, f"$.flags.{key}.targeting")


def check_value(value: Any, path: str) -> None:
    """Raises FlagDocumentError for a variant's value that is nested too deeply to be copied."""
    stack = [(value, 1)]
    while stack:
        node, depth = stack.pop()
        if depth > DEPTH_MAX:
            raise FlagDocumentError(
                f"a value is nested more than {DEPTH_MAX} deep", hint="Flatten it, or send it as text.", path=path
            )
        if isinstance(node, dict | list):
            stack.extend((item, depth + 1) for item in (node.values() if isinstance(node, dict) else node))


class _Measure:
    """Remembers each evaluator's (depth, size), so that checking takes time in the document, not in its expansion."""

    def __init__(self, evaluators: Mapping[str, Any]) -> None:
        self._evaluators = evaluators
        self._known: dict[str, tuple[int, int]] = {}
        self._open: list[str] = []

    def evaluator(self, name: str, path: str) -> tuple[int, int]:
        if name in self._open:
            cycle = " -> ".join([*self._open[self._open.index(name) :], name])
            raise FlagDocumentError(f"$ref runs in a circle: {cycle}", hint="Break the circle.", path=path)
        if name not in self._known:
            if len(self._open) > DEPTH_MAX:
                raise _too_deep(path)
            self._open.append(name)
            self._known[name] = self.rule(self._evaluators[name], f"$.$evaluators.{name}")
            self._open.pop()
        return self._known[name]

    def rule(self, rule: Any, path: str) -> tuple[int, int]:
        """(depth, size) with references expanded. Walks without recursion, as the depth is not known yet."""
        deepest = size = 0
        stack = [(rule, 1)]
        while stack:
            node, depth = stack.pop()
            size += 1
            deepest = max(deepest, depth)
            if isinstance(node, dict):
                name = node.get("$ref") if len(node) == 1 else None
                if isinstance(name, str) and name in self._evaluators:
                    inner_depth, inner_size = self.evaluator(name, path)
                    deepest, size = max(deepest, depth + inner_depth), size + inner_size
                # An operator's list of arguments is one level with the operator.
                for value in node.values():
                    stack.extend((item, depth + 1) for item in (value if isinstance(value, list) else (value,)))
            elif isinstance(node, list):
                stack.extend((item, depth + 1) for item in node)
            if deepest > DEPTH_MAX:
                raise _too_deep(path)
            if size > SIZE_MAX:
                raise FlagDocumentError(
                    f"a rule has more than {SIZE_MAX} parts", hint="Move long lists into an attribute.", path=path
                )
        return deepest, size


def _too_deep(path: str) -> FlagDocumentError:
    return FlagDocumentError(
        f"a rule is nested more than {DEPTH_MAX} deep", hint="Use one `if` with several conditions.", path=path
    )
