"""Random faults against real hosts, with the hosts' own disks as the oracle."""
