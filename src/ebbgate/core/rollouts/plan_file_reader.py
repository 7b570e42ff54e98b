"""Reading plain data strictly: every mistake is one PlanError with its path and what to write instead."""

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from ebbgate.core.errors import PlanError

T = TypeVar("T")
U = TypeVar("U")

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,127}")


def at_key(path: str, key: str) -> str:
    """`$.phases` and `to` give `$.phases.to`; a key with other characters is quoted."""
    return f"{path}.{key}" if _PLAIN_KEY.fullmatch(key) else f"{path}[{key!r}]"


def at_index(path: str, index: int) -> str:
    return f"{path}[{index}]"


def refusal(message: str, *, path: str, hint: str) -> PlanError:
    """The one error of a plan file."""
    return PlanError(message, hint=hint, path=path)


def shown(value: Any) -> str:
    """A value as a reader wrote it, cut where it is long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value)
    return f"`{text[:60]}…`" if len(text) > 60 else f"`{text}`"


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean ...?` with the nearest known word, or all of them."""
    words = sorted(known)
    near = get_close_matches(word.lower(), [w.lower() for w in words], n=1, cutoff=0.6)
    listed = ", ".join(words) or "none"
    if near:
        match = next(w for w in words if w.lower() == near[0])
        return f"did you mean `{match}`? known: {listed}"
    return f"known: {listed}"


def read_text(value: Any, path: str, *, example: str = "some text") -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise refusal(f"{shown(value)} is not text", path=path, hint=f"write text, for example `{example}`")


def read_name(value: Any, path: str) -> str:
    """A name of a flag, metric, audience or event: begins with a letter; letters, digits, `_ . : -`."""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise refusal(
        f"{shown(value)} is not a name",
        path=path,
        hint="begin with a letter; then letters, digits, `_`, `.`, `:`, `-`; at most 128 characters",
    )


def read_boolean(value: Any, path: str) -> bool:
    if isinstance(value, bool):
        return value
    raise refusal(f"{shown(value)} is neither `true` nor `false`", path=path, hint="write `true` or `false`")


def read_integer(value: Any, path: str, *, least: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    raise refusal(
        f"{shown(value)} is not a whole number of at least {least}", path=path, hint="write digits only: `20000`"
    )


def read_choice(value: Any, path: str, choices: Iterable[str]) -> str:
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    raise refusal(f"{shown(value)} is not one of the answers here", path=path, hint=suggestion(str(value), known))


def read_texts(value: Any, path: str, *, example: str) -> tuple[str, ...]:
    """One text or a list of texts, not empty."""
    items = value if isinstance(value, list) else [value]
    if not items:
        raise refusal("the list is empty", path=path, hint=f"write at least one, for example `[{example}]`")
    if not isinstance(value, list):
        return (read_text(value, path, example=example),)
    return tuple(read_text(item, at_index(path, i), example=example) for i, item in enumerate(items))


class Fields:
    """A mapping read key by key. `finish` refuses what nobody asked for."""

    def __init__(self, value: Any, path: str, *, what: str, example: str) -> None:
        if not isinstance(value, dict):
            raise refusal(f"{what} is {shown(value)}, not a mapping", path=path, hint=f"write it like `{example}`")
        self._data: dict[str, Any] = value
        self._known: set[str] = set()
        self.path = path
        self.what = what
        self._example = example

    def at(self, key: str) -> str:
        return at_key(self.path, key)

    def has(self, key: str) -> bool:
        """Whether the key is written, even if empty."""
        self._known.add(key)
        return key in self._data

    def raw(self, key: str) -> Any:
        """The value as it stands, None if absent."""
        self._known.add(key)
        return self._data.get(key)

    def take(self, key: str, read: Callable[[Any, str], T], default: U) -> T | U:
        """The value read by `read(value, path)`, or the default where the key is absent."""
        return read(self._data[key], self.at(key)) if self.has(key) else default

    def need(self, key: str, read: Callable[[Any, str], T]) -> T:
        if not self.has(key):
            raise refusal(f"{self.what} has no `{key}`", path=self.path, hint=f"write it like `{self._example}`")
        return read(self._data[key], self.at(key))

    def choose(self, keys: Iterable[str]) -> str | None:
        """Which of these keys is written. More than one is refused."""
        names = list(keys)
        self._known.update(names)
        written = [key for key in names if key in self._data]
        if len(written) > 1:
            both = " and ".join(f"`{key}`" for key in written)
            raise refusal(f"{self.what} has {both}", path=self.at(written[1]), hint="keep one of them")
        return written[0] if written else None

    def misspelt(self, keys: Iterable[str]) -> tuple[str, str] | None:
        """A key that nobody has asked for and one of `keys` that is nearly the same, if there are such."""
        names = list(keys)
        for key in self._data:
            near = get_close_matches(str(key).lower(), names, n=1, cutoff=0.75) if key not in self._known else []
            if near:
                return key, near[0]
        return None

    def finish(self) -> None:
        """Raises PlanError for the first key that is not known here."""
        for key in self._data:
            if key not in self._known:
                raise refusal(f"{self.what} knows no key `{key}`", path=self.at(key), hint=suggestion(key, self._known))
