"""`python -m relens`: the same as the command."""

from relens.cli import main

if __name__ == "__main__":
    main()
