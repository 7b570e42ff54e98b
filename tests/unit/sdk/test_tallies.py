from concurrent.futures import ThreadPoolExecutor

from ebbgate.sdk.tallies import Counter, Tallies


def test_no_count_is_lost_between_threads() -> None:
    counter = Counter()

    def work(_: int) -> None:
        for _ in range(10_000):
            counter.add()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert counter.read() == 80_000
    assert counter.read() == 80_000


def test_counts_are_by_flag_and_bounded() -> None:
    tallies = Tallies(flags_max=2)
    for flag in ("a", "b", "c", "d" * 200, ""):
        tallies.of(flag).evaluations.add()
    tallies.of("a").keyless.add()
    counts = tallies.counts()
    assert counts.evaluations == {"a": 1, "b": 1}
    assert counts.keyless == {"a": 1}
    assert counts.code_defaults == {}


def test_attributes_outside_a_rollout_are_bounded_over_all_flags() -> None:
    tallies = Tallies(flags_max=100)
    for flag in range(50):
        for name in range(50):
            tallies.of(f"flag-{flag}").count_missing(f"name-{name}")
    tallies.of("flag-0").count_missing("name-0")
    missing = tallies.counts().missing_attributes
    assert sum(map(len, missing.values())) == 2_000
    assert missing["flag-0"]["name-0"] == 2
