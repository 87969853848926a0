"""``python -m safeasr``: the command line."""

from safeasr.cli import main

if __name__ == "__main__":
    main()
