"""How releases and deployments read."""

from rich.console import RenderableType
from rich.text import Text

from ebbgate.core.metrics import MetricKind
from ebbgate.core.releases import BudgetResult, Deployment, DeploymentStatus, Proof, Release
from ebbgate.core.releases.deployment import DeployEvent
from ebbgate.core.releases.requests import ReleaseLine, ReleaseView
from ebbgate.core.rollouts.values_quantities import quantity_text

STYLES = {"stable": "green", "bad": "bold red", "watching": "cyan", "deployed": "", "built": "dim"}

_PROOFS = {
    Proof.SERVED_DIGEST: "the app tells its digest",
    Proof.FRESH_PROCESS: "who answers was started by this deployment",
    Proof.NONE: "nothing tells which release answers",
    None: "–",
}


def size(length: int) -> str:
    return quantity_text(length, event="size_bytes", kind=MetricKind.MEAN) if length >= 0 else f"-{size(-length)}"


def budget_line(result: BudgetResult) -> str:
    """`dist/**/*.js growth 12.3KB < 500KB: met`."""
    gzip = " (gzip)" if result.is_gzip else ""
    worst = f", largest {result.worst}" if result.worst else ""
    if result.used is None or result.is_met is None:
        return f"budget {result.files}: {result.kind}{gzip} < {size(result.limit)}: not measured, {result.note}"
    verdict = "met" if result.is_met else "NOT met"
    return f"budget {result.files}: {result.kind}{gzip} {size(result.used)} < {size(result.limit)}: {verdict}{worst}"


def release_lines(release: Release) -> list[RenderableType]:
    """The head of a release."""
    lines: list[RenderableType] = [
        Text.assemble((release.id, "bold"), "  ", (release.state.value, STYLES[release.state.value])),
        f"digest   {release.artifact.digest}",
        f"commit   {release.commit or '– (adopted)'}{f', tag {release.tag}' if release.tag else ''}",
        f"files    {release.artifact.files:,}, {size(release.artifact.content_bytes)}, "
        f"{size(release.artifact.gzip_bytes)} after gzip",
    ]
    if release.build is not None:
        build = release.build
        lines.append(
            f"build    {build.took.total_seconds():.1f} s, {build.dependencies} dependencies, provenance "
            f"{'signed' if build.is_signed else 'unsigned'}"
        )
        lines += [f"         {budget_line(one)}" for one in build.budgets]
        lines += [Text(f"risk     {risk}", style="yellow") for risk in build.risks]
    for mark in release.rebuilds:
        words = "the same bytes" if mark.is_same else f"OTHER bytes than {mark.digest_before}"
        lines.append(
            Text(f"rebuilt  {mark.at:%Y-%m-%d %H:%M}Z by {mark.actor}, {words}: {mark.reason}", style="yellow")
        )
    if release.bad is not None:
        lines.append(Text(f"bad      {release.bad.reason} ({release.bad.actor})", style="bold red"))
    if release.is_pinned:
        lines.append("pinned")
    if release.are_bytes_pruned:
        lines.append(Text("pruned   its bytes were let go of", style="yellow"))
    if not release.reversible:
        lines.append(Text("irreversible: nothing goes back from it by itself", style="yellow"))
    return lines


def current_words(release: ReleaseLine | ReleaseView) -> list[str]:
    """Whether its target points to it, and whether it is known to answer there; nothing for any other."""
    if not release.is_current:
        return []
    return ["current"] if release.is_answering else ["current, NOT known to answer"]


def event_line(event: DeployEvent) -> str:
    return f"{event.at:%H:%M:%S} {event.step.value:<12} {event.text}"


def deployment_end(deployment: Deployment) -> RenderableType:
    """One sentence on how it ended, or stands."""
    if deployment.status is DeploymentStatus.DONE:
        assert deployment.proof is not None
        return Text(f"✓ {deployment.release} is deployed: {_PROOFS[deployment.proof]}", style="green")
    if deployment.status is DeploymentStatus.FAILED:
        kept = f"{deployment.points_to or deployment.previous or 'nothing'} is current"
        return Text(f"✗ {deployment.release} was not deployed; {kept}. {deployment.error}", style="bold red")
    if deployment.status is DeploymentStatus.BROKEN:
        return Text(f"✗ {deployment.id} is broken, a person is needed: {deployment.error}", style="bold red")
    return f"{deployment.id} is {deployment.status.value}, at {deployment.step.value}"


def proof_words(proof: Proof | None) -> str:
    return _PROOFS[proof]
