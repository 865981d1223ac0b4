"""`python -m consilience.cli` is `consilience`."""

from consilience.cli import main

main()
