"""The command line: parse arguments, call the API by its client, print."""


def main() -> int:
    """Entry point of the `ebbgate` command."""
    from ebbgate.cli.root import run

    return run()
