"""What is known of an executor."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from agentless.runner.cluster import WORKERS, Cluster


def test_an_executor_of_which_nothing_is_said_takes_some_shards_on_this_machine() -> None:
    with ThreadPoolExecutor(1) as executor:
        cluster = Cluster(executor)
        assert (cluster.workers, cluster.remote, cluster.private, cluster.of_worker) == (WORKERS, False, True, None)
        assert cluster.executor is executor
