"""From a job to its returns: connections, the helper's calls, and the fan-out over hosts."""
