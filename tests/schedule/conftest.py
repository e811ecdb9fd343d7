"""The comparison with Salt's own evaluator runs where `AGENTLESS_SALT_PYTHON` names a Python that has `salt`."""

from __future__ import annotations

import os

collect_ignore = [] if os.environ.get("AGENTLESS_SALT_PYTHON") else ["test_salt.py"]
