"""Do the arms have the sizes that the hash promised? (analysis.md 1.6). Source: Lindon and Malek, arXiv 2011.03567."""

from math import lgamma, log, log1p

CONCENTRATION = 100.0
"""Weight of the Dirichlet prior around the promised shares: ordinary mismatches are small deviations (analysis.md
1.6)."""


def sample_ratio_log_e(treatment: int, control: int, share: float) -> float:
    """log e-value against `each unit falls into the treatment with chance share`. Counts since the phase began; share
    in (0, 1).

    One factor a phase: the share changes from phase to phase, so add the logs of phases, each with its own counts.
    """
    assert treatment >= 0
    assert control >= 0
    assert 0 < share < 1
    a, b = CONCENTRATION * share, CONCENTRATION * (1 - share)
    evidence = _log_beta(a + treatment, b + control) - _log_beta(a, b)
    return evidence - treatment * log(share) - control * log1p(-share)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
