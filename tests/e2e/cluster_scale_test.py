"""Suite `cluster_scale`: more collections, more shards, and a fourth node. cluster_elastic_test.py moves shards."""

import cluster_harness
import harness
from cluster_workload import check_digests


class ClusterScaleTest(cluster_harness.ClusterTest):
    def test_many_shards_and_a_fourth_node(self):
        cluster = self.start_cluster()
        self.check_many_collections(cluster)
        self.check_placement_stays_even(cluster)
        self.check_a_factor_is_raised(cluster)
        self.check_a_fourth_node_joins(cluster)

    def fill(self, cluster, name, count=60):
        body = {"vectors": [{"id": i, "vector": [i, 1]} for i in range(count)]}
        self.expect(cluster.some().client().post(f"/collections/{name}/vectors", body))

    def check_many_collections(self, cluster):
        names = [f"many-{number}" for number in range(8)]
        for number, name in enumerate(names):
            self.create(cluster, name, 2, node=cluster.nodes[number % 3], sharding={"shard_count": 3})
            self.fill(cluster, name)
        for node in cluster.nodes:
            client = node.client()
            listed = self.expect(client.get("/collections"))
            self.assertEqual(sorted(c["name"] for c in listed["collections"]), names)
            for name in names:
                self.assertEqual(self.expect(client.post(f"/collections/{name}/vectors/count", {}))["count"], 60)

    def check_placement_stays_even(self, cluster):
        """24 shards each on their own: primaries and copies differ by one between nodes, at every factor."""
        for factor in (1, 2, 3):
            name = f"factor-{factor}"
            self.create(cluster, name, 2, sharding={"shard_count": 24, "replication_factor": factor})
            self.fill(cluster, name, 200)
            shards = [s for s in cluster.shards() if s["collection"] == name]
            for counted in ([s["primary"] for s in shards], [node for s in shards for node in s["replicas"]]):
                counts = [counted.count(node.id) for node in cluster.nodes]
                self.assertLessEqual(max(counts) - min(counts), 1, (factor, counts))
            self.assertEqual({len(s["replicas"]) for s in shards}, {factor})
            self.assertEqual(sum(s["vector_count"] for s in shards), 200)
        cluster.wait_green()

    def check_a_factor_is_raised(self, cluster):
        """One copy of each shard becomes three, equal ones, while the collection is written to."""
        self.create(cluster, "raised", 2, sharding={"shard_count": 4, "replication_factor": 1})
        self.fill(cluster, "raised", 200)
        client = cluster.nodes[1].client()
        self.expect(client.patch("/collections/raised", {"sharding": {"replication_factor": 3}}))
        self.fill(cluster, "raised", 300)

        def everywhere():
            shards = [s for s in cluster.shards() if s["collection"] == "raised"]
            return len(shards) == 4 and all(sorted(s["in_sync"]) == [n.id for n in cluster.nodes] for s in shards)
        cluster.until("each shard has three copies in sync", everywhere)
        check_digests(self, cluster, "raised")
        info = self.expect(client.get("/collections/raised"))
        self.assertEqual(info["sharding"]["replication_factor"], 3)
        for node in cluster.nodes:  # each of its own copies
            reply = self.expect(node.client().post("/collections/raised/vectors/count", {"consistency": "any"}))
            self.assertEqual(reply["count"], 300)
        self.expect_error(client.patch("/collections/raised", {"sharding": {"replication_factor": 4}}), 400, "validation_error")

    def check_a_fourth_node_joins(self, cluster):
        """It has the longer list, the others still the shorter one."""
        fourth = cluster.add_nodes(1)[0]
        fourth.configure(cluster.nodes, cluster.extra)
        fourth.start()

        def active(node):
            nodes = self.expect(cluster.ask("/api/v1/cluster/nodes", node))["nodes"]
            return [(n["id"], n["status"]) for n in nodes] == [(n.id, "active") for n in cluster.nodes]
        for node in cluster.nodes:
            cluster.until(f"{node.id} sees four active nodes", lambda seen=node: active(seen))
        self.assertEqual(self.expect(fourth.client().post("/collections/factor-2/vectors/count", {}))["count"], 200)

        self.create(cluster, "after", 2, node=fourth, sharding={"shard_count": 8})
        self.fill(cluster, "after")
        primaries = [s["primary"] for s in cluster.shards() if s["collection"] == "after"]
        self.assertEqual(sorted(primaries.count(node.id) for node in cluster.nodes), [2, 2, 2, 2])
        cluster.wait_green()
        fourth.kill()  # what it led goes on without it
        cluster.until("the others serve all of it", lambda: self.expect(
            cluster.ask("/collections/after"))["vector_count"] == 60 and "red" not in cluster.status()["status"])
        cluster.restart(fourth)
        cluster.wait_green()


if __name__ == "__main__":
    harness.main()
