"""`python -m neurodev COMMAND` is `neurodev COMMAND`, of the Python that is asked."""

from neurodev.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
