"""`python -m ebbgate.doors.evaluator [--bucketing v2|v3] DOCUMENT.json...`: the engine, one JSON line at a time.

Reads `{"type": "boolean|string|integer|float|object", "flagKey": ..., "default": ..., "context": {...}}` and answers
each line with `{"value", "variant", "reason", "errorCode", "metadata"}`, flushed. A line that cannot be read is
answered with PARSE_ERROR. Exit status 2, with a message on standard error, when a document is refused.

With `--check flags|flagd` nothing is read or answered: the documents are checked against flagd's schema (`flags` for
providers, `flagd` where an array of flags is allowed too), one finding a line on standard error, exit status 2 if any.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from ebbgate.bootstrap.clocks import SystemClock
from ebbgate.core.errors import EbbgateError
from ebbgate.core.flags import EvaluationDetails, Evaluator, ValueType, parse_document
from ebbgate.core.flags.schema import Finding, Form, check_document
from ebbgate.core.flags.selector import merge_documents


class Request(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of input. A missing type means the flag's own."""

    flag_key: str
    type: ValueType | None = None
    default: Any = None
    context: dict[str, Any] | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of output; null where there is nothing."""

    value: Any
    variant: str | None
    reason: str
    error_code: str | None
    metadata: dict[str, Any]


def answer(evaluator: Evaluator, line: bytes, timestamp: Callable[[], int]) -> Answer:
    """The answer to one line. Raises nothing."""
    try:
        request = msgspec.json.decode(line, type=Request)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Answer(value=None, variant=None, reason="ERROR", error_code="PARSE_ERROR", metadata={})
    details: EvaluationDetails = evaluator.evaluate(
        request.flag_key, request.default, request.context, request.type, timestamp=timestamp
    )
    return Answer(
        value=details.value,
        variant=details.variant,
        reason=details.reason,
        error_code=details.error_code,
        metadata=details.metadata,
    )


def serve(evaluator: Evaluator, source: BinaryIO, sink: BinaryIO, timestamp: Callable[[], int]) -> None:
    """Answer line by line until the end of input. Empty lines are passed over."""
    encoder = msgspec.json.Encoder()
    for line in source:
        if line.strip():
            sink.write(encoder.encode(answer(evaluator, line, timestamp)) + b"\n")
            sink.flush()


def check(paths: list[Path], form: Form) -> int:
    """Findings of the schema, one a line; the exit status."""
    status = 0
    for path in paths:
        try:
            found = check_document(msgspec.json.decode(path.read_bytes()), form=form)
        except OSError as error:
            found = [Finding(path="$", message=error.strerror or "cannot be read")]
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            found = [Finding(path="$", message=f"the document is not JSON: {error}")]
        for finding in found:
            sys.stderr.write(f"{path}: {finding.path}: {finding.message}\n")
            status = 2
    return status


def main(arguments: list[str] | None = None) -> int:
    """Load the documents and serve standard input."""
    parser = argparse.ArgumentParser(prog="python -m ebbgate.doors.evaluator")
    parser.add_argument("--bucketing", choices=["v2", "v3"], default="v2")
    parser.add_argument("--check", choices=["flags", "flagd"], help="Only check the documents by flagd's schema.")
    parser.add_argument("documents", nargs="+", type=Path, metavar="DOCUMENT.json")
    options = parser.parse_args(arguments)
    if options.check:
        return check(options.documents, options.check)
    documents = []
    for path in options.documents:
        try:
            documents.append(parse_document(path.read_bytes()))
        except OSError as error:
            sys.stderr.write(f"{path}: {error.strerror}\n")
            return 2
        except EbbgateError as error:
            sys.stderr.write(f"{path}: {error.path or '$'}: {error.message}\n{error.hint}\n")
            return 2
    clock = SystemClock()
    evaluator = Evaluator(merge_documents(documents), bucketing=options.bucketing)
    serve(evaluator, sys.stdin.buffer, sys.stdout.buffer, lambda: int(clock.machine_now().timestamp()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
