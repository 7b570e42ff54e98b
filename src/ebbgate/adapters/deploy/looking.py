"""One look at what answers: health, and the proof that it is the release that was meant."""

from collections.abc import Callable
from pathlib import Path

from ebbgate.adapters.deploy.answers import ask, is_same
from ebbgate.adapters.deploy.processes import is_of_release, listeners
from ebbgate.core.errors import DeployError
from ebbgate.core.releases import Proof
from ebbgate.ports.deployer import Answer, Shipment


def look(
    shipment: Shipment, *, run: Callable[[str], str], folder: Path | None = None, restarted: int | None = None
) -> Answer:
    """run: runs a command and gives what it prints. folder: of the release here, if it lies here. restarted: ticks
    before the restart; None where nothing was restarted.
    """
    terms = shipment.terms
    if terms.health is not None:
        reply = ask(terms.health, timeout=terms.answer_within)
        if not reply.is_good:
            return Answer(is_good=False, text=reply.text)
    if terms.version is not None or terms.version_run is not None:
        return _told(shipment, run)
    if terms.health is None or folder is None or restarted is None:
        return Answer(is_good=True, text="it answers; nothing tells which release it is", proof=Proof.NONE)
    return _seen(shipment, terms.health, folder, restarted)


def _told(shipment: Shipment, run: Callable[[str], str]) -> Answer:
    terms = shipment.terms
    if terms.version is not None:
        reply = ask(terms.version, timeout=terms.answer_within)
        if not reply.is_good:
            return Answer(is_good=False, text=reply.text)
        told, where = reply.digest, terms.version
    else:
        assert terms.version_run is not None
        where = terms.version_run
        try:
            lines = run(where).split()
        except DeployError as error:
            return Answer(is_good=False, text=error.message)
        told = lines[-1] if lines else None
    if is_same(told, shipment.digest):
        return Answer(is_good=True, text=f"{where} tells {shipment.digest}", proof=Proof.SERVED_DIGEST)
    if told is None:
        return Answer(is_good=False, text=f"{where} tells no digest")
    return Answer(is_good=False, text=f"{where} tells {told[:80]}, not {shipment.digest}")


def _seen(shipment: Shipment, url: str, folder: Path, restarted: int) -> Answer:
    try:
        found = listeners(url)
    except DeployError as error:
        return Answer(is_good=False, text=f"{error.message}; {error.hint}")
    if not found:
        return Answer(is_good=False, text=f"nobody listens behind {url} any more")
    for listener in found:
        why = is_of_release(listener, nonce=shipment.nonce, folder=folder, since=restarted)
        if why is not None:
            return Answer(is_good=False, text=f"what answers is not this release: {why}")
    pids = ", ".join(str(listener.pid) for listener in found)
    return Answer(is_good=True, text=f"process {pids} was started by this deployment", proof=Proof.FRESH_PROCESS)
