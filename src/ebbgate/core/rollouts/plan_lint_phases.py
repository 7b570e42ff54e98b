"""Lint of the phases, the people and the clocks of a plan."""

from datetime import timedelta

from ebbgate.core.rollouts.plan import EVERYONE, Phase, Plan, Response
from ebbgate.core.rollouts.plan_lint_finding import Finding, Level
from ebbgate.core.rollouts.values import duration_text, percent_text

SHORTEST_LEASE = timedelta(seconds=30)
"""Three keepalives of a stream."""


def lint_phases(plan: Plan) -> list[Finding]:
    """Exposure, audiences and time of the phases (RULES A2, B1, F7)."""
    findings: list[Finding] = []
    for index, phase in enumerate(plan.phases):
        path = f"$.phases[{index}]"
        if index and phase.exposure <= plan.phases[index - 1].exposure:
            before = percent_text(plan.phases[index - 1].exposure)
            message = f"phase `{phase.name}` exposes {percent_text(phase.exposure)}, no more than {before} before it"
            hint = "exposure only grows; remove the phase, or give it more"
            findings.append(Finding(level=Level.ERROR, path=f"{path}.to", message=message, hint=hint))
        if phase.stay_max is not None and phase.stay_min > phase.stay_max:
            message = f"phase `{phase.name}` stays at least longer than at most"
            hint = "write the shorter one first: `1d..2d`"
            findings.append(Finding(level=Level.ERROR, path=f"{path}.stay", message=message, hint=hint))
        findings += _audiences(plan, phase, path)
        if not phase.reversible:
            message = f"from phase `{phase.name}` on, nothing is taken back by itself"
            hint = "a harm then freezes the rollout and pages"
            findings.append(Finding(level=Level.NOTE, path=f"{path}.reversible", message=message, hint=hint))
    return [*findings, *_ending(plan), *_tick(plan), *_unused(plan), *_excluded(plan), *_lease(plan)]


def _audiences(plan: Plan, phase: Phase, path: str) -> list[Finding]:
    named = [audience for audience in plan.audiences if audience.name in phase.who]
    whole = [audience for audience in named if not audience.is_split]
    declared = sum(audience.share or 0.0 for audience in whole)
    findings: list[Finding] = []
    if declared > phase.exposure:
        message = f"its audiences are {percent_text(declared)} of the users, more than {percent_text(phase.exposure)}"
        hint = "raise `to`, or expose a part of an audience with `split: true`"
        findings.append(Finding(level=Level.ERROR, path=f"{path}.to", message=message, hint=hint))
    if phase.is_random:
        return findings
    message = f"phase `{phase.name}` draws nobody at random: guardrails cannot compare there"
    hint = "only absolute limits, probes and its length decide; `preflight` counts who belongs to the audience"
    findings.append(Finding(level=Level.NOTE, path=f"{path}.who", message=message, hint=hint))
    if phase.exposure >= 1:
        message = "named audiences alone do not reach everyone"
        finding = Finding(level=Level.WARNING, path=f"{path}.who", message=message, hint=f"write `who: {EVERYONE}`")
        findings.append(finding)
    return findings


def _lease(plan: Plan) -> list[Finding]:
    if plan.when.server_lost >= SHORTEST_LEASE:
        return []
    lost = duration_text(plan.when.server_lost)
    message = (
        f"`server_lost` is {lost}: a stream says something only every 10s, so evaluators may give up a healthy server"
    )
    hint = f"write at least {duration_text(SHORTEST_LEASE)}"
    return [Finding(level=Level.WARNING, path="$.when.server_lost", message=message, hint=hint)]


def _ending(plan: Plan) -> list[Finding]:
    last = plan.phases[-1]
    path = f"$.phases[{len(plan.phases) - 1}]"
    if last.exposure < 1:
        message = f"the rollout ends at {percent_text(last.exposure)}; the others never get the new version"
        hint = "add a phase `{to: 100%, who: everyone, watch: 30d}`"
        return [Finding(level=Level.WARNING, path=f"{path}.to", message=message, hint=hint)]
    message = "after 100 % there is no old version to compare with: comparisons are before/after, and called so"
    hint = "keep some users out with `holdout: {share: 2%, for: 60d}` to go on comparing"
    if plan.holdout:
        length = duration_text(plan.holdout_for) if plan.holdout_for else "ever"
        message = f"{percent_text(plan.holdout)} of the users keep the old version, for {length}"
        hint = "they are reported beside the others"
        return [Finding(level=Level.NOTE, path="$.holdout", message=message, hint=hint)]
    return [Finding(level=Level.NOTE, path=f"{path}.to", message=message, hint=hint)]


def _tick(plan: Plan) -> list[Finding]:
    lengths = [phase.stay_min for phase in plan.phases if phase.stay_min > timedelta(0)]
    shortest = min([*lengths, plan.watch])
    if plan.tick * 10 <= shortest:
        return []
    message = f"a look every {duration_text(plan.tick)} is too rare for a phase of {duration_text(shortest)}"
    hint = f"write `tick: {duration_text(shortest / 10)}` or less"
    return [Finding(level=Level.ERROR, path="$.tick", message=message, hint=hint)]


def _unused(plan: Plan) -> list[Finding]:
    used = {name for phase in plan.phases for name in phase.who}
    return [
        Finding(
            level=Level.WARNING,
            path=f"$.audiences.{audience.name}",
            message=f"no phase exposes the audience `{audience.name}`",
            hint="name it in a phase's `who`, or remove it",
        )
        for audience in plan.audiences
        if audience.name not in used and audience.name not in plan.exclude
    ]


def _excluded(plan: Plan) -> list[Finding]:
    """Whoever is excluded cannot be exposed: exclusion outranks every phase (docs/adr/0017)."""
    findings: list[Finding] = []
    known = {audience.name for audience in plan.audiences}
    for place, name in enumerate(plan.exclude):
        if name not in known:  # of a plan that was not read from a file
            message, hint = f"there is no audience `{name}` to exclude", "define it under `audiences`"
            findings.append(Finding(level=Level.ERROR, path=f"$.exclude[{place}]", message=message, hint=hint))
    for index, phase in enumerate(plan.phases):
        for name in phase.who:
            if name in plan.exclude:
                message = f"phase `{phase.name}` exposes the audience `{name}`, which is excluded"
                hint = "take it out of `who` or out of `exclude`"
                path = f"$.phases[{index}].who"
                findings.append(Finding(level=Level.ERROR, path=path, message=message, hint=hint))
    for audience in plan.excluded:
        path = f"$.audiences.{audience.name}"
        if audience.is_split:
            message = f"`{audience.name}` is excluded whole: `split` says nothing"
            finding = Finding(level=Level.WARNING, path=f"{path}.split", message=message, hint="remove `split`")
            findings.append(finding)
        if audience.share is None:
            message = f"nobody says how many `{audience.name}` are: `plan power` counts them as users"
            hint = "write `share: 5%`, the share of all active units that it is expected to be"
            findings.append(Finding(level=Level.NOTE, path=path, message=message, hint=hint))
    return findings


def lint_people(plan: Plan) -> list[Finding]:
    """Who answers, and what the plan leaves to them (RULES F3, F6)."""
    findings: list[Finding] = []
    if not plan.commander:
        message = "nobody is named for reviews and pages"
        hint = "write `commander: devops-lead`; a review has an owner"
        findings.append(Finding(level=Level.WARNING, path="$", message=message, hint=hint))
    when = plan.when
    found = (("harm", when.harm, when.harm_terms), ("critical", when.critical, when.critical_terms))
    for key, answer, terms in found:
        if answer is Response.ROLLBACK or (terms is not None and terms.then is Response.ROLLBACK):
            continue
        words = "harm" if key == "harm" else "a passed critical limit"
        message = f"{words} does not take the version back: it leads to `{answer.value}`"
        hint = f"write `{key}: rollback`, or `{key}: review in 15m, then rollback`, unless a person is always there"
        findings.append(Finding(level=Level.WARNING, path=f"$.when.{key}", message=message, hint=hint))
    if plan.mode is None:
        message = "no mode is set: the first rollout of an application asks before it acts"
        hint = "write `mode: act` to let it act by itself, `observe` to have it only say what it would do"
        findings.append(Finding(level=Level.NOTE, path="$", message=message, hint=hint))
    return findings


def lint_clocks(plan: Plan) -> list[Finding]:
    """Which clock each duration is on (RULES A1): said aloud, since a scaled clock makes plan time run faster."""
    plan_time = ["`stay`, `watch`, `tick`", "every `window`, `lateness` and `for` of the metrics"]
    plan_time += ["the deadline of reviews, `starvation`", "`verify.recovery`"]
    if plan.holdout_for:
        plan_time.append("the holdout's `for`")
    machine_time = ["`when.server_lost`, `stale_after`", "`verify.propagation`, `verify.redeploy`"]
    if plan.probes:
        machine_time.append("`every` and `timeout` of the probes")
    hint = "the two differ only where the clock is scaled, as in the demo"
    return [
        Finding(level=Level.NOTE, path="$", message=f"on plan time: {', '.join(plan_time)}", hint=hint),
        Finding(level=Level.NOTE, path="$", message=f"on machine time: {', '.join(machine_time)}", hint=hint),
    ]
