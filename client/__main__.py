"""`python -m ligserve.client`: the command line."""

from ligserve.client.cli import main

main()
