"""The command line: parse arguments, call the API by its client, print. Importing this needs no extra."""


def main() -> int:
    """Entry point of the `ebbgate` command; returns its exit status."""
    from ebbgate.cli.failures import missing_extra, report

    try:
        from ebbgate.cli.root import run
    except ModuleNotFoundError as error:
        return report(missing_extra(error))
    return run()
