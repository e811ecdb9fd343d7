"""`python -m agentless`."""

import sys

from agentless.cli import main

if __name__ == "__main__":
    sys.exit(main())
