#!/usr/bin/env python3
"""What a cluster costs: CPU of all servers per query and per vector written, three nodes against one with the same shards.

    bench/cluster_cost.py [mnist|fashion3k] [--shards 6] [--rounds 3]

The binary is $VECTORIZER_BINARY, else build/release. Both run one after the other on this machine, on the same data, with the same
client; the client's own time does not count. Prints one line each and the ratios.
"""

import argparse
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "e2e"))

import cluster_harness  # noqa: E402
import datasets  # noqa: E402
import harness  # noqa: E402

CONNECTIONS = 4
TICKS = os.sysconf("SC_CLK_TCK")


class Servers:
    """Stands in for the test case that the harness reports to."""

    def __init__(self):
        self.servers = []

    def discard(self):
        for server in self.servers:
            server.discard()


def cpu_seconds(servers):
    total = 0
    for server in servers:
        with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def import_file(server, folder, name):
    subprocess.run([harness.binary(), "import", os.path.join(folder, f"{name}.base.bvecs.gz"), "--collection", "bench", "--url",
                    f"http://127.0.0.1:{server.port}", "--state-dir", server.home],
                   check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=harness.clean_environment())


def wait_indexed(client):
    deadline = time.monotonic() + 1800
    while time.monotonic() < deadline:
        info = client.get("/collections/bench").json
        if info["status"] == "green" and info["indexed_vector_count"] == info["vector_count"]:
            return info["vector_count"]
        time.sleep(0.5)
    raise SystemExit(f"not indexed after half an hour: {info}")


def search_all(servers, queries, truth, rounds):
    """Every query, `rounds` times, over several connections spread over the nodes; recall@10."""
    bodies = [json.dumps({"vector": list(query), "limit": 10, "with_payload": False}) for query in queries]
    hits = [0] * CONNECTIONS

    def run(worker):
        client = harness.Client(servers[worker % len(servers)].port)
        for _ in range(rounds):
            for i in range(worker, len(bodies), CONNECTIONS):
                reply = client.post("/collections/bench/search", bodies[i])
                if reply.status != 200:
                    raise SystemExit(repr(reply))
                hits[worker] += len({hit["id"] for hit in reply.json["results"]} & set(truth[i][:10]))
        client.close()

    cluster_harness.in_threads([lambda worker=worker: run(worker) for worker in range(CONNECTIONS)])
    return sum(hits) / (10 * len(bodies) * rounds)


def measure(servers, folder, arguments, sharding):
    client = servers[0].client()
    dimension = 784
    reply = client.post("/collections", {"name": "bench", "dimension": dimension, "metric": "euclidean", "sharding": sharding})
    if reply.status != 201:
        raise SystemExit(repr(reply))
    queries = datasets.read_bvecs(os.path.join(folder, f"{arguments.data}.query{'1k' if arguments.data == 'mnist' else ''}.bvecs.gz"))
    truth = datasets.read_ivecs(os.path.join(folder, f"{arguments.data}.gt_l2.ivecs.gz"))
    before = cpu_seconds(servers)
    begin = time.monotonic()
    import_file(servers[0], folder, arguments.data)
    acknowledged = time.monotonic() - begin
    vectors = wait_indexed(client)
    written = cpu_seconds(servers) - before
    search_all(servers, queries, truth, 1)  # warm
    before = cpu_seconds(servers)
    begin = time.monotonic()
    recall = search_all(servers, queries, truth, arguments.rounds)
    elapsed = time.monotonic() - begin
    count = len(queries) * arguments.rounds
    return {"recall": recall, "cpu_ms_per_query": 1000 * (cpu_seconds(servers) - before) / count, "qps": count / elapsed,
            "vectors_per_cpu_second": vectors / written, "acknowledged_per_second": vectors / acknowledged}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="mnist", choices=("mnist", "fashion3k"))
    parser.add_argument("--shards", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    folder = datasets.directory()
    if not folder:
        raise SystemExit("no data: set VECTORIZER_TEST_DATA")
    results = {}
    for name in ("one node", "three nodes"):
        stand = Servers()
        try:
            if name == "one node":
                server = harness.Server()
                stand.servers.append(server)
                nodes, factor = [server.start()], 1
            else:
                nodes, factor = cluster_harness.Cluster(stand, 3).start().nodes, 2
            results[name] = measure(nodes, folder, arguments, {"shard_count": arguments.shards, "replication_factor": factor})
        finally:
            stand.discard()
        print(f"{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in results[name].items()), flush=True)
    one, three = results["one node"], results["three nodes"]
    print(f"three nodes (factor 2) against one, {arguments.shards} shards: CPU per query "
          f"{three['cpu_ms_per_query'] / one['cpu_ms_per_query']:.2f} x, vectors written per CPU second "
          f"{three['vectors_per_cpu_second'] / one['vectors_per_cpu_second']:.2f} x")


if __name__ == "__main__":
    main()
