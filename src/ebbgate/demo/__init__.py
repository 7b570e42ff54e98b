"""The main job, shown: one rollout that reaches everybody, and one that takes itself back."""

from ebbgate.demo.settings import DemoSettings, Version

__all__ = ["DemoSettings", "Version", "run"]


def run(settings: DemoSettings) -> int:
    """Play the demo; returns its exit status."""
    from ebbgate.demo.script import run as play

    return play(settings)
