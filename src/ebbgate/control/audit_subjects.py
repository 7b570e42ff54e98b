"""What the audit is asked about: a misspelt subject is told, and is not one of which nothing was ever changed."""

from ebbgate.control.incidents import require_incident
from ebbgate.control.releases_find import find_release
from ebbgate.control.rollouts import find_rollout
from ebbgate.core.errors import BadRequestError
from ebbgate.ports.control_store import ControlTransaction

SUBJECTS = {
    "rollout": "ID or the name of its flag",
    "flag": "ENVIRONMENT/KEY",
    "incident": "ID, its rollout or its flag",
    "release": "ID or VERSION",
    "deployment": "ID",
    "drill": "ID",
    "environment": "NAME",
    "token": "ID",
    "channel": "NAME",
    "app": "NAME",
}
"""The kinds of subjects, and what names one of each."""


def subject_of(tx: ControlTransaction, asked: str) -> str:
    """The subject as audit rows have it. A name alone is a rollout's, as for every command on rollouts; a flag without
    an environment is production's.

    Raises BadRequestError for a kind that there is not, NotFoundError for a rollout, an incident or a release.
    """
    kind, colon, name = asked.partition(":")
    if not colon:
        kind, name = "rollout", asked
    if kind not in SUBJECTS or not name:
        kinds = ", ".join(f"{known}:{names}" for known, names in SUBJECTS.items())
        raise BadRequestError(f"there is no subject {asked!r}", hint=f"subjects: {kinds}")
    if kind == "rollout":
        return f"rollout:{find_rollout(tx, name).id}"
    if kind == "incident":
        return f"incident:{require_incident(tx, name).id}"
    if kind == "release":
        return f"release:{find_release(tx, name).id}"
    return f"flag:production/{name}" if kind == "flag" and "/" not in name else asked
