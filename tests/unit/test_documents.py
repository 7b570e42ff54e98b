"""The documents say what is there: links resolve, commands exist, settings and transitions are complete (STYLE 6)."""

import re
import shlex
from pathlib import Path

import click
import msgspec
import pytest
from ruamel.yaml import YAML

from ebbgate.bootstrap.settings import PREFIX, ServeSettings
from ebbgate.cli.exits import Exit
from ebbgate.cli.root import root
from ebbgate.core.rollouts.state import TRANSITIONS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("examples/*/README.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "changelog.d").glob("*.md"),
    )
)
WITH_COMMANDS = [name for name in DOCUMENTS if not name.startswith("changelog.d")]

_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_PLACEHOLDER = re.compile(r"[<>|…]|\.\.\.")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return _INLINE.sub("", _FENCE.sub("", text))


def command_lines(text: str) -> list[str]:
    """Lines of shell blocks, and what stands in backquotes, that begin with `ebbgate` or `make`."""
    lines = [line for kind, body in _FENCE.findall(text) if kind in ("sh", "text") for line in body.splitlines()]
    lines += _INLINE.findall(_FENCE.sub("", text))
    return [line.strip() for line in lines if line.strip().startswith(("ebbgate ", "make "))]


def anchors(text: str) -> set[str]:
    """The headings' anchors, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def words_of(line: str) -> list[str]:
    """The words of a command line up to a comment or a placeholder."""
    words = []
    for word in shlex.split(line, comments=True):
        if _PLACEHOLDER.search(word) or word in ("&&", "||", ";"):
            break
        words.append(word)
    return words


def unknown_part(words: list[str]) -> str | None:
    """What of `ebbgate ...` the command line does not know; None if it knows all."""
    command: click.Command = root
    context = click.Context(root, info_name="ebbgate")
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        if found is not None:
            rest = rest[1:]
        elif (default := getattr(command, "default", None)) is not None:  # the word is an argument of that one
            found = command.get_command(context, default)
        if found is None:
            return rest[0]
        command = found
        context = click.Context(command, parent=context, info_name=command.name)
    options = {name for parameter in command.get_params(context) for name in parameter.opts}
    return next((w for w in rest if w.startswith("-") and w != "-" and w.partition("=")[0] not in options), None)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_between_documents_resolve(name: str) -> None:
    for target in _LINK.findall(without_code(read(name))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (ROOT / name).parent / path if path else ROOT / name
        assert found.exists(), f"{name} links to {target}"
        if anchor:
            assert anchor in anchors(found.read_text(encoding="utf-8")), f"{name} links to {target}"


@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_every_command_that_a_document_shows_exists_with_its_options(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    for line in command_lines(read(name)):
        words = words_of(line)
        if words[0] == "make":
            wanted = [word for word in words[1:] if "=" not in word]
            assert set(wanted) <= targets, f"{name}: {line}"
        else:
            assert unknown_part(words) is None, f"{name}: {line}"


@pytest.mark.parametrize("name", ["github-actions.yaml", "gitlab-ci.yml"])
def test_every_command_of_an_example_pipeline_exists_with_its_options(name: str) -> None:
    pipeline = YAML(typ="safe", pure=True).load(read(f"examples/ci/{name}"))
    lines = [line.strip() for script in scripts_of(pipeline) for line in script.splitlines()]
    commands = [line for line in lines if line.startswith("ebbgate ")]
    for line in commands:
        assert unknown_part(words_of(line)) is None, f"{name}: {line}"
    said = {" ".join(words_of(line)[1:3]) for line in commands}
    assert said >= {"plan lint", "release ship", "rollout status"}


def scripts_of(pipeline: object) -> list[str]:
    """What runs in a shell, wherever it stands."""
    if isinstance(pipeline, list):
        return [script for item in pipeline for script in scripts_of(item)]
    if not isinstance(pipeline, dict):
        return []
    found = [pipeline[key] for key in ("run", "script", "before_script") if key in pipeline]
    texts = [text for one in found for text in (one if isinstance(one, list) else [one])]
    return [*texts, *(script for item in pipeline.values() for script in scripts_of(item))]


def test_the_readme_begins_with_the_two_commands() -> None:
    blocks = [body.split("#")[0].split() for kind, body in _FENCE.findall(read("README.md")) if kind == "sh"]
    lines = [line.split("#")[0].strip() for line in _FENCE.search(read("README.md"))[2].strip().splitlines()]
    assert blocks
    assert lines == ["make demo", "make test"]


def test_readme_and_architecture_stay_short() -> None:
    assert len(read("README.md").splitlines()) < 150
    assert len(read("docs/architecture.md").splitlines()) < 250


def test_every_top_level_command_is_in_the_readme() -> None:
    context = click.Context(root)
    readme = read("README.md")
    missing = [name for name in root.list_commands(context) if f"ebbgate {name}" not in readme]
    assert not missing


def test_the_readme_lists_every_exit_status() -> None:
    rows = re.findall(r"^\| `(\d+)` \|", read("README.md"), re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(int(status) for status in Exit)


def test_every_setting_of_the_server_is_documented_with_variable_and_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `(EBBGATE_\w+)` \|", read("docs/guides/server.md"), re.MULTILINE))
    assert rows == {field.name: PREFIX + field.name.upper() for field in msgspec.structs.fields(ServeSettings)}
    table = read("docs/guides/server.md")
    for field in msgspec.structs.fields(ServeSettings):
        if isinstance(field.default, int | float):
            row = next(line for line in table.splitlines() if line.startswith(f"| `{field.name}` |"))
            assert f"`{field.default:g}`" in row


def test_the_documented_transitions_are_those_of_the_table() -> None:
    section = read("docs/architecture.md").partition("| from | trigger | to |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (\w+) \| (\w+) \| (\w+) \|$", section, re.MULTILINE)
    documented = {(start, trigger): end for start, trigger, end in rows}
    assert len(rows) == len(documented), "a transition is listed twice"
    assert documented == {(start.value, trigger.value): end.value for (start, trigger), end in TRANSITIONS.items()}


def test_every_decision_record_has_its_four_parts() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [path.name[:4] for path in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    for path in records:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]}. ")
        titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert titles[0] == "Context"
        assert titles[-1] == "What would change our mind"


def test_every_folder_of_the_package_is_described() -> None:
    text = read("docs/architecture.md") + read("README.md")
    folders = [path.name for path in (ROOT / "src" / "ebbgate").iterdir() if (path / "__init__.py").exists()]
    assert [name for name in folders if not re.search(rf"[*`]{name}[*`/]", text)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "changelog.d").glob("*")), ids=lambda path: path.name)
def test_a_change_fragment_says_its_kind_and_something(path: Path) -> None:
    assert re.fullmatch(r"[a-z0-9-]+\.(added|changed|fixed|removed)\.md", path.name)
    assert path.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_names_a_place_on_somebodys_machine(name: str) -> None:
    assert not re.search(r"(?<![\w.~])/(home|root|work|Users)/", read(name))
