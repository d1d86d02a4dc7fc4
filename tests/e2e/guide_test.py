"""The commands of the cluster deployment guide that one node can serve, with the guide's own bodies and no more."""

import json
import subprocess

import harness

CREATE = """{
    "name": "distributed-collection",
    "dimension": 512,
    "metric": "cosine",
    "sharding": {
      "shard_count": 6,
      "virtual_nodes_per_shard": 100
    }
  }"""


class GuideTest(harness.ServerTest):
    def setUp(self):
        super().setUp()
        self.server = self.start_server()

    def curl(self, *arguments):
        """curl as the guide calls it; the path stands for http://<node>:15002<path>."""
        *options, path = arguments
        command = ["curl", "-sS", "--max-time", "30", *options, f"http://127.0.0.1:{self.server.port}{path}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def create(self):
        return json.loads(self.curl("-X", "POST", "-H", "Content-Type: application/json", "-d", CREATE, "/collections"))

    def test_health_check_script(self):
        health = json.loads(self.curl("-f", "/health"))
        self.assertEqual(health["status"], "healthy")
        self.assertEqual(health["node_id"], "node-1")

    def test_verify_cluster(self):
        nodes = json.loads(self.curl("/api/v1/cluster/nodes"))["nodes"]
        self.assertEqual([(node["id"], node["status"], node["role"]) for node in nodes], [("node-1", "active", "leader")])

    def test_create_distributed_collection(self):
        created = self.create()
        self.assertEqual(created["status"], "created")
        collection = created["collection"]
        self.assertEqual((collection["name"], collection["dimension"], collection["metric"]),
                         ("distributed-collection", 512, "cosine"))
        self.assertEqual(collection["sharding"]["shard_count"], 6)
        self.assertEqual(collection["sharding"]["virtual_nodes_per_shard"], 100)
        self.assertEqual(collection["shards"], {"total": 6, "active": 6, "under_replicated": 0})

    def test_vectors_reach_every_shard_and_come_back_from_all(self):
        self.create()
        client = self.server.client()
        vectors = [{"id": i, "vector": [float(i == j) for j in range(511)] + [1.0]} for i in range(300)]
        self.expect(client.post("/collections/distributed-collection/vectors", {"vectors": vectors}))
        shards = json.loads(self.curl("/api/v1/cluster/shard-distribution"))["shards"]
        counts = [shard["vector_count"] for shard in shards]
        self.assertEqual(sum(counts), 300)
        self.assertGreater(min(counts), 20, f"uneven: {counts}")
        reply = self.expect(client.post("/collections/distributed-collection/search",
                                        {"vector": vectors[7]["vector"], "limit": 300}))
        self.assertEqual(reply["results"][0]["id"], 7)
        self.assertEqual({hit["id"] for hit in reply["results"]}, set(range(300)))
        self.assertEqual(reply["shards"], {"total": 6, "successful": 6, "failed": 0, "failures": []})

    def test_shard_distribution(self):
        self.create()
        found = json.loads(self.curl("/api/v1/cluster/shard-distribution"))
        self.assertEqual((found["total_shards"], found["nodes"]), (6, 1))
        self.assertEqual(found["shards_per_node"], {"node-1": 6})
        self.assertEqual(len(set(found["distribution"]["node-1"])), 6)
        self.assertEqual({shard["primary"] for shard in found["shards"]}, {"node-1"})

    def test_rebalance_and_sync_without_a_body(self):
        self.create()
        rebalanced = json.loads(self.curl("-f", "-X", "POST", "/api/v1/cluster/rebalance"))
        self.assertEqual((rebalanced["status"], rebalanced["migrations"]), ("success", []))
        synced = json.loads(self.curl("-f", "-X", "POST", "/api/v1/cluster/sync"))
        self.assertEqual((synced["status"], synced["in_sync"]), ("success", True))
        self.assertEqual(list(synced["nodes"]), ["node-1"])

    def test_the_last_node_cannot_be_removed(self):
        refused = json.loads(self.curl("-X", "DELETE", "/api/v1/cluster/nodes/node-1"))
        self.assertEqual(refused["status_code"], 400, refused)

    def test_metrics_where_the_guide_scrapes_them(self):
        text = self.curl("-f", "/prometheus/metrics")
        self.assertIn("# TYPE vectorizer_build_info gauge", text)


if __name__ == "__main__":
    harness.main()
