"""Suite `cluster_performance`: concurrent inserts and searches, as ratios to one node on the same machine.

Every request must succeed, and the same ones are sent to both. The ratios are printed, not asserted: three processes share the cores
that one has for itself.
"""

import random
import statistics
import time

import cluster_harness
import harness

DIMENSION = 32
CLIENTS = 4
BATCHES = 10
BATCH = 50
SEARCHES = 60


class ClusterPerformanceTest(cluster_harness.ClusterTest):
    def test_ratios_to_a_single_node(self):
        seed = harness.seed()
        cluster = self.start_cluster()
        single = self.start_server()
        alone = self.measure([single.port], seed, {"shard_count": 6})
        replicated = self.measure([node.port for node in cluster.nodes], seed, {"shard_count": 6, "replication_factor": 2})
        for name in alone:
            a, c = alone[name], replicated[name]
            print(f"{name}: {a['rate']:.0f}/s on one node, {c['rate']:.0f}/s on three ({c['rate'] / a['rate']:.2f} times); "
                  f"median {1000 * a['median']:.1f} ms and {1000 * c['median']:.1f} ms, "
                  f"p95 {1000 * a['p95']:.1f} ms and {1000 * c['p95']:.1f} ms", flush=True)
        self.assertEqual(self.answers(single.port, seed), self.answers(cluster.nodes[1].port, seed))

    def measure(self, ports, seed, sharding):
        client = harness.Client(ports[0])
        self.expect(client.post("/collections", {"name": "p", "dimension": DIMENSION, "metric": "euclidean", "sharding": sharding}), 201)
        client.close()
        return {"insert": self.in_parallel(ports, seed, self.inserts), "search": self.in_parallel(ports, seed, self.searches)}

    def in_parallel(self, ports, seed, requests):
        times = []

        def run(number):
            client = harness.Client(ports[number % len(ports)])
            for path, body in requests(random.Random(seed + number), number):
                begin = time.monotonic()
                self.expect(client.post(path, body))
                times.append(time.monotonic() - begin)
            client.close()

        begin = time.monotonic()
        cluster_harness.in_threads([lambda n=number: run(n) for number in range(CLIENTS)])
        times.sort()
        return {"rate": len(times) / (time.monotonic() - begin), "median": statistics.median(times), "p95": times[int(0.95 * len(times))]}

    def inserts(self, rng, number):
        for batch in range(BATCHES):
            first = (number * BATCHES + batch) * BATCH
            yield "/collections/p/vectors", {"vectors": [{"id": first + i, "vector": harness.random_vector(rng, DIMENSION)}
                                                         for i in range(BATCH)]}

    def searches(self, rng, _):
        for _ in range(SEARCHES):
            yield "/collections/p/search", {"vector": harness.random_vector(rng, DIMENSION), "limit": 10}

    def answers(self, port, seed):
        client = harness.Client(port)
        rng = random.Random(seed)
        searches = [{"vector": harness.random_vector(rng, DIMENSION), "limit": 10, "params": {"exact": True}, "consistency": "primary"}
                    for _ in range(20)]
        found = self.expect(client.post("/collections/p/search/batch", {"searches": searches}))["results"]
        client.close()
        return [answer["results"] for answer in found]


if __name__ == "__main__":
    harness.main()
