"""The command line: the only room that prints. `consilience --help` begins here."""

from __future__ import annotations


def main() -> None:
    """Run the command line on the arguments of this process."""
    from consilience.cli.app import app

    app()
