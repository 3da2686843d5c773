"""`python -m shualian`: the command, where its script is not on the path."""

from shualian.cli.main import run

if __name__ == "__main__":
    run()
