"""The messages of `flagd.sync.v1` and `flagd.evaluation.v1` and `.v2`, described here and built when imported.

They live in a descriptor pool of their own: a process that also has flagd's own generated code must not see them twice.
Source of names and numbers: open-feature/flagd-schemas, `protobuf/flagd`.
"""

from collections.abc import Mapping
from math import copysign
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, struct_pb2

from ebbgate.core.audiences.coercion import SAFE_INTEGER, bounded

Message = Any  # built at run time, so that no checker can know them
_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "double": _Field.TYPE_DOUBLE,
    "int64": _Field.TYPE_INT64,
}
_STRUCT = "google.protobuf.Struct"

VALUE_TYPES = {"Boolean": "bool", "String": "string", "Float": "double", "Int": "int64", "Object": _STRUCT}
"""The types that can be resolved, with their value's type on the wire."""

SYNC = "flagd.sync.v1"
EVALUATION = ("flagd.evaluation.v1", "flagd.evaluation.v2")

_pool = descriptor_pool.DescriptorPool()
_pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)


def message(name: str) -> Message:
    """The class of that full name."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(name))


def plain(struct: Message) -> dict[str, Any]:
    """A Struct as JSON's values. Whole numbers are integers, as they are in a context that came as JSON."""
    return {key: _plain_value(value) for key, value in struct.fields.items()}


def fill(struct: Message, mapping: Mapping[str, Any]) -> None:
    """Put JSON's values into a Struct."""
    struct.SetInParent()
    for key, value in mapping.items():
        _fill_value(struct.fields[key], value)


def _plain_value(value: Message) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return plain(value.struct_value)
    if kind == "list_value":
        return [_plain_value(item) for item in value.list_value.values]
    if kind == "number_value":
        number: float = value.number_value
        is_whole = number.is_integer() and abs(number) <= SAFE_INTEGER and (number != 0 or copysign(1, number) > 0)
        return int(number) if is_whole else number  # no integer is -0.0, by which a rule may divide
    return None if kind in (None, "null_value") else getattr(value, kind)


def _fill_value(place: Message, value: Any) -> None:
    if value is None:
        place.null_value = 0
    elif isinstance(value, bool):
        place.bool_value = value
    elif isinstance(value, int | float):
        place.number_value = bounded(value)
    elif isinstance(value, str):
        place.string_value = value
    elif isinstance(value, Mapping):
        fill(place.struct_value, value)
    else:
        place.list_value.SetInParent()
        for item in value:
            _fill_value(place.list_value.values.add(), item)


def _add(file: Any, name: str, *fields: tuple[str, str], optional: tuple[str, ...] = ()) -> Any:
    """Add a message whose fields are numbered from 1 in the order given."""
    made = file.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields, 1):
        _add_field(made, field, number, kind, is_optional=field in optional)
    return made


def _add_field(made: Any, name: str, number: int, kind: str, *, is_optional: bool = False, oneof: int = -1) -> None:
    field = made.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
    if kind in _TYPES:
        field.type = _TYPES[kind]
    else:
        field.type, field.type_name = _Field.TYPE_MESSAGE, f".{kind}"
    if is_optional:  # proto3's way: a oneof of its own
        field.proto3_optional = True
        oneof = len(made.oneof_decl)
        made.oneof_decl.add(name=f"_{name}")
    if oneof >= 0:
        field.oneof_index = oneof


def _file(package: str) -> Any:
    return descriptor_pb2.FileDescriptorProto(
        name=f"ebbgate/{package}.proto", package=package, syntax="proto3", dependency=["google/protobuf/struct.proto"]
    )


def _build_sync() -> None:
    file = _file(SYNC)
    asked = (("provider_id", "string"), ("selector", "string"))
    _add(file, "SyncFlagsRequest", *asked)
    _add(
        file,
        "SyncFlagsResponse",
        ("flag_configuration", "string"),
        ("sync_context", _STRUCT),
        optional=("sync_context",),
    )
    _add(file, "FetchAllFlagsRequest", *asked)
    _add(file, "FetchAllFlagsResponse", ("flag_configuration", "string"))
    _add(file, "GetMetadataRequest")
    _add(file, "GetMetadataResponse")
    _add_field(file.message_type[-1], "metadata", 2, _STRUCT)
    _pool.AddSerializedFile(file.SerializeToString())


def _build_evaluation(package: str) -> None:
    """v1 and v2 differ in one thing: v2 can leave out value and variant, for the caller's default."""
    file = _file(package)
    optional = ("value", "variant") if package.endswith("v2") else ()
    for name, kind in VALUE_TYPES.items():
        _add(file, f"Resolve{name}Request", ("flag_key", "string"), ("context", _STRUCT))
        fields = (("value", kind), ("reason", "string"), ("variant", "string"), ("metadata", _STRUCT))
        _add(file, f"Resolve{name}Response", *fields, optional=optional)
    any_flag = file.message_type.add(name="AnyFlag")
    any_flag.oneof_decl.add(name="value")
    _add_field(any_flag, "reason", 1, "string")
    values = (("bool_value", "bool"), ("string_value", "string"), ("double_value", "double"), ("object_value", _STRUCT))
    for number, (name, kind) in enumerate(values, 3):
        _add_field(any_flag, name, number, kind, oneof=0)
    _add_field(any_flag, "variant", 2, "string", is_optional="variant" in optional)
    _add_field(any_flag, "metadata", 7, _STRUCT)
    _add(file, "ResolveAllRequest", ("context", _STRUCT))
    answer = _add(
        file, "ResolveAllResponse", ("flags", f"{package}.ResolveAllResponse.FlagsEntry"), ("metadata", _STRUCT)
    )
    answer.field[0].label = _Field.LABEL_REPEATED
    entry = answer.nested_type.add(name="FlagsEntry")
    entry.options.map_entry = True
    _add_field(entry, "key", 1, "string")
    _add_field(entry, "value", 2, f"{package}.AnyFlag")
    _add(file, "EventStreamRequest")
    _add(file, "EventStreamResponse", ("type", "string"), ("data", _STRUCT))
    _pool.AddSerializedFile(file.SerializeToString())


_build_sync()
for _package in EVALUATION:
    _build_evaluation(_package)
