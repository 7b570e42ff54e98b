"""The messages that are built here are flagd's on the wire."""

from math import inf
from typing import Any

import pytest
from google.protobuf import struct_pb2

from ebbgate.edge.grpc.messages import EVALUATION, fill, message, plain


def test_the_numbers_on_the_wire_are_flagds() -> None:
    asked = message("flagd.sync.v1.SyncFlagsRequest")(provider_id="p", selector="s")
    told = message("flagd.sync.v1.SyncFlagsResponse")(flag_configuration="{}")
    metadata = message("flagd.sync.v1.GetMetadataResponse")(metadata={})
    any_flag = message("flagd.evaluation.v1.AnyFlag")(reason="r", variant="v", double_value=0.0)
    answer = message("flagd.evaluation.v1.ResolveIntResponse")(value=5, reason="r", variant="v")
    assert asked.SerializeToString() == b"\x0a\x01p\x12\x01s"
    assert told.SerializeToString() == b"\x0a\x02{}"
    assert metadata.SerializeToString() == b"\x12\x00"
    assert any_flag.SerializeToString() == b"\x0a\x01r\x12\x01v\x29" + bytes(8)
    assert answer.SerializeToString() == b"\x08\x05\x12\x01r\x1a\x01v"


@pytest.mark.parametrize("package", EVALUATION)
def test_only_version_two_can_tell_no_value_from_a_zero(package: str) -> None:
    zero = message(f"{package}.ResolveBooleanResponse")(value=False, reason="STATIC")
    none = message(f"{package}.ResolveBooleanResponse")(reason="STATIC")
    assert (zero.SerializeToString() != none.SerializeToString()) is package.endswith("v2")


@pytest.mark.parametrize(
    "values",
    [{}, {"a": None, "b": True, "c": "x", "d": 1.5, "e": {"f": []}, "g": [1, {"h": "i"}]}, {"big": 2**53 - 1}],
)
def test_a_struct_gives_back_what_was_put_into_it(values: dict[str, Any]) -> None:
    struct = struct_pb2.Struct()
    fill(struct, values)
    assert plain(struct) == values


def test_a_whole_number_is_an_integer_as_it_is_in_json() -> None:
    struct = struct_pb2.Struct()
    struct.update({"whole": 7.0, "part": 7.5, "huge": 1e300, "minus": -0.0})
    assert [type(value) for value in plain(struct).values()].count(int) == 1
    assert plain(struct)["whole"] == 7
    assert str(plain(struct)["minus"]) == "-0.0"


def test_a_number_too_large_for_the_wire_is_infinite_as_in_javascript() -> None:
    struct = struct_pb2.Struct()
    fill(struct, {"n": 10**400, "m": [-(10**400)]})
    assert plain(struct) == {"n": inf, "m": [-inf]}
