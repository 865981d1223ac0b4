"""`python -m consilience` is `consilience`."""

from consilience.cli import main

main()
