"""`python -m ebbgate.doors.plan_schema > spec/plan.schema.json`: prints the JSON Schema of plan files (`make gen`)."""

import json
import sys

from ebbgate.core.rollouts.plan_schema import plan_schema


def rendered() -> str:
    """The committed file's text."""
    return json.dumps(plan_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(rendered())
