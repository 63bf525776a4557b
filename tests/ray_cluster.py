"""A real Ray cluster on this machine: a head and nodes of one core each, any of which can be killed."""

import contextlib
import os
from collections.abc import Iterator
from unittest import mock

from ray.cluster_utils import Cluster

NODE = {"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False}
# Nodes that are gone are to be missed within seconds and not within tens of them.
QUICK_TO_MISS = {"RAY_health_check_initial_delay_ms": "2000", "RAY_health_check_period_ms": "1000"}
# Ray's workers give way to every other process (15), so that beside another test they hardly get a core.
SHARE_CORES = {"RAY_worker_niceness": "0"}
MORE = {"RAY_health_check_failure_threshold": "10", "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_AUTO_CONNECT": "0"}


@contextlib.contextmanager
def running(nodes: int) -> Iterator[Cluster]:
    """One head, and so many nodes."""
    with mock.patch.dict(os.environ, QUICK_TO_MISS | SHARE_CORES | MORE):
        cluster = Cluster(initialize_head=True, head_node_args=NODE)
        try:
            for _ in range(nodes):
                cluster.add_node(**NODE)
            yield cluster
        finally:
            cluster.shutdown()
