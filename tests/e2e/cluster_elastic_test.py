"""Suite `cluster_scale`: nodes come and go while clients write and read, and a checker judges what they saw.

$VECTORIZER_ELASTIC_ROUNDS rounds of 3 -> 5 -> 3 (1 by default), and what takes longer; scripts/verify-full makes more.
"""

import os
import unittest

import cluster_harness
import cluster_workload
import harness

ROUNDS = int(os.environ.get("VECTORIZER_ELASTIC_ROUNDS", "1"))
LONG = "VECTORIZER_ELASTIC_ROUNDS" in os.environ
MOVE_SECONDS = 120
FAST = {"VECTORIZER_SERVER_WRITE_TIMEOUT_MS": "10000", "VECTORIZER_CLUSTER_REBALANCE_AFTER": "2", "VECTORIZER_CLUSTER_REPLACE_AFTER": "0"}
SLOW = {**FAST, "VECTORIZER_CLUSTER_REBALANCE_AFTER": "0", "VECTORIZER_CLUSTER_RECOVERY_BYTES_PER_SECOND": str(1 << 20)}


class ElasticTest(cluster_harness.ClusterTest):
    def migrations(self, cluster, node=None):
        return self.expect(cluster.ask("/api/v1/cluster/migrations", node))["migrations"]

    def wait_moved(self, cluster):
        """Nothing moves, and everything is fully copied."""
        def quiet():
            return not [m for m in self.migrations(cluster) if m["state"] not in ("done", "failed", "cancelled")]
        cluster.until("nothing moves", quiet, MOVE_SECONDS)
        cluster.wait_green()

    def copies(self, cluster):
        held = [node for shard in cluster.shards() for node in shard["replicas"]]
        return {node.id: held.count(node.id) for node in cluster.nodes}

    def status_of(self, cluster, node_id):
        return next((n["status"] for n in self.expect(cluster.ask("/api/v1/cluster/nodes"))["nodes"] if n["id"] == node_id), None)

    def rebalance(self, cluster, **body):
        return self.expect(cluster.some().client().post("/api/v1/cluster/rebalance", body or None))["migrations"]

    def join(self, cluster, *nodes):
        """The new ones have the longer list; the others go on with theirs."""
        for node in nodes:
            node.configure(cluster.nodes, cluster.extra)
            node.start(wait=False)
        for node in nodes:
            cluster.until(f"{node.id} is active", lambda id_=node.id: self.status_of(cluster, id_) == "active")

    def remove(self, cluster, node):
        """Drains it, waits until it has left and says so, and stops its process."""
        reply = self.expect(cluster.others(node)[0].client().delete(f"/api/v1/cluster/nodes/{node.id}"))
        self.assertEqual(reply["status"], "success")
        cluster.nodes.remove(node)
        cluster.until(f"{node.id} has left", lambda: self.status_of(cluster, node.id) == "removed", MOVE_SECONDS)

        def says_so():
            health = cluster.ask("/health/ready", node)
            assert health.status == 503 and "removed" in health.raw.decode(), repr(health)
            return True
        cluster.until(f"{node.id} says that it was removed", says_so)
        self.assertEqual(node.terminate(), 0, node.log())

    def test_three_to_five_to_three_under_load(self):
        cluster = self.start_cluster(environment=FAST)
        workload = cluster_workload.Workload(self, cluster, harness.seed(), factor=2).start()
        try:
            workload.progress(40)
            for _ in range(ROUNDS):
                workload.new_epoch()
                self.grow(cluster, workload)
                self.shrink(cluster, workload)
            workload.finish()
        except BaseException:
            workload.abandon()
            raise
        cluster_workload.check_copies(self, cluster, "registers", "unique")
        print(workload.summary(), flush=True)

    def grow(self, cluster, workload):
        new = cluster.add_nodes(2)
        self.join(cluster, *new)
        cluster.until("shards move to the new nodes by themselves", lambda: all(self.copies(cluster)[n.id] > 0 for n in new), MOVE_SECONDS)
        self.wait_moved(cluster)
        workload.progress(20)
        self.rebalance(cluster)
        self.wait_moved(cluster)
        self.assertEqual(self.rebalance(cluster), [], "what is even stays as it is")
        copies = self.copies(cluster)
        self.assertLessEqual(max(copies.values()) - min(copies.values()), 1, copies)

    def shrink(self, cluster, workload):
        for node in (cluster.nodes[-1], cluster.nodes[0]):
            self.remove(cluster, node)
            cluster.wait_green()
            workload.progress(20)

    @unittest.skipUnless(LONG, "takes minutes: set VECTORIZER_ELASTIC_ROUNDS")
    def test_every_node_is_replaced_one_after_another(self):
        cluster = self.start_cluster(environment=FAST)
        workload = cluster_workload.Workload(self, cluster, harness.seed(), factor=2).start()
        try:
            for old in list(cluster.nodes):
                workload.new_epoch()
                workload.progress(40)
                self.join(cluster, *cluster.add_nodes(1))
                self.wait_moved(cluster)
                self.remove(cluster, old)
                cluster.wait_green()
            workload.progress(40)
            workload.finish()
        except BaseException:
            workload.abandon()
            raise
        self.assertEqual([node.number for node in cluster.nodes], [4, 5, 6])
        cluster_workload.check_copies(self, cluster, "registers", "unique")
        print(workload.summary(), flush=True)

    def test_a_removed_node_joins_again_with_an_empty_directory(self):
        cluster = self.start_cluster(size=4, environment=FAST)
        self.create(cluster, "docs", 2, sharding={"shard_count": 4, "replication_factor": 3})
        self.expect(cluster.some().client().post("/collections/docs/vectors", {"vectors": [{"id": i, "vector": [i, 1]} for i in range(100)]}))
        leaver = cluster.leader()
        self.remove(cluster, leaver)
        refused = cluster.nodes[0].client().delete(f"/api/v1/cluster/nodes/{cluster.nodes[1].id}")
        self.expect_error(refused, 409, "conflict")
        self.assertIn("'docs' (3)", refused.json["message"])
        leaver.start(wait=False)  # with the old data
        self.assertNotEqual(leaver.wait(), 0)
        self.assertIn("empty its data directory", leaver.log())
        leaver.wipe()
        cluster.nodes.append(leaver)
        leaver.start(wait=False)
        cluster.until("it is a member again", lambda: self.status_of(cluster, leaver.id) == "active")
        cluster.until("it gets shards", lambda: self.copies(cluster)[leaver.id] > 0, MOVE_SECONDS)
        self.wait_moved(cluster)
        self.assertEqual(self.expect(leaver.client().post("/collections/docs/vectors/count", {}))["count"], 100)

    def test_a_node_that_is_lost_for_good_is_replaced(self):
        cluster = self.start_cluster(size=4, environment={**FAST, "VECTORIZER_CLUSTER_REPLACE_AFTER": "4", "VECTORIZER_CLUSTER_REBALANCE_AFTER": "0"})
        workload = cluster_workload.Workload(self, cluster, harness.seed(), factor=2).start()
        try:
            workload.progress(40)
            cluster.wait_green()
            lost = cluster.nodes[-1]
            lost.kill()
            cluster.nodes.remove(lost)

            def whole():
                status = cluster.status()
                return status["under_replicated_shards"] == 0 and status["unassigned_shards"] == 0 and all(
                    lost.id not in shard["replicas"] for shard in cluster.shards())
            cluster.until("its copies are made again on others", whole, MOVE_SECONDS)
            workload.progress(20)
            reply = self.expect(cluster.some().client().delete(f"/api/v1/cluster/nodes/{lost.id}?force=true"))
            self.assertEqual(reply["lost"], [])
            cluster.wait_green()
            workload.finish()
        except BaseException:
            workload.abandon()
            raise
        cluster_workload.check_copies(self, cluster, "registers", "unique")

    def fill_one_shard(self, cluster):
        """Far more than goes in one slice of a checkpoint (1 MiB), in one copy; returns the node that has it."""
        dimension = 1024
        self.create(cluster, "large", dimension, sharding={"shard_count": 1, "replication_factor": 1})
        for start in range(0, 3000, 500):
            rows = [{"id": i, "vector": [i % 7 + 0.5] * dimension} for i in range(start, start + 500)]
            self.expect(cluster.some().client().post("/collections/large/vectors", {"vectors": rows}))
        return cluster.primary_of("large")

    def test_a_shard_of_many_slices_moves_as_a_checkpoint(self):
        cluster = self.start_cluster(environment={**FAST, "VECTORIZER_CLUSTER_REBALANCE_AFTER": "0"})
        self.remove(cluster, self.fill_one_shard(cluster))
        log = cluster.primary_of("large").log(1000)
        self.assertIn("has a checkpoint of sequence", log)
        self.assertNotIn("was not taken over", log)
        self.assertEqual(self.expect(cluster.some().client().post("/collections/large/vectors/count", {}))["count"], 3000)

    @unittest.skipUnless(LONG, "takes a minute: set VECTORIZER_ELASTIC_ROUNDS")
    def test_a_move_outlives_crashes_of_source_target_and_leader(self):
        cluster = self.start_cluster(environment=SLOW)
        source = self.fill_one_shard(cluster)
        self.expect(cluster.others(source)[0].client().delete(f"/api/v1/cluster/nodes/{source.id}"))

        def move():
            rows = self.migrations(cluster)
            self.assertEqual(len(rows), 1)
            return rows[0]

        def copying():
            row = move()
            self.assertNotIn(row["state"], ("failed", "cancelled"), row)
            return row["state"] == "copying" and row["bytes_done"] > 0
        victims = (lambda: source, lambda: cluster.node(move()["to_node"]), cluster.leader)
        for victim in victims:
            cluster.until("it is being copied", copying)
            dead = victim()
            dead.kill()
            cluster.until("the others go on", lambda: cluster.leader() is not dead)  # pylint: disable=cell-var-from-loop
            cluster.restart(dead)
        cluster.until("it has moved", lambda: move()["state"] == "done", MOVE_SECONDS)
        cluster.until("the source has left", lambda: self.status_of(cluster, source.id) == "removed", MOVE_SECONDS)
        cluster.nodes.remove(source)
        self.assertEqual(self.expect(cluster.some().client().post("/collections/large/vectors/count", {}))["count"], 3000)

    def test_moves_are_shown_throttled_and_cancelled(self):
        cluster = self.start_cluster(environment=SLOW)
        holder = self.fill_one_shard(cluster)
        reply = self.expect(cluster.others(holder)[0].client().delete(f"/api/v1/cluster/nodes/{holder.id}"))
        self.assertEqual(len(reply["migrations"]), 1)

        seen = []

        def copying():
            seen.extend(self.migrations(cluster, cluster.others(holder)[0]))
            return seen and seen[-1]["state"] == "copying" and seen[-1]["bytes_done"] > 0 and seen[-1]["eta_seconds"] is not None
        cluster.until("it is being copied", copying)
        row = seen[-1]
        self.assertGreater(row["bytes_total"], row["bytes_done"], row)
        self.assertLess(row["progress"], 1)
        for node in cluster.nodes:
            self.assertEqual(self.migrations(cluster, node)[0]["id"], row["id"])
        self.expect(cluster.some().client().post(f"/api/v1/cluster/nodes/{holder.id}/cancel-drain"))
        self.assertEqual(self.status_of(cluster, holder.id), "active")
        cluster.until("the move was taken back", lambda: self.migrations(cluster)[0]["state"] == "cancelled")
        self.assertEqual([s["replicas"] for s in cluster.shards()], [[holder.id]])
        self.assertEqual(self.expect(cluster.ask("/collections/large"))["vector_count"], 3000)


if __name__ == "__main__":
    harness.main()
