"""Suite `cluster_failures`: what clients are told while nodes are gone, and that everything is there when they are back."""

import itertools
import os
import random
import shutil
import subprocess
import time
import unittest

import cluster_faults
import cluster_harness
import cluster_workload
import harness


HUNG_DISK = os.environ.get("VECTORIZER_HUNG_DISK_LIBRARY")


class ClusterFailuresTest(cluster_harness.ClusterTest):
    def test_a_node_dies_during_inserts_and_searches(self):
        seed = harness.seed()
        rng = random.Random(seed)
        cluster = self.start_cluster(environment=cluster_faults.WRITE_SECONDS)
        workload = cluster_workload.Workload(self, cluster, seed).start()
        faults = cluster_faults.Faults(self, cluster, rng)
        try:
            for name in ("kill_primary", "kill_primary_and_leader"):
                workload.new_epoch()
                workload.progress(40)
                getattr(faults, name)()
                cluster.wait_green()
            workload.finish()
        except BaseException:
            workload.abandon()
            raise
        cluster_workload.check_copies(self, cluster, "registers", "unique")
        print(f"{workload.summary()}, failover {faults.times}", flush=True)

    @unittest.skipIf(HUNG_DISK is None, "built with a sanitizer")
    def test_a_disk_that_hangs(self):
        """It gives no errors. Its node gives its shards up, and ends at last with a status of its own."""
        cluster = cluster_harness.Cluster(self, environment=cluster_faults.WRITE_SECONDS)
        for node in cluster.nodes:
            node.environment = {**node.environment, "LD_PRELOAD": HUNG_DISK, "VECTORIZER_HUNG_DISK": os.path.join(node.home, "hang")}
        cluster.start()
        probe = cluster_faults.Probe(self, cluster, lambda node: node is not cluster.leader())
        victim = probe.primary
        begin = time.monotonic()
        with open(victim.environment["VECTORIZER_HUNG_DISK"], "w", encoding="utf-8"):
            pass
        taken_over = probe.seconds_until_acknowledged(begin)
        self.assertNotEqual(cluster.primary_of(probe.name), victim)
        self.assertIn("waiting for the disk", victim.log())
        status = victim.process.wait(45)
        print(f"taken over after {taken_over:.1f} s, ended after {time.monotonic() - begin:.1f} s", flush=True)
        self.assertEqual(status, 75, victim.log())
        os.remove(victim.environment["VECTORIZER_HUNG_DISK"])
        cluster.restart(victim)
        cluster.wait_green()
        cluster_workload.check_digests(self, cluster, probe.name)

    def test_a_full_disk(self):
        """Of one node: it says so, the others go on without it, and it catches up when there is room."""
        cluster = cluster_harness.Cluster(self)
        victim = cluster.nodes[1]
        os.makedirs(victim.data_dir)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", victim.data_dir], capture_output=True, check=False).returncode:
            self.skipTest("needs root, for a small file system")
        self.addCleanup(subprocess.run, ["umount", "--lazy", victim.data_dir], check=False)
        cluster.start()
        self.create(cluster, "docs", 2, sharding={"shard_count": 6, "replication_factor": 3})
        cluster.wait_green()
        client = cluster.nodes[0].client()

        def write(number):
            return client.post("/collections/docs/vectors", {"vectors": [{"id": number, "vector": [number, 1]}]})
        acknowledged = [number for number in range(60) if write(number).status == 200]
        self.assertEqual(len(acknowledged), 60)
        space = os.statvfs(victim.data_dir)
        filler = os.path.join(victim.data_dir, "filler")
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize - (4 << 20))

        def seen_full():
            return "nearly full" in self.expect(cluster.ask("/health", victim)).get("warning", "")
        cluster.until("it says so", seen_full)
        refused, numbers = [], iter(range(1000, 10_000))

        def goes_on():
            replies = [(number, write(number)) for number in itertools.islice(numbers, 30)]
            acknowledged.extend(number for number, reply in replies if reply.status == 200)
            refused[:] = [reply for _, reply in replies if reply.status != 200]
            return 0 < len(refused) < 25 and all(reply.json["error_type"] == "storage_full" for reply in refused)
        cluster.until("shards that others lead go on", goes_on)
        self.expect(client.post("/collections/docs/vectors/delete", {"ids": [0]}))  # makes room
        self.assertEqual(self.expect(victim.client().post("/collections/docs/vectors/count", {}))["count"], len(acknowledged) - 1)
        os.remove(filler)
        cluster.until("writes of all shards go on", lambda: all(write(number).status == 200 for number in range(2, 60)))
        cluster.wait_green()
        self.assertEqual(self.expect(victim.client().post("/collections/docs/vectors/count", {}))["count"], len(acknowledged) - 1)
        cluster_workload.check_digests(self, cluster, "docs")

    def test_a_disk_that_was_put_back(self):
        """A copy of a data directory that was taken while its node ran: the node would vote and serve with what it has forgotten."""
        cluster = self.start_cluster()
        self.create(cluster, "docs", 2, sharding={"shard_count": 2, "replication_factor": 3})
        client = cluster.nodes[0].client()

        def write(first):
            vectors = [{"id": first + i, "vector": [i, 1]} for i in range(50)]
            self.expect(client.post("/collections/docs/vectors", {"vectors": vectors}))
        write(0)
        victim = cluster.nodes[2]
        copy = victim.data_dir + ".copy"
        victim.pause()  # so that the copy is of one moment
        shutil.copytree(victim.data_dir, copy)
        victim.resume()
        write(50)
        cluster.wait_green()
        cluster_workload.check_digests(self, cluster, "docs")
        time.sleep(2)  # what is younger than that nobody remembers
        victim.kill()
        victim.wipe()
        os.rename(copy, victim.data_dir)
        victim.start(wait=False)
        self.assertEqual(victim.process.wait(30), 65, victim.log())
        for part in ("was put back to an earlier state", "Wipe this node"):
            self.assertIn(part, victim.log())
        victim.wipe()
        cluster.restart(victim)
        cluster.wait_green()
        cluster_workload.check_digests(self, cluster, "docs")
        self.assertEqual(self.expect(victim.client().post("/collections/docs/vectors/count", {}))["count"], 100)

    def test_a_majority_is_gone(self):
        """One of three refuses changes and writes, says why, and nothing is lost when the others return."""
        cluster = self.start_cluster(environment=cluster_faults.WRITE_SECONDS)
        self.create(cluster, "registers", cluster_workload.DIMENSION, sharding={"shard_count": 6, "replication_factor": 3})
        vectors = [{"id": i, "vector": [i, 0, 0, 1]} for i in range(300)]
        self.expect(cluster.some().client().post("/collections/registers/vectors", {"vectors": vectors}))
        alone = cluster.nodes[2]
        for node in cluster.others(alone):
            node.kill()
        cluster_faults.Faults(self, cluster, random.Random(0)).check_alone(alone)
        self.check_what_is_said(cluster, alone)
        cluster.restart(*cluster.others(alone))
        cluster.wait_green()
        for node in cluster.nodes:
            client = node.client()
            self.assertEqual(self.expect(client.get("/collections/registers"))["vector_count"], 300)
            self.assertEqual(self.expect(client.get("/collections/registers/vectors/299"))["vector"], [299, 0, 0, 1])
            self.assertEqual(client.get("/collections/minority").status, 404)

    def check_what_is_said(self, cluster, alone):
        self.assertEqual(cluster.ask("/health", alone).json["status"], "healthy")
        self.assertEqual(cluster.ask("/health/ready", alone).status, 503)
        self.assertEqual(self.expect(cluster.ask("/api/v1/cluster/status", alone, timeout=30))["status"], "red")
        search = {"vector": [1, 0, 0, 1], "limit": 5}
        client = alone.client()

        def refused():
            reply = client.post("/collections/registers/search", search)
            self.assertEqual(reply.status, 503, repr(reply))
            self.assertIn(reply.json["error_type"], ("shard_unavailable", "node_unreachable", "no_active_nodes"))
            return True
        cluster.until("a search that cannot ask every shard fails", refused, 30)
        partial = self.expect(client.post("/collections/registers/search", {**search, "allow_partial": True}))
        self.assertGreater(partial["shards"]["failed"], 0)
        self.assertEqual(len(partial["shards"]["failures"]), partial["shards"]["failed"])
        self.assertEqual(partial["shards"]["successful"] + partial["shards"]["failed"], 6)


if __name__ == "__main__":
    harness.main()
