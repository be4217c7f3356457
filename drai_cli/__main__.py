"""`python -m drai_cli` is `drai`."""

from drai_cli.cli.app import main

if __name__ == "__main__":
    main()
