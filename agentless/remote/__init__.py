"""The helper: what agentless brings to a host. Standard library only, Python 3.6 and later.

On the host this package is called `remote`; the controller shares `wire`.
"""

# The bytecode of rooms by module, where they come from bundle.py's file.
rooms = {}  # type: dict[str, object]
