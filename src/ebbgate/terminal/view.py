"""A rollout as one renderable: header, ladder, sentence, table, footer, and how to stop it."""

from rich.console import Group, RenderableType
from rich.text import Text

from ebbgate.core.rollouts.explain_outliers import outlier_sentences
from ebbgate.core.rollouts.state import RollbackState, RollbackStep, Status
from ebbgate.core.rollouts.values import percent_text
from ebbgate.core.rollouts.view import PhaseView, RolloutView, Rung
from ebbgate.terminal.lines import position
from ebbgate.terminal.tables import alarm_lines, goal_line, goal_table, limit_lines, metric_table, newest_age
from ebbgate.terminal.values import metric_of
from ebbgate.terminal.words import BAD, BOLD, BUSY, FAINT, GOOD, RUNGS, WARN, age, first_of, share, status_words

_GAP = "   "
_STOPPABLE = (Status.RUNNING, Status.WATCHING, Status.PAUSED, Status.REVIEW, Status.SUCCEEDED)
_STEPS = {
    RollbackStep.FLAG_OFF: "flag off",
    RollbackStep.PROPAGATION: "evaluators confirm",
    RollbackStep.RECOVERY: "metrics recover",
}
_SECOND_STAGE = {
    RollbackStep.REDEPLOY: "last stable release back",
    RollbackStep.VERIFY: "metrics recover after the release",
}


def render_view(view: RolloutView, *, width: int, is_brief: bool = False) -> RenderableType:
    """Pure. width: columns of the terminal; from 80 on nothing folds but sentences. is_brief: the goals, which decide
    nothing yet, in one line, for terminals of few lines.
    """
    parts: list[RenderableType] = [header(view), *ladder_lines(view, width=width), Text(view.sentence)]
    if view.rollback is not None:
        parts += rollback_lines(view)
    parts += [Text(f"✗ {sentence}", style=BAD) for sentence in view.trouble]
    parts += [Text(f"! {sentence}", style=WARN) for sentence in first_of(view.silence)]
    if view.analyses:
        parts += [Text(""), metric_table(view, width=width), *alarm_lines(view), *limit_lines(view)]
        parts += _outlier_lines(view)
    if view.goals:
        parts += [goal_line(view)] if is_brief else [Text(""), goal_table(view, width=width)]
    parts += [Text(""), footer(view, width=width)]
    parts += stop_lines(view)
    return Group(*parts)


def _outlier_lines(view: RolloutView) -> list[Text]:
    """Where few values hide whether a mean got worse, and what to do about it."""
    if view.ended_at is not None:
        return []
    told = (outlier_sentences(metric_of(view, found.metric), found) for found in view.analyses if found.outliers)
    return [Text(f"! {sentence}", style=WARN) for sentences in told for sentence in sentences]


def header(view: RolloutView) -> Text:
    """`newWidgets  v1.4.0  production  RUNNING early (2/4)`."""
    words, style = status_words(view.status, view.rollback.outcome if view.rollback else None)
    text = Text.assemble((view.flag, BOLD), f"  {view.release}  {view.environment}  ", (words, style))
    if view.status is not Status.ROLLED_BACK:
        text.append(f" {view.phase} ({position(view)}/{len(view.phases)})")
    if view.attempt > 1:
        text.append(f"  try {view.attempt}")
    if view.mode != "act":
        text.append(f"  mode {view.mode.value}", style=WARN)
    if view.overlay is not None:
        text.append(f"  overlay {view.overlay}", style=WARN)
    return text


def ladder_lines(view: RolloutView, *, width: int) -> list[Text]:
    """The rungs side by side, as many on a line as fit."""
    lines: list[Text] = []
    for phase in view.phases:
        rung = _rung(view, phase)
        if lines and lines[-1].cell_len + len(_GAP) + rung.cell_len <= width:
            lines[-1].append(_GAP).append_text(rung)
        else:
            lines.append(rung)
    return lines


def _rung(view: RolloutView, phase: PhaseView) -> Text:
    sign, style = RUNGS[phase.rung]
    text = Text(f"{sign} ", style=style)
    text.append(f"{phase.name} {percent_text(phase.exposure)}", style=BOLD if phase.rung is Rung.CURRENT else style)
    if phase.rung is Rung.DONE:
        text.append(" done", style=style)
    elif phase.rung is Rung.STOPPED:
        text.append(" stopped", style=style)
    elif phase.rung is Rung.CURRENT and phase.entered_at is not None:
        text.append(f" now, for {age(view.now - phase.entered_at)}", style=style)
    return text


def rollback_lines(view: RolloutView) -> list[RenderableType]:
    """The steps of the rollback, and how long the flag-off took to arrive."""
    rollback = view.rollback
    assert rollback is not None
    shown = {**_STEPS, **_SECOND_STAGE} if rollback.redeploy_from_at is not None else _STEPS
    steps = list(shown)
    reached = len(steps) if rollback.step is RollbackStep.DONE else steps.index(rollback.step)
    text = Text()
    for index, (step, words) in enumerate(shown.items()):
        rung = Rung.DONE if index < reached else Rung.CURRENT if index == reached else Rung.UPCOMING
        if rung is Rung.DONE and _fell_short(view, step):
            rung = Rung.STOPPED
        sign, style = RUNGS[rung]
        said = f"{words} {rollback.confirmed}/{rollback.expected}" if _has_proof(view, step) else words
        if rung is not Rung.CURRENT and _is_skipped(rollback, step):
            sign, style, said = "–", FAINT, f"{words} skipped"
        text.append(f"{_GAP if index else ''}{sign} {said}", style=style)
    lines: list[RenderableType] = [text]
    if rollback.redeploy_why:
        lines.append(Text(f"Second stage: {rollback.redeploy_why}", style=WARN))
    if rollback.stragglers:
        lines.append(Text(f"! not confirmed: {_names(rollback.stragglers)}", style=WARN))
    if view.push is not None and view.push.ms_p50 is not None and view.push.ms_p99 is not None:
        times = f"p50 {view.push.ms_p50:,.0f} ms, p99 {view.push.ms_p99:,.0f} ms"
        lines.append(Text(f"Flag-off reached {view.push.confirmed} evaluators: {times}", style=FAINT))
    lines += [Text(line) for line in view.way_back]
    if rollback.step is RollbackStep.DONE:
        lines.append(Text(f"Why it was taken back: {rollback.reason}"))
    return lines


def _has_proof(view: RolloutView, step: RollbackStep) -> bool:
    assert view.rollback is not None
    return step is RollbackStep.PROPAGATION and view.rollback.expected is not None


def _is_skipped(rollback: RollbackState, step: RollbackStep) -> bool:
    """Whether the second stage came before the step could show anything."""
    if step is RollbackStep.PROPAGATION:
        return rollback.redeploy_from_at is not None and rollback.expected is None
    return step is RollbackStep.RECOVERY and rollback.is_recovery_skipped


def _fell_short(view: RolloutView, step: RollbackStep) -> bool:
    """Whether a step that is over did not show what it should have."""
    rollback = view.rollback
    assert rollback is not None
    if step is RollbackStep.PROPAGATION:
        return rollback.expected is not None and (rollback.confirmed or 0) < rollback.expected
    if step is RollbackStep.RECOVERY and rollback.redeploy_from_at is not None:
        return True
    if step is RollbackStep.REDEPLOY:
        return rollback.redeployed_at is None
    last = RollbackStep.RECOVERY if rollback.redeploy_from_at is None else RollbackStep.VERIFY
    return step is last and rollback.outcome is not None and rollback.outcome != "recovered"


def footer(view: RolloutView, *, width: int) -> Text:
    """Exposure, excluded units, sample ratio, evaluators, age of the data; as many on a line as fit."""
    text = Text()
    line = 0
    for fact in (_exposure(view), _excluded(view), _sample_ratio(view), _evaluators(view), _freshness(view)):
        if fact is None:
            continue
        if text and line + 3 + fact.cell_len > width:
            text.append("\n")
            line = 0
        elif text:
            text.append(" · ")
            line += 3
        text.append_text(fact)
        line += fact.cell_len
    return text


def _exposure(view: RolloutView) -> Text | None:
    units = f"{view.exposed_units:,} users" if view.exposed_units is not None else ""
    if view.exposed_share is None:
        return Text(f"Exposed so far: {units}") if units else Text("Exposed: no data yet", style=FAINT)
    return Text(f"Exposed {share(view.exposed_share)}" + (f" ({units} so far)" if units else ""))


def _excluded(view: RolloutView) -> Text | None:
    if view.excluded_units is None:
        return None
    return Text(f"excluded: {view.excluded_units:,} units", style=FAINT)


def _sample_ratio(view: RolloutView) -> Text | None:
    ratio = view.sample_ratio
    if ratio is None or ratio.expected_share is None or ratio.treatment + ratio.control == 0:
        return Text("sample ratio not testable", style=FAINT)
    if not ratio.fired:
        return Text("sample ratio ok", style=GOOD)
    seen = f"{ratio.treatment:,} of {ratio.treatment + ratio.control:,}"
    return Text(f"SAMPLE RATIO OFF: {seen} instead of {share(ratio.expected_share)}", style=BAD)


def _evaluators(view: RolloutView) -> Text | None:
    found = view.evaluators
    if found is None:
        return None
    if not found.expected and not found.unproven:
        return Text("no evaluator connected", style=WARN)
    proven = [f"{found.confirmed}/{found.expected} confirmed"] if found.expected else []
    lag = f" (<= {found.lag_s_max:g} s)" if found.lag_s_max is not None else ""
    unproven = [f"{found.unproven} unproven{lag}"] if found.unproven else []
    words = f"evaluators {', '.join(proven + unproven)}"
    if found.stragglers and view.rollback is None:
        words += f" (waiting for {_names(found.stragglers)})"
    return Text(words, style=GOOD if found.confirmed == found.expected and not found.unproven else WARN)


def _freshness(view: RolloutView) -> Text | None:
    newest = [analysis.newest_at for analysis in view.analyses if analysis.newest_at is not None]
    if view.ended_at is not None or not newest:
        looked = "" if view.looked_at is None else f", last {age(view.now - view.looked_at)} ago"
        return Text(f"{view.looks:,} looks{looked if view.ended_at is None else ''}", style=FAINT)
    return Text(f"{view.looks:,} looks, newest data {newest_age(max(newest), view.now)} old", style=FAINT)


def stop_lines(view: RolloutView) -> list[RenderableType]:
    """What a person can do now."""
    lines: list[RenderableType] = []
    if view.review is not None and view.status is Status.REVIEW:
        asked = f" It proposes: {view.review.proposes}." if view.review.proposes else ""
        lines.append(Text(f"Choose: ebbgate rollout promote|resume|pause {view.id} --reason ...{asked}", style=WARN))
    if view.status is Status.PAUSED:
        lines.append(Text(f"Go on: ebbgate rollout resume {view.id} --reason ...", style=BUSY))
    if view.is_external:
        if view.status in _STOPPABLE and view.status is not Status.SUCCEEDED:
            lines.append(Text(f'Stop watching: ebbgate rollout abort {view.id} --reason "..."', style=FAINT))
    elif view.status in _STOPPABLE:
        verb = "Take it back" if view.status is Status.SUCCEEDED else "Stop"
        lines.append(Text(f'{verb}: ebbgate rollback {view.flag} --reason "..."', style=FAINT))
    if view.status in (Status.ROLLED_BACK, Status.ABORTED):
        lines.append(Text(f"Why, look by look: ebbgate rollout explain {view.id}", style=FAINT))
    return lines


def _names(names: tuple[str, ...], shown: int = 3) -> str:
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
