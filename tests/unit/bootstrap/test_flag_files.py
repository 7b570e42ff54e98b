"""Flag documents as people write them."""

import pytest

from ebbgate.bootstrap.flag_files import flag_data
from ebbgate.core.errors import FlagDocumentError

YAML = """
flags:
  menu:
    state: ENABLED
    variants: {on: true, off: false}   # neither key is a boolean
    defaultVariant: off
"""


def test_a_document_may_be_json_or_yaml_and_says_the_same() -> None:
    menu = {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "off"}
    assert flag_data(YAML, name="flags.yaml") == {"flags": {"menu": menu}}
    assert flag_data('{"flags": {"n": {"variants": {"a": 0.5}}}}', name="x") == {
        "flags": {"n": {"variants": {"a": 0.5}}}
    }


@pytest.mark.parametrize(("text", "reason"), [('{"flags": ', "not JSON"), ("flags: [\n", "line 2"), ("", "empty")])
def test_what_is_neither_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(FlagDocumentError, match=f"f.yaml cannot be read: .*{reason}"):
        flag_data(text, name="f.yaml")
