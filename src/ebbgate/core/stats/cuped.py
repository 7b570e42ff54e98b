"""Less variance by what was known of a unit before it was exposed (analysis.md 1.9): x - theta (z - centre).

Source: Deng, Xu, Kohavi, Walker (WSDM 2013); at all times at once: Lindon, Ham, Tingley, Bojinov, arXiv 2210.08589.
theta and centre must be frozen beforehand or *predictable*, made from earlier blocks alone; then the difference of the
arms keeps its expectation, whatever theta is, since z has the same distribution in both. Variance falls by the square
of their correlation. No verdict uses it yet, and why: ADR 0018.
"""

import msgspec

from ebbgate.core.stats.strata import ArmBlock

THETA_AT_LEAST = 100
"""Units before a theta is learned; fewer give 0, which changes nothing."""


class Covaried(msgspec.Struct, frozen=True, kw_only=True):
    """n units by the moments of their value x and of z, the same measured before exposure.

    A unit without history has z = the centre, so that it is neither helped nor harmed.
    """

    n: int = 0
    x: float = 0.0
    z: float = 0.0
    xx: float = 0.0
    zz: float = 0.0
    xz: float = 0.0

    def plus(self, other: "Covaried") -> "Covaried":
        """Both together."""
        return Covaried(
            n=self.n + other.n,
            x=self.x + other.x,
            z=self.z + other.z,
            xx=self.xx + other.xx,
            zz=self.zz + other.zz,
            xz=self.xz + other.xz,
        )


def theta_of(past: Covaried) -> tuple[float, float]:
    """(theta, centre) from earlier units of the control: the slope of x on z, and the mean of z.

    theta: units of x per unit of z; 0 with fewer than THETA_AT_LEAST units, or where z does not vary.
    """
    if past.n < THETA_AT_LEAST:
        return 0.0, 0.0
    centre = past.z / past.n
    spread = past.zz - past.n * centre * centre
    shared = past.xz - centre * past.x
    return (shared / spread if spread > 1e-12 * past.zz else 0.0), centre


def adjusted(block: Covaried, theta: float, centre: float) -> ArmBlock:
    """The block's moments of x - theta (z - centre), for `add_block`; theta 0 gives those of x."""
    n = block.n
    total = block.x - theta * (block.z - n * centre)
    shared = block.xz - centre * block.x
    spread = block.zz - 2 * centre * block.z + n * centre * centre
    return ArmBlock.of_mean(n, total, max(block.xx - 2 * theta * shared + theta * theta * spread, 0.0))
