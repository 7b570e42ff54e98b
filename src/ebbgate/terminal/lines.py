"""The rollout's news as single lines, for logs and pipes."""

from ebbgate.core.rollouts.state import RollbackStep, Status
from ebbgate.core.rollouts.view import RolloutView
from ebbgate.terminal.words import first_of, share, status_words

_News = tuple[object, ...]


def plain_line(view: RolloutView, previous: RolloutView | None) -> str | None:
    """One line of what is so now, with the plan's time; None when nothing worth a line has changed since
    `previous`.
    """
    if previous is not None and _news(view) == _news(previous):
        return None
    words, _ = status_words(view.status, view.rollback.outcome if view.rollback else None)
    parts = [f"{view.now:%Y-%m-%d %H:%M}Z {view.id} {words}"]
    if view.status is not Status.ROLLED_BACK:
        parts.append(f"{view.phase} ({position(view)}/{len(view.phases)})")
    line = " ".join(parts) + f": {view.sentence}"
    if view.way_back:
        line = " ".join((f"{line.removesuffix('.')}.", *view.way_back))
    if facts := _facts(view):
        line += f" [{'; '.join(facts)}]"
    return line


def position(view: RolloutView) -> int:
    """Which phase it is, from 1."""
    return next((i for i, phase in enumerate(view.phases, 1) if phase.name == view.phase), 1)


def _news(view: RolloutView) -> _News:
    rollback = view.rollback
    return (
        view.id,
        view.status,
        view.phase,
        view.decision.code if view.decision is not None else None,
        tuple((analysis.metric, analysis.verdict) for analysis in view.analyses),
        tuple((goal.metric, goal.standing) for goal in view.goals),
        view.silence,
        bool(view.trouble),
        view.way_back,
        (rollback.step, rollback.outcome) if rollback is not None else None,
    )


def _facts(view: RolloutView) -> list[str]:
    facts = [", ".join(f"{a.metric} {a.verdict.value.replace('_', ' ')}" for a in view.analyses)]
    if view.status in (Status.SUCCEEDED, Status.WATCHING):
        facts.append(", ".join(f"goal {goal.metric} {goal.standing.value}" for goal in view.goals))
    if view.exposed_share is not None:
        facts.append(f"exposed {share(view.exposed_share)}")
    if view.rollback is not None and view.rollback.expected is not None:
        step = view.rollback.step
        confirmed = f"{view.rollback.confirmed}/{view.rollback.expected} evaluators confirmed"
        facts.append(confirmed if step is not RollbackStep.FLAG_OFF else "")
    facts += [f"trouble: {sentence}" for sentence in first_of(view.trouble, 1)]
    facts += [f"not arriving: {sentence}" for sentence in first_of(view.silence, 1)]
    return [fact for fact in facts if fact]
