"""The manual testing checklist of the deployment guide, box by box, on real nodes: scripts/acceptance.sh.

A box that fails does not hide the others, unless they need what it made. Figures are printed, never judged.
"""

import random
import statistics
import sys
import threading
import time

import cluster_harness
import harness

DIMENSION = 128
COUNT = 600
DOCS = "/collections/distributed-collection"


def vector(number):
    """The nearest neighbour of vector(n) is n."""
    return harness.random_vector(random.Random(number), DIMENSION)


class Writer(threading.Thread):
    """Inserts one vector after the other through nodes that answer, and keeps the ids that were acknowledged."""

    def __init__(self, cluster, first):
        super().__init__()
        self.cluster, self.next, self.acknowledged = cluster, first, []
        self.ending = threading.Event()

    def run(self):
        while not self.ending.is_set():
            client = harness.Client(self.cluster.some().port, timeout=45)
            try:
                if client.post(DOCS + "/vectors", {"vectors": [{"id": self.next, "vector": vector(self.next)}]}).status == 200:
                    self.acknowledged.append(self.next)
            except OSError:
                pass  # its node died under it
            finally:
                client.close()
            self.next += 1

    def finish(self):
        self.ending.set()
        self.join()
        return self.acknowledged


class Acceptance(cluster_harness.ClusterTest):
    """The boxes in their order; each returns what it saw."""

    def runTest(self):  # pylint: disable=invalid-name
        self.cluster = self.start_cluster(environment={"VECTORIZER_CLUSTER_REBALANCE_AFTER": "0"})
        failed = 0
        for title, boxes in (
                ("Basic Operations", (self.create_distributed_collection, self.insert_vectors, self.search_vectors,
                                      self.update_vectors, self.delete_vectors)),
                ("Node Management", (self.add_node_to_cluster, self.verify_shard_rebalancing, self.check_cluster_state_synchronization,
                                     self.remove_node_from_cluster)),
                ("Failure Scenarios", (self.node_failure_during_insert, self.node_failure_during_search, self.network_partition,
                                       self.node_recovery)),
                ("Performance", (self.concurrent_inserts, self.concurrent_searches, self.throughput_and_latency_measurement))):
            print(f"\n{title}")
            for box in boxes:
                try:
                    seen, tick = box(), "x"
                except Exception as problem:  # pylint: disable=broad-except
                    seen, tick = repr(problem), " "
                    failed += 1
                print(f"  [{tick}] {box.__name__.replace('_', ' ').capitalize()}: {seen}")
        self.assertEqual(failed, 0, "boxes that are not ticked")

    def some(self):
        return self.cluster.some().client()

    def count(self, node=None):
        return self.expect((node or self.cluster.some()).client().post(DOCS + "/vectors/count", {}))["count"]

    def nearest(self, number, node):
        body = {"vector": vector(number), "limit": 3, "consistency": "primary"}  # sees what was just written
        reply = self.expect(node.client().post(DOCS + "/search", body))
        self.assertEqual(len(reply["results"]), 3)
        return reply["results"][0]["id"]

    def migrations_over(self):
        moves = self.expect(self.cluster.ask("/api/v1/cluster/migrations"))["migrations"]
        return all(move["state"] in ("done", "failed", "cancelled") for move in moves)

    def create_distributed_collection(self):
        self.create(self.cluster, "distributed-collection", DIMENSION,
                    sharding={"shard_count": 6, "virtual_nodes_per_shard": 100, "replication_factor": 2})
        self.cluster.wait_green()
        primaries = [shard["primary"] for shard in self.cluster.shards()]
        self.assertEqual(sorted(primaries.count(node.id) for node in self.cluster.nodes), [2, 2, 2])
        return "6 shards, 2 primaries on each node"

    def insert_vectors(self):
        for start in range(0, COUNT, 100):
            rows = [{"id": i, "vector": vector(i), "payload": {"even": i % 2 == 0}} for i in range(start, start + 100)]
            self.expect(self.some().post(DOCS + "/vectors", {"vectors": rows}))
        counts = [shard["vector_count"] for shard in self.cluster.shards()]
        self.assertEqual(sum(counts), COUNT)
        self.assertGreater(min(counts), 0)
        return f"{COUNT} vectors, by shard {counts}"

    def search_vectors(self):
        for number in range(0, COUNT, 20):
            for node in self.cluster.nodes:
                self.assertEqual(self.nearest(number, node), number)
        reply = self.expect(self.some().post(DOCS + "/search", {"vector": vector(1), "limit": COUNT, "params": {"exact": True}}))
        distances = [hit["score"] for hit in reply["results"]]
        self.assertEqual(len(distances), COUNT)
        self.assertEqual(distances, sorted(distances))
        return f"{COUNT // 20} searches through each node find their vector; {COUNT} hits of all shards in order"

    def update_vectors(self):
        self.expect(self.some().put(DOCS + "/vectors/7", {"vector": vector(100007), "payload": {"new": True}}))
        for node in self.cluster.nodes:
            found = self.expect(node.client().get(DOCS + "/vectors/7?with_vector=true"))
            self.assertEqual(found["payload"], {"new": True})
            self.assertEqual(self.nearest(100007, node), 7)
        self.expect(self.some().put(DOCS + "/vectors/7", {"vector": vector(7)}))
        return "seen through every node"

    def delete_vectors(self):
        self.expect(self.some().delete(DOCS + "/vectors/8"))
        for node in self.cluster.nodes:
            self.assertEqual(node.client().get(DOCS + "/vectors/8").status, 404)
            self.assertNotEqual(self.nearest(8, node), 8)
        self.expect(self.some().put(DOCS + "/vectors/8", {"vector": vector(8)}))
        return "gone for every node"

    def add_node_to_cluster(self):
        new = self.cluster.add_nodes(1)[0]
        new.configure(self.cluster.nodes, self.cluster.extra)
        new.start(wait=False)
        self.cluster.until("it is active", lambda: self.state_of(new) == "active")
        return f"{new.id} is active; the others were not restarted"

    def state_of(self, node):
        listed = self.expect(self.cluster.ask("/api/v1/cluster/nodes"))["nodes"]
        return next((n["status"] for n in listed if n["id"] == node.id), None)

    def verify_shard_rebalancing(self):
        before = self.cluster.shards()
        moves = self.expect(self.some().post("/api/v1/cluster/rebalance", {"force": True}))["migrations"]
        self.cluster.until("nothing moves", self.migrations_over, 120)
        self.cluster.wait_green()
        held = [node for shard in self.cluster.shards() for node in shard["replicas"]]
        counts = [held.count(node.id) for node in self.cluster.nodes]
        self.assertEqual(counts, [3, 3, 3, 3])
        self.assertEqual(len(before), len(self.cluster.shards()))
        self.assertEqual(self.count(), COUNT)
        return f"{len(moves)} moves; copies by node {counts}; nothing lost"

    def check_cluster_state_synchronization(self):
        views = [sorted((s["shard_id"], s["primary"], tuple(sorted(s["replicas"]))) for s in self.cluster.shards(node))
                 for node in self.cluster.nodes]
        self.assertTrue(all(view == views[0] for view in views))
        sync = self.expect(self.cluster.some().client().post("/api/v1/cluster/sync"))
        return f"all nodes show the same placements; sync: {sync['status']}"

    def remove_node_from_cluster(self):
        leaver = self.cluster.nodes[-1]
        self.expect(self.some().delete(f"/api/v1/cluster/nodes/{leaver.id}"))
        self.cluster.nodes.remove(leaver)
        self.cluster.until("it has left", lambda: self.state_of(leaver) == "removed", 120)
        self.cluster.wait_green()
        self.assertEqual(leaver.terminate(), 0)
        self.assertEqual(self.count(), COUNT)
        return f"{leaver.id} was drained and left; nothing lost"

    def victim(self):
        """A primary that the clients do not talk to."""
        return next(node for node in self.cluster.nodes[1:] if any(s["primary"] == node.id for s in self.cluster.shards()))

    def node_failure_during_insert(self):
        writer, victim = Writer(self.cluster, 10_000), self.victim()
        writer.start()
        self.cluster.until("it writes", lambda: len(writer.acknowledged) > 20)
        victim.kill()
        begin, before = time.monotonic(), len(writer.acknowledged)
        self.cluster.until("writes go on", lambda: len(writer.acknowledged) > before + 20)
        took = time.monotonic() - begin
        acknowledged = writer.finish()
        found = self.expect(self.some().post(DOCS + "/vectors/get", {"ids": acknowledged}))["vectors"]
        self.assertEqual(sorted(v["id"] for v in found), acknowledged)
        self.cluster.restart(victim)
        self.cluster.wait_green()
        return f"{victim.id} was killed; 20 more inserts {took:.1f} s later; {len(acknowledged)} acknowledged, none lost"

    def node_failure_during_search(self):
        victim, slowest = self.victim(), 0.0
        begin = time.monotonic()
        for number in range(120):
            if number == 20:
                victim.kill()
            asked = time.monotonic()
            self.assertEqual(self.nearest(number, self.cluster.nodes[0]), number)
            slowest = max(slowest, time.monotonic() - asked)
            time.sleep(0.05)  # so that the searches are spread over the takeover
        self.cluster.restart(victim)
        self.cluster.wait_green()
        return f"120 searches in {time.monotonic() - begin:.0f} s, none failed, the slowest took {slowest:.2f} s"

    def network_partition(self):
        cluster = self.start_cluster(links=True)  # of its own, through a proxy that can be cut
        self.create(cluster, "distributed-collection", DIMENSION, sharding={"shard_count": 6, "replication_factor": 2})
        cluster.wait_green()
        lonely, others = cluster.nodes[2], cluster.nodes[:2]
        cluster.links.partition([lonely.number], [node.number for node in others])
        cluster.until("the majority serves everything", lambda: all(
            node.client().post(DOCS + "/vectors", {"vectors": [{"id": 20_000 + node.number, "vector": vector(1)}]}).status == 200
            for node in others))
        refused = lonely.client().post(DOCS + "/vectors", {"vectors": [{"id": 30_000 + i, "vector": vector(2)} for i in range(50)]})
        self.assertGreaterEqual(refused.status, 500)
        cluster.links.heal()
        cluster.wait_green()
        self.assertEqual({self.count(node) for node in cluster.nodes}, {2})
        for node in cluster.nodes:
            node.terminate()
        return f"the majority goes on, the minority acknowledges nothing ({refused.json['error_type']}); equal after it heals"

    def node_recovery(self):
        node = self.cluster.nodes[1]
        expected = self.count()
        node.kill()
        self.cluster.until("the others serve everything", lambda: self.count(self.cluster.nodes[0]) == expected)
        begin = time.monotonic()
        self.cluster.restart(node)
        self.cluster.wait_green()
        took = time.monotonic() - begin
        self.assertEqual(self.count(node), expected)
        for shard in self.cluster.shards():
            self.assertTrue(self.expect(self.cluster.ask(f"/api/v1/cluster/shards/{shard['shard_id']}"))["copies_equal"])
        return f"{node.id} is in sync again after {took:.1f} s, and all copies are equal"

    def concurrent_inserts(self):
        def insert(number):
            client = self.cluster.nodes[number % 3].client()
            for batch in range(5):
                first = 100_000 + (number * 5 + batch) * 50
                self.expect(client.post(DOCS + "/vectors", {"vectors": [{"id": i, "vector": vector(i)} for i in range(first, first + 50)]}))
        before = self.count()
        cluster_harness.in_threads([lambda n=number: insert(n) for number in range(8)])
        self.assertEqual(self.count(), before + 2000)
        return "8 clients, 2,000 vectors, all there"

    def concurrent_searches(self):
        def search(number):
            for i in range(number * 20, number * 20 + 20):
                self.assertEqual(self.nearest(i, self.cluster.nodes[i % 3]), i)
        cluster_harness.in_threads([lambda n=number: search(n) for number in range(8)])
        return "8 clients, 160 searches, all found"

    def throughput_and_latency_measurement(self):
        client, times = self.cluster.nodes[0].client(), []
        for number in range(300):
            begin = time.monotonic()
            self.expect(client.post(DOCS + "/search", {"vector": vector(number), "limit": 10}))
            times.append(1000 * (time.monotonic() - begin))
        begin = time.monotonic()
        for batch in range(10):
            rows = [{"id": i, "vector": vector(i)} for i in range(200_000 + batch * 100, 200_100 + batch * 100)]
            self.expect(client.post(DOCS + "/vectors", {"vectors": rows}))
        rate = 1000 / (time.monotonic() - begin)
        cuts = statistics.quantiles(times, n=100)
        return f"one client: search p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms; {rate:.0f} inserted and replicated per second"


if __name__ == "__main__":
    sys.exit(0 if harness.unittest.TextTestRunner(verbosity=0).run(Acceptance()).wasSuccessful() else 1)
