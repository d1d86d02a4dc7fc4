"""Suite `cluster_integration`: a life with data: one node becomes the first of three, disks are wiped, lists differ."""

import json

import cluster_harness
import cluster_workload
import harness

COUNT = 1000


class ClusterIntegrationTest(cluster_harness.ClusterTest):
    def vectors(self):
        return [{"id": i, "vector": [i % 31, i // 31, 1, 0], "payload": {"i": i, "text": f"ü{i}"}} for i in range(COUNT)]

    def fill_single(self, node):
        """A node without a cluster, and so of the default name, with 1,000 vectors; stopped again."""
        configured, node.arguments = node.arguments, []
        node.start()
        client = node.client()
        self.expect(client.post("/collections", {"name": "old", "dimension": 4, "metric": "euclidean", "sharding": {"shard_count": 3}}), 201)
        self.expect(client.post("/collections/old/vectors", {"vectors": self.vectors()}))
        client.close()
        self.assertEqual(node.terminate(), 0)
        node.arguments = configured

    def check_data(self, cluster):
        cluster.until("every shard has a primary", lambda: self.expect(cluster.some().client().post("/collections/old/vectors/count", {})))
        for node in cluster.nodes:
            client = node.client()
            seen = self.expect(client.post("/collections/old/vectors/scroll", {"limit": COUNT + 1, "with_vector": True, "with_payload": True}))
            self.assertEqual(seen["vectors"], self.vectors(), f"through {node.id}")
            hits = self.expect(client.post("/collections/old/search", {"vector": [7, 7, 1, 0], "limit": 1}))["results"]
            self.assertEqual((hits[0]["id"], hits[0]["score"]), (7 * 31 + 7, 0))
            client.close()

    def test_a_single_node_with_data_becomes_the_first_of_three(self):
        cluster = cluster_harness.Cluster(self)
        single = cluster.nodes[1]  # not even the first of the list
        self.fill_single(single)
        cluster.start()
        self.check_data(cluster)
        self.create(cluster, "new", 4, sharding={"shard_count": 6, "replication_factor": 3})
        self.expect(cluster.nodes[0].client().post("/collections/new/vectors", {"vectors": self.vectors()}))
        self.check_a_wiped_disk(cluster)
        self.check_data(cluster)
        self.check_idempotency(cluster)

    def check_a_wiped_disk(self, cluster):
        """The wiped first of the list joins its cluster again, as a new disk, and is filled."""
        cluster.wait_green()
        before = cluster.status()
        wiped = cluster.nodes[0]
        wiped.kill()
        wiped.wipe()
        cluster.restart(wiped)
        cluster.wait_green()
        self.assertEqual(cluster.status(wiped)["nodes"], before["nodes"])
        self.assertEqual(self.expect(wiped.client().post("/collections/new/vectors/count", {}))["count"], COUNT)
        cluster_workload.check_copies(self, cluster, "new")
        for node in cluster.others(wiped):  # what it was given is on its own disk: it serves alone what it holds
            node.kill()
        for node in cluster.others(wiped):
            node.start(wait=False)
        cluster.wait_ready()
        cluster.wait_green()

    def check_idempotency(self, cluster):
        """A key works through any node: the same body applies once, another body is a conflict."""
        headers = {"Idempotency-Key": "once"}
        body = {"vectors": [{"id": "k", "vector": [1, 2, 3, 4], "payload": {"n": 1}}]}
        first, second, third = [node.client() for node in cluster.nodes]
        self.expect(first.post("/collections/new/vectors", body, headers=headers))
        self.expect(second.put("/collections/new/vectors/k", {"vector": [9, 9, 9, 9]}))
        for again in (first, second, third):
            self.assertEqual(self.expect(again.post("/collections/new/vectors", body, headers=headers))["upserted"], 1)
            self.assertEqual(self.expect(third.get("/collections/new/vectors/k?consistency=primary"))["vector"], [9, 9, 9, 9])
        other = json.loads(json.dumps(body))
        other["vectors"][0]["vector"] = [5, 5, 5, 5]
        for client in (first, second, third):
            self.expect_error(client.post("/collections/new/vectors", other, headers=headers), 409, "conflict")

    def test_two_nodes_with_data_refuse_each_other(self):
        cluster = cluster_harness.Cluster(self)
        for node in cluster.nodes[:2]:
            self.fill_single(node)
        for node in cluster.nodes:
            node.start(wait=False)

        def says_why(node):
            reply = cluster.ask("/health/ready", node)
            self.assertEqual(reply.status, 503, repr(reply))
            return "data" in reply.json["message"] or "collections" in reply.json["message"]
        for node in cluster.nodes[:2]:
            cluster.until(f"{node.id} says that another has data too", lambda seen=node: says_why(seen))
        self.assertEqual(cluster.nodes[0].client().post("/collections", {"name": "x", "dimension": 2}).status, 503)
        cluster.nodes[1].terminate()
        cluster.nodes[1].wipe()
        cluster.nodes[1].start(wait=False)
        cluster.wait_ready()
        self.check_data(cluster)


if __name__ == "__main__":
    harness.main()
