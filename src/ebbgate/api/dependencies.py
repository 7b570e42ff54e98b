"""What handlers are given."""

from typing import Annotated

import msgspec
from litestar.di import NamedDependency
from litestar.params import FromQuery, SkipValidation

from ebbgate.api.services import ApiServices

Services = NamedDependency[SkipValidation[ApiServices]]
Environment = FromQuery[Annotated[str, msgspec.Meta(min_length=1, max_length=128)]]
After = FromQuery[Annotated[int, msgspec.Meta(ge=0)]]
Limit = FromQuery[Annotated[int, msgspec.Meta(ge=1, le=1_000)]]

PRODUCTION = "production"
