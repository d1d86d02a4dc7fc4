"""Suite `cluster_e2e`: Steps 2 to 6 of the deployment guide with local ports, then real data through the command line."""

import json
import os
import struct
import subprocess

import cluster_harness
import datasets
import harness

GUIDE_COLLECTION = {"name": "distributed-collection", "dimension": 512, "metric": "cosine",
                    "sharding": {"shard_count": 6, "virtual_nodes_per_shard": 100}}
LOW_THRESHOLD = {"VECTORIZER_INDEX_GRAPH_THRESHOLD": "300"}  # a graph in every shard: recall is about graphs
RECALL_MAY_DIFFER = 0.005


class ClusterEndToEndTest(cluster_harness.ClusterTest):
    def test_the_guide_and_real_data(self):
        cluster = cluster_harness.Cluster(self, environment=LOW_THRESHOLD)  # Step 2: the guide's YAML for each node
        for node in cluster.nodes:  # Step 3: in order
            node.start(wait=False)
        cluster.wait_ready()
        self.verify(cluster)
        single = self.start_server(environment=LOW_THRESHOLD)
        for dataset, metric in ((datasets.emoji2vec(), "cosine"), (datasets.fashion3k(), "euclidean")):
            with self.subTest(dataset=dataset.name):
                self.compare(cluster, single, dataset, metric)

    def verify(self, cluster):
        address = f"http://127.0.0.1:{cluster.nodes[0].port}"
        nodes = self.curl(f"{address}/api/v1/cluster/nodes")["nodes"]  # Step 4
        self.assertEqual([(n["id"], n["status"]) for n in nodes], [("node-1", "active"), ("node-2", "active"), ("node-3", "active")])
        created = self.curl("-X", "POST", f"{address}/collections", "-H", "Content-Type: application/json",  # Step 5
                            "-d", json.dumps(GUIDE_COLLECTION))
        self.assertEqual(created["status"], "created")
        shards = self.curl(f"{address}/api/v1/cluster/shard-distribution")  # Step 6
        self.assertEqual(shards["total_shards"], 6)
        self.assertEqual(shards["shards_per_node"], {"node-1": 2, "node-2": 2, "node-3": 2})

    def curl(self, *arguments):
        done = subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout)

    def load(self, server, dataset, metric, **extra):
        """`vectorizer import` through one server."""
        path = os.path.join(server.home, f"{dataset.name}.fvecs")
        with open(path, "wb") as file:
            for row in dataset.base:
                file.write(struct.pack(f"<i{len(row)}f", len(row), *row))
        client = server.client()
        self.expect(client.post("/collections", {"name": dataset.name, "dimension": dataset.dimension, "metric": metric, **extra}), 201)
        done = subprocess.run([harness.binary(), "import", path, "--collection", dataset.name, "--url", f"http://127.0.0.1:{server.port}"],
                              capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL, cwd=server.home, check=False,
                              env=harness.clean_environment(HOME=server.home, XDG_STATE_HOME=os.path.join(server.home, "state")))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def wait_indexed(self, cluster, server, name):
        def indexed():
            info = self.expect(cluster.ask(f"/collections/{name}", server))
            assert info["indexed_vector_count"] == info["vector_count"] and info["status"] == "green", info
            return True
        cluster.until(f"{name} is indexed", indexed, 180)

    def answers(self, server, dataset, **params):
        client, found = server.client(), []
        for first in range(0, len(dataset.queries), 50):
            searches = [{"vector": query.tolist(), "limit": 10, "with_payload": False, "params": params, "consistency": "primary"}
                        for query in dataset.queries[first:first + 50]]
            found += self.expect(client.post(f"/collections/{dataset.name}/search/batch", {"searches": searches}))["results"]
        client.close()
        for answer in found:
            self.assertEqual(answer["shards"]["failed"], 0)
        return [answer["results"] for answer in found]

    def recall(self, answers, truth):
        hits = sum(len({hit["id"] for hit in answer} & set(wanted[:10])) for answer, wanted in zip(answers, truth))
        return hits / (10 * len(truth))

    def compare(self, cluster, single, dataset, metric):
        sharding = {"sharding": {"shard_count": 6}}
        self.load(cluster.nodes[1], dataset, metric, **sharding)
        self.load(single, dataset, metric, **sharding)
        for node in cluster.nodes:
            self.assertEqual(self.expect(cluster.ask(f"/collections/{dataset.name}", node))["vector_count"], len(dataset.base))
        self.wait_indexed(cluster, cluster.nodes[0], dataset.name)
        self.wait_indexed(cluster, single, dataset.name)

        exact = self.answers(single, dataset, exact=True)
        alone = self.recall(self.answers(single, dataset), dataset.truth[metric])
        for node in cluster.nodes:
            self.assertEqual(self.answers(node, dataset, exact=True), exact, f"{node.id} answers an exact search differently")
            together = self.recall(self.answers(node, dataset), dataset.truth[metric])
            print(f"{dataset.name} {metric}: recall@10 {alone:.4f} on one node, {together:.4f} through {node.id}", flush=True)
            self.assertLessEqual(abs(together - alone), RECALL_MAY_DIFFER)


if __name__ == "__main__":
    harness.main()
