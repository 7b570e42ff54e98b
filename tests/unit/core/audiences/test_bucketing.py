"""Buckets and their thresholds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebbgate.core.audiences import bucket, bucket_v3, unit_bucket
from ebbgate.core.audiences.bucketing import hash_text, threshold


def test_a_unit_is_hashed_as_salt_colon_key() -> None:
    """B2."""
    assert unit_bucket("r-1", "user-7") == bucket("r-1:user-7")
    assert unit_bucket("r-1", "user-7", bucketing="v3") == bucket_v3("r-1:user-7")


@given(value=st.integers(0, 2**32 - 1), total=st.integers(1, 2**31 - 1), share=st.floats(0, 1))
def test_a_threshold_says_the_same_as_the_bucket(value: int, total: int, share: float) -> None:
    cumulated = int(total * share)
    assert (value < threshold(cumulated, total)) == ((value * total) >> 32 < cumulated)


def test_a_lone_surrogate_hashes_as_the_replacement_character() -> None:
    """As JavaScript's and Go's encoders have it."""
    assert hash_text("a\ud800b") == hash_text("a\ufffdb")
    assert hash_text("\U0001f600") == hash_text("\ud83d\ude00")


@pytest.mark.parametrize("value", [object(), {1: 2}, {"a": {1, 2}}])
def test_what_is_not_json_has_no_v3_bucket(value: object) -> None:
    with pytest.raises(TypeError):
        bucket_v3(value)
