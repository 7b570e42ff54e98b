"""What is deployed into the repository's folder is no change of its source."""

from ebbgate.core.releases.changes import hides_output, source_changes

OUTPUTS = ("deployed", "var/live", ".ebbgate")


def test_untracked_outputs_are_no_changes_of_the_source() -> None:
    seen = [("??", "deployed/"), ("??", ".ebbgate/"), ("??", "var/live/current")]
    assert source_changes(seen, OUTPUTS) == []


def test_what_git_tracks_in_an_output_and_all_that_lies_beside_it_are_changes() -> None:
    seen = [(" M", "deployed/index.html"), ("??", "deployed-by-hand/"), ("A ", "src/new.py"), ("??", "notes")]
    assert source_changes(seen, OUTPUTS) == ["deployed/index.html", "deployed-by-hand/", "src/new.py", "notes"]


def test_a_folder_that_git_sums_up_is_looked_into_where_an_output_is_in_it() -> None:
    assert hides_output([("??", "var/")], OUTPUTS)
    assert not hides_output([("??", "deployed/"), (" M", "var/x")], OUTPUTS)
