"""`ebbgate release`."""

import click

from ebbgate.cli.lazy import Entry, LazyGroup

_BUILD, _ACT, _READ = "ebbgate.cli.releases_build", "ebbgate.cli.releases_act", "ebbgate.cli.releases_read"
_DEPLOY = "ebbgate.cli.releases_deploy"

ENTRIES = {
    "build": Entry(f"{_BUILD}:build", "Build a commit, measure, tag and register it.", "Make"),
    "ship": Entry("ebbgate.cli.releases_ship:ship", "Build, tag, deploy and start the rollout, in one.", "Make"),
    "adopt": Entry("ebbgate.cli.releases_adopt:adopt", "Record the version that runs already as stable.", "Make"),
    "tag": Entry("ebbgate.cli.releases_git:tag", "Tag the commit of a release that has no tag yet.", "Make"),
    "notes": Entry("ebbgate.cli.releases_git:notes", "What changed: in a release, or since the last one.", "Look"),
    "list": Entry(f"{_READ}:list_all", "All releases, newest first.", "Look"),
    "show": Entry(f"{_READ}:show", "Everything of a release, and its papers.", "Look"),
    "diff": Entry(f"{_READ}:diff", "Files, sizes, dependencies, commits between two.", "Look"),
    "verify": Entry("ebbgate.cli.releases_git:verify", "Are the bytes and the tag what they were?", "Look"),
    "deployments": Entry(f"{_DEPLOY}:deployments", "What went where.", "Look"),
    "deploy": Entry(f"{_DEPLOY}:deploy", "Send a release to its target, and see that it answers.", "Change"),
    "mark-bad": Entry(f"{_ACT}:mark_bad", "Quarantine it.", "Change"),
    "clear": Entry(f"{_ACT}:clear", "Take the mark away.", "Change"),
    "approve": Entry(f"{_ACT}:approve", "Say yes to it; not for who registered it.", "Change"),
    "pin": Entry(f"{_ACT}:pin", "Keep its bytes.", "Change"),
    "unpin": Entry(f"{_ACT}:unpin", "Let pruning have it.", "Change"),
    "prune": Entry(f"{_ACT}:prune", "Let go of bytes that nothing needs.", "Change"),
}


@click.command(cls=LazyGroup, entries=ENTRIES)
def release() -> None:
    """Build, tag, deploy and keep releases.

    REF is a release's id (`my-app@v1.4.0`), or its version where one app has it.
    """
