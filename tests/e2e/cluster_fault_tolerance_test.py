"""Suite `cluster_fault_tolerance`: clients write and read through every node while it is killed, paused, wiped and cut off.

After every fault the cluster must become whole by itself; at the end a checker judges everything that the clients saw, and the copies
of every shard are compared. $VECTORIZER_CLUSTER_ROUNDS faults (5 by default), $VECTORIZER_CLUSTER_FAULTS names those to choose from;
scripts/cluster-kill-test runs more.
"""

import json
import os
import random
import statistics
import time

import cluster_faults
import cluster_harness
import cluster_workload
import harness

ROUNDS = int(os.environ.get("VECTORIZER_CLUSTER_ROUNDS", "5"))
CHOICE = os.environ.get("VECTORIZER_CLUSTER_FAULTS", "").split()
SHORT = ("kill_primary", "pause_primary", "partition_primary", "wipe_one", "kill_all")
GREEN_SECONDS = 120


def in_turn(rng, names, count):
    """Every fault equally often, in random order."""
    chosen = []
    while len(chosen) < count:
        chosen += rng.sample(names, len(names))
    return chosen[:count]


def describe(times):
    lines = []
    for kind, seconds in sorted(times.items()):
        ordered = sorted(seconds)
        p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        lines.append(f"  {kind}: n {len(ordered)}, median {statistics.median(ordered):.2f} s, p95 {p95:.2f} s, max {ordered[-1]:.2f} s")
    return "\n".join(lines)


class FaultToleranceTest(cluster_harness.ClusterTest):
    def test_nothing_acknowledged_is_lost_and_registers_stay_linearizable(self):
        seed = harness.seed()
        rng = random.Random(seed)
        names = CHOICE or list(SHORT if ROUNDS <= len(SHORT) else cluster_faults.PROCESS_FAULTS + cluster_faults.LINK_FAULTS)
        cluster = self.start_cluster(links=True, environment=cluster_faults.WRITE_SECONDS)
        workload = cluster_workload.Workload(self, cluster, seed).start()
        faults = cluster_faults.Faults(self, cluster, rng)
        try:
            for number, name in enumerate(in_turn(rng, names, ROUNDS), 1):
                begin = time.monotonic()
                workload.new_epoch()
                workload.progress(40)
                getattr(faults, name)()
                healed = cluster.wait_green(GREEN_SECONDS)
                workload.progress(20)
                print(f"round {number}: {name}, {time.monotonic() - begin:.1f} s, green after {healed:.1f} s, {workload.summary()}", flush=True)
            workload.finish()
        except BaseException:
            workload.abandon()
            raise
        cluster_workload.check_copies(self, cluster, "registers", "unique")
        print(f"{ROUNDS} faults, {workload.summary()}\n{describe(faults.times)}", flush=True)
        self.record(faults.times, workload)

    def record(self, times, workload):
        """One line for scripts that add up many runs."""
        path = os.environ.get("VECTORIZER_CLUSTER_RESULTS")
        if path:
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"seed": workload.seed, "rounds": ROUNDS, "acknowledged": workload.acknowledged(), "times": times}) + "\n")


if __name__ == "__main__":
    harness.main()
