"""What OFREP callers evaluated, by token: counted on the hot path, reported now and then (RULES H2)."""

from collections import Counter
from datetime import datetime

from ebbgate.core.events.types import EvaluatorCounts, EvaluatorReport

_FLAGS_MAX = 1_000  # the limit that the types state for one table
_ATTRIBUTES_MAX = 100  # of one flag
_MISSING_MAX = 2_000  # attributes of all flags outside a rollout
_UNKNOWN_MAX = 100
_NAME_MAX = 128
_AGENTS_MAX = 4
_AGENT_MAX = 60  # characters


class TokenUsage:
    """Counts for one token since the edge started. Plain dicts of plain ints: an evaluation must not pay for metrics.

    evaluations: by flag and variant, None where the caller's default stands. keyless: by flag.
    missing: by flag and attribute that its rule reads; missing_left: how many more there may be of flags that are under
    no rollout. unknown: by key that is no flag, for those that came first. version: of the snapshot that answered last.
    environment: the only one that the token is good for, None for all. agents: programs that evaluate with it, by their
    User-Agent; looked at once between two reports, so that a call does not pay for it. wants_agent: it is time again.
    """

    __slots__ = (
        "agents", "environment", "evaluations", "keyless", "missing", "missing_left", "unknown", "version",
        "wants_agent",
    )  # fmt: skip

    def __init__(self, environment: str | None = None) -> None:
        self.environment = environment
        self.evaluations: dict[tuple[str, str | None], int] = {}
        self.keyless: dict[str, int] = {}
        self.missing: dict[str, dict[str, int]] = {}
        self.missing_left = _MISSING_MAX
        self.unknown: dict[str, int] = {}
        self.version: int | None = None
        self.agents: dict[str, None] = {}
        self.wants_agent = True

    def note_agent(self, agent: bytes | None) -> None:
        """Remember a program. Only printable ASCII: it is shown to people, and comes from anybody."""
        self.wants_agent = False
        name = "".join(char for char in (agent or b"").decode("latin-1") if " " <= char <= "~")[:_AGENT_MAX].strip()
        if name and len(self.agents) < _AGENTS_MAX:
            self.agents[name] = None

    def count(self, flag: str, variant: str | None, version: int, *, is_keyless: bool) -> None:
        key = (flag, variant)
        self.evaluations[key] = self.evaluations.get(key, 0) + 1
        self.version = version
        if is_keyless:
            self.keyless[flag] = self.keyless.get(flag, 0) + 1

    def count_missing(self, flag: str, attribute: str, *, is_leased: bool) -> None:
        """The context of an evaluation lacked the attribute. is_leased: the flag is under rollout."""
        counts = self.missing.get(flag)
        if counts is not None and attribute in counts:
            counts[attribute] += 1
        elif is_leased or self.missing_left > 0:
            counts = self.missing.setdefault(flag, {})
            if len(counts) < _ATTRIBUTES_MAX:
                counts[attribute] = 1
                self.missing_left -= not is_leased

    def count_unknown(self, key: str) -> None:
        """Somebody asked for a key that is no flag."""
        if key in self.unknown or (len(self.unknown) < _UNKNOWN_MAX and 0 < len(key) <= _NAME_MAX):
            self.unknown[key] = self.unknown.get(key, 0) + 1

    def counts(self) -> EvaluatorCounts:
        """Totals by flag, within what a report may hold: of too many flags, the most used."""
        evaluations: Counter[str] = Counter()
        code_defaults: Counter[str] = Counter()
        for (flag, variant), count in self.evaluations.items():
            evaluations[flag] += count
            if variant is None:
                code_defaults[flag] += count
        for key, count in self.unknown.items():
            evaluations[key] += count
            code_defaults[key] += count
        kept = [flag for flag, _ in evaluations.most_common() if len(flag) <= _NAME_MAX][:_FLAGS_MAX]
        return EvaluatorCounts(
            evaluations={flag: evaluations[flag] for flag in kept},
            keyless={flag: self.keyless[flag] for flag in kept if flag in self.keyless},
            code_defaults={flag: code_defaults[flag] for flag in kept if flag in code_defaults},
            missing_attributes={flag: dict(self.missing[flag]) for flag in kept if flag in self.missing},
        )


class UsageBook:
    """The usage of every token that evaluated. A revoked token's counts stay, so that totals never fall."""

    def __init__(self, run_id: str) -> None:
        """run_id: new at each start of the edge, as reports are cumulative since then."""
        self._run_id = run_id
        self._by_token: dict[str, TokenUsage] = {}
        self._reported: dict[str, int] = {}

    def of(self, token_id: str, environment: str | None = None) -> TokenUsage:
        """The token's counts, to be added to. environment: as in `TokenUsage`."""
        return self._by_token.setdefault(token_id, TokenUsage(environment))

    def totals(self) -> Counter[tuple[str, str | None]]:
        """Evaluations by flag and variant, over all tokens."""
        totals: Counter[tuple[str, str | None]] = Counter()
        for usage in self._by_token.values():
            totals.update(usage.evaluations)
        return totals

    def reports(self, machine_at: datetime) -> list[EvaluatorReport]:
        """A report for each token that evaluated since the last call."""
        reports = []
        for token_id, usage in self._by_token.items():
            total = sum(usage.evaluations.values()) + sum(usage.unknown.values())
            if total == self._reported.get(token_id, 0):
                continue
            self._reported[token_id] = total
            usage.wants_agent = True
            agents = f" ({', '.join(usage.agents)})" if usage.agents else ""
            reports.append(
                EvaluatorReport(
                    evaluator=f"ofrep-{self._run_id}-{token_id}"[:_NAME_MAX],
                    name=f"OFREP, token {token_id}{agents}"[:_NAME_MAX],
                    kind="ofrep",
                    state="heartbeat",
                    reported_at=machine_at,
                    snapshot_version=usage.version,
                    counts=usage.counts(),
                    environment=usage.environment,
                )
            )
        return reports
