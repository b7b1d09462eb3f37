"""`python -m cyclescape` is the command line."""

from .cli import main

main()
