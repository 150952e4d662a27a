"""`python -m orchestrator`."""

import sys

try:
    from orchestrator.cli import run
except ModuleNotFoundError as error:
    if str(error.name).startswith("orchestrator"):
        raise
    # a clone, and a Python into which nothing was installed
    sys.exit(
        f"Error: {sys.executable} has no package '{error.name}'; install what is needed, in a virtual environment: "
        "pip install -c constraints.txt -e ."
    )

if __name__ == "__main__":
    run()
