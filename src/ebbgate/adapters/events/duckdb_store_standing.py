"""What a unit is, as pieces of SQL: which arm an exposure puts it in, what is new of it, and where it stands now."""

from ebbgate.adapters.events.queries import APART, AUDIENCE, CONTROL, HOLDOUT, TREATMENT, VETERAN

# Arms as `ebbgate.testing.memory_phase` gives them; the contract suite holds the two together. A split audience draws
# members whose bucket says control: they are audience. Another system's arms are told by the variant alone.
ARM = f"""
CASE
  WHEN $is_external THEN
    CASE WHEN variant = $treatment THEN {TREATMENT} WHEN variant = $control THEN {CONTROL} ELSE {APART} END
  WHEN variant = $holdout THEN {HOLDOUT}
  WHEN variant = $treatment AND bucket >= $treatment_start AND bucket < $treatment_end THEN {TREATMENT}
  WHEN variant = $control AND bucket >= $control_start AND bucket < $control_end THEN {CONTROL}
  WHEN variant = $control THEN {APART}
  WHEN variant = $audience THEN {AUDIENCE}
  WHEN variant = $treatment AND bucket >= $control_start AND bucket < $control_end THEN {AUDIENCE}
  WHEN variant = $treatment THEN {VETERAN}
  ELSE {APART}
END
"""

# Excluded units enter nothing: they only leave when they were seen so. After a rollback everybody sees the control, and
# whoever was exposed by attribute or excluded before, under any version, was never randomised.
FRESH = """
SELECT unit, hash(unit) AS unit_hash, min(seq) FILTER (is_inside AND (is_control OR is_treated)) AS first_seq,
  min(known_at) FILTER (is_inside AND is_treated) AS treated_at,
  min(known_at) FILTER (is_inside AND is_control) AS control_at,
  min(known_at) FILTER (variant = $audience AND (is_inside OR $is_recovery)) AS audience_at,
  min(known_at) FILTER (variant IN ($old_excluded, $new_excluded) AND (is_inside OR $is_recovery)) AS excluded_at,
  min(happened_at) FILTER (is_inside AND variant IN ($treatment, $audience)) AS first_treated_at
FROM (
  SELECT unit, seq, known_at, happened_at, variant,
    version >= $version_from AND version < $version_to AS is_inside,
    variant IN ($control, $holdout) AS is_control,
    variant NOT IN ($control, $holdout) AND variant IN ($treatment, $audience) AS is_treated
  FROM exposures
  WHERE seq >= $seq AND seq < $until AND environment = $environment AND flag = $flag AND known_at >= $since
    AND ($is_recovery OR (version >= $version_from AND version < $version_to))
) GROUP BY unit
"""

STANDING = f"""
CASE WHEN excluded_at IS NOT NULL THEN 'excluded'
  WHEN treated_at IS NOT NULL AND control_at IS NOT NULL THEN 'crossed'
  WHEN audience_at IS NOT NULL OR arm = {AUDIENCE} THEN 'audience'
  WHEN arm = {TREATMENT} THEN 'treatment' WHEN arm = {CONTROL} THEN 'control'
  WHEN arm = {VETERAN} THEN 'veteran' ELSE 'apart' END
"""
