"""/releases: register, read, compare, mark, deploy. `ref` is a release's id, or its version where one app has it."""

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar
from uuid import uuid4

from litestar import Router, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, PathParameter, QueryParameter

from ebbgate.api.actors import ApiRequest, actor_of
from ebbgate.api.dependencies import Services
from ebbgate.control.releases import ReleaseService
from ebbgate.core.access import may
from ebbgate.core.access.tokens import TokenKind
from ebbgate.core.errors import NotFoundError
from ebbgate.core.releases import Deployment, Manifest, Release
from ebbgate.core.releases.diff import ReleaseDiff
from ebbgate.core.releases.requests import (
    ActOnRelease,
    DeployRelease,
    PruneReleases,
    PruneView,
    RebuildRelease,
    RegisterRelease,
    ReleaseLine,
    ReleaseView,
    VerifyView,
)

T = TypeVar("T")
PAPER_MAX = 64_000_000
ADOPT = "Take what answers for the stable release, on a person's word, where there is none yet."
MARK_BAD = "Quarantine it: nothing deploys or starts it without an override."

ReleaseRef = Annotated[str, PathParameter(description="A release's id (`app@v1.4.0`), or its version.")]
OfApp = Annotated[str | None, QueryParameter(description="Of this application only.")]
Against = Annotated[str, QueryParameter(description="The release to compare with: the older one.")]
Paper = Literal["manifest", "sbom", "provenance", "log"]
PaperName = Annotated[Paper, PathParameter(description="manifest, sbom, provenance or log.")]


@get("/", sync_to_thread=True, operation_id="listReleases")
def list_releases(services: Services, app: OfApp = None) -> list[ReleaseLine]:
    """Newest first."""
    return services.releases.list(app)


@post("/", sync_to_thread=True, operation_id="registerRelease")
def register_release(services: Services, request: ApiRequest, data: JSONBody[RegisterRelease]) -> Release:
    """Make a release of an archive that was uploaded; or adopt what runs already."""
    return _woken(
        services, services.releases.register(data, actor=actor_of(request, data.reason), is_admin=_is_admin(request))
    )


def _is_admin(request: ApiRequest) -> bool:
    kind: TokenKind = request.user.kind  # type: ignore[assignment]  # the store keeps the text
    return may(kind, "administer")


@post("/prune", sync_to_thread=True, status_code=200, operation_id="pruneReleases")
def prune_releases(services: Services, request: ApiRequest, data: JSONBody[PruneReleases]) -> PruneView:
    """Let go of bytes that nothing needs."""
    actor = actor_of(request, data.reason)
    return _woken(services, services.pruning.prune(data.app, keep=data.keep, actor=actor, is_dry_run=data.is_dry_run))


@get("/{ref:str}", sync_to_thread=True, operation_id="getRelease")
def get_release(services: Services, ref: ReleaseRef) -> ReleaseView:
    """Everything of a release."""
    return services.releases.get(ref)


@get("/{ref:str}/manifest", sync_to_thread=True, operation_id="getManifest")
def get_manifest(services: Services, ref: ReleaseRef) -> Manifest:
    """Its files and its dependencies."""
    return services.releases.manifest(ref)


@get(
    "/{ref:str}/papers/{paper:str}", sync_to_thread=True, operation_id="getPaper", media_type="application/octet-stream"
)
def get_paper(services: Services, ref: ReleaseRef, paper: PaperName) -> bytes:
    """One of the papers beside the archive: the bill of materials, the provenance, the build's log."""
    release = services.releases.get(ref).release
    digest: str | None = getattr(release.documents, paper)
    if digest is None:
        raise NotFoundError(f"release {release.id} has no {paper}", hint="an adopted release has a manifest only")
    return services.artifacts.read(digest, limit=PAPER_MAX)


@get("/{ref:str}/diff", sync_to_thread=True, operation_id="diffReleases")
def diff_releases(services: Services, ref: ReleaseRef, against: Against) -> ReleaseDiff:
    """What differs from an older release: files, sizes, dependencies."""
    return services.releases.diff(against, ref)


@get("/{ref:str}/verify", sync_to_thread=True, operation_id="verifyRelease")
def verify_release(services: Services, ref: ReleaseRef) -> VerifyView:
    """Read all its bytes again, and compare them with their digests."""
    return services.releases.verify(ref)


@post("/{ref:str}/deploy", sync_to_thread=True, status_code=202, operation_id="deployRelease")
def deploy_release(
    services: Services, request: ApiRequest, ref: ReleaseRef, data: JSONBody[DeployRelease]
) -> Deployment:
    """Send it to its target; the answer is the deployment on its way."""
    actor = actor_of(request, data.reason)
    key = data.key or f"api:{uuid4()}"
    return _woken(services, services.deployments.deploy(ref, actor=actor, key=key, override=data.override))


@post("/{ref:str}/rebuild", sync_to_thread=True, status_code=200, operation_id="rebuildRelease")
def rebuild_release(
    services: Services, request: ApiRequest, ref: ReleaseRef, data: JSONBody[RebuildRelease]
) -> Release:
    """Put bytes back that are gone; the release is marked."""
    return _woken(services, services.releases.rebuild(ref, data, actor=actor_of(request, data.reason)))


def _woken(services: Services, made: T) -> T:
    """The loop is told at once: what was changed is to be followed and delivered."""
    services.loop.wake()
    return made


def _act(name: str, path: str, act: Callable[..., Release], words: str) -> HTTPRouteHandler:
    """What a person does with a release, with a reason and nothing else. name: of the operation. act: the service's."""

    def handler(services: Services, request: ApiRequest, ref: ReleaseRef, data: JSONBody[ActOnRelease]) -> Release:
        return _woken(services, act(services.releases, ref, actor=actor_of(request, data.reason)))

    handler.__doc__ = words
    return post(f"/{{ref:str}}/{path}", sync_to_thread=True, status_code=200, operation_id=name)(handler)


release_router = Router(
    path="/releases",
    tags=["releases"],
    route_handlers=[
        list_releases,
        register_release,
        prune_releases,
        get_release,
        get_manifest,
        get_paper,
        diff_releases,
        verify_release,
        deploy_release,
        rebuild_release,
        _act("adoptRelease", "adopt", ReleaseService.adopt, ADOPT),
        _act("markReleaseBad", "mark-bad", ReleaseService.mark_bad, MARK_BAD),
        _act("clearRelease", "clear", ReleaseService.clear, "Take the mark away; it has to prove itself anew."),
        _act("pinRelease", "pin", ReleaseService.pin, "Keep its bytes until it is unpinned."),
        _act("approveRelease", "approve", ReleaseService.approve, "Say yes to it; not for who registered it."),
        _act("unpinRelease", "unpin", ReleaseService.unpin, "Let pruning have it."),
    ],
)
