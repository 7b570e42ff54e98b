"""What handlers are given."""

from typing import Annotated

from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter, SkipValidation

from ebbgate.api.services import ApiServices

PRODUCTION = "production"

Services = NamedDependency[SkipValidation[ApiServices]]

Ref = Annotated[str, PathParameter(description="A rollout's id, or the name of its flag (then its newest rollout).")]
Key = Annotated[str, PathParameter(description="The flag's key.")]
TokenId = Annotated[str, PathParameter(description="The token's id, as the list gives it.")]

ENVIRONMENT = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$(?!\n)"
"""What is safe as the name of a snapshot's file. The end: without it Python's `$` would let a line break through."""

Environment = Annotated[str, QueryParameter(pattern=ENVIRONMENT, description="Of the flag.")]
After = Annotated[int, QueryParameter(ge=0, description="Only what comes after this number.")]
Limit = Annotated[int, QueryParameter(ge=1, le=1_000, description="At most so many.")]
Sequence = Annotated[int | None, QueryParameter(ge=1, description="Of the decision; the newest one without it.")]
Subject = Annotated[
    str | None,
    QueryParameter(description="Such as `rollout:ID`, `flag:ENVIRONMENT/KEY`; a name alone is a rollout's. None: all."),
]
Undelivered = Annotated[bool, QueryParameter(description="Only what was not delivered yet.")]
