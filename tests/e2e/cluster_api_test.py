"""What a client of a cluster sees: collections, nodes, shards and their copies, state and metrics, from every node, also
while one is dead, hangs, or is configured differently."""

import datetime
import re
import shutil
import subprocess
import time

import harness
import metrics_test
from cluster_harness import Cluster, ClusterTest

POINTS = 300
CLUSTER = "/api/v1/cluster"
# A node that hangs costs a request a second or two; the rest is for a busy machine.
BOUND_SECONDS = 8


def parsed(when):
    return datetime.datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp()


def vectors(first=0, count=POINTS):
    return {"vectors": [{"id": i, "vector": [i % 7, i % 11, 1, i], "payload": {"i": i}} for i in range(first, first + count)]}


class ClusterApiTest(ClusterTest):
    def get(self, node, path):
        return self.expect(node.client(timeout=60).get(path))

    def in_time(self, node, path):
        begin = time.monotonic()
        reply = self.get(node, path)
        self.assertLess(time.monotonic() - begin, BOUND_SECONDS, path)
        return reply

    def nodes(self, node):
        return {row["id"]: row for row in self.get(node, f"{CLUSTER}/nodes")["nodes"]}

    def filled_cluster(self, size=3, **kwargs):
        """A collection with all defaults, made on one node and filled through another."""
        cluster = self.start_cluster(size, **kwargs)
        body = {"name": "docs", "dimension": 4, "metric": "euclidean"}
        self.created = self.expect(cluster.nodes[1].client().post("/collections", body), 201)
        self.expect(cluster.nodes[-1].client().post("/collections/docs/vectors", vectors()))
        return cluster

    def assert_copies_equal(self, cluster):
        """Of every shard, asked of every node: the same digest on each copy."""
        for shard in cluster.shards():
            digests = set()
            for node in cluster.nodes:
                detail = self.get(node, f"{CLUSTER}/shards/{shard['shard_id']}")
                self.assertIs(detail.get("copies_equal"), True, detail)
                self.assertEqual({copy["node"] for copy in detail["copies"]}, set(shard["replicas"]))
                digests |= {(copy["digest"], copy["digest_sequence"]) for copy in detail["copies"]}
                self.assertEqual({copy["vector_count"] for copy in detail["copies"]}, {detail["vector_count"]}, detail)
            self.assertEqual(len(digests), 1, f"shard {shard['shard_id']}: {digests}")

    def test_while_it_forms_the_missing_nodes_are_named(self):
        cluster = self.make_cluster()
        first = cluster.nodes[0]
        first.start(wait=False)
        cluster.until("node-1 serves", lambda: cluster.ask("/health", first).status == 200)
        cluster.until("it waits for the others", lambda: "node-3" in cluster.ask("/health/ready", first).json["message"])
        rows = self.nodes(first)
        self.assertEqual({rows[name]["status"] for name in ("node-2", "node-3")}, {"joining"})
        self.assertIsNone(rows["node-2"]["last_seen"])
        self.assertEqual(rows["node-2"]["grpc_port"], cluster.nodes[1].grpc_port)
        ready = self.expect_error(first.client().get("/health/ready"), 503, "shard_unavailable")
        self.assertIn("node-2, node-3", " ".join(ready["details"]["not_ready"]))
        refused = self.expect_error(first.client().post("/collections", {"name": "a", "dimension": 2}), 503, "no_leader")
        self.assertIn("forming", refused["message"])
        status = self.get(first, f"{CLUSTER}/status")
        self.assertEqual((status["status"], status["formed"]), ("red", False))

        for node in cluster.nodes[1:]:
            node.start(wait=False)
        cluster.wait_ready()
        for node in cluster.nodes:
            cluster.until(f"{node.id} lists three active nodes",
                          lambda: [row["status"] for row in self.nodes(node).values()] == ["active"] * 3)

    def test_every_node_tells_the_same(self):
        cluster = self.filled_cluster()
        sharding = self.created["collection"]["sharding"]
        self.assertEqual((sharding["shard_count"], sharding["replication_factor"], sharding["min_in_sync"]), (6, 2, 1))
        self.assertEqual(self.created["collection"]["status"], "green")
        self.assertNotIn("note", self.created)
        leaders, digests = set(), set()
        for node in cluster.nodes:
            collection = self.get(node, "/collections/docs")
            self.assertEqual((collection["vector_count"], collection["status"]), (POINTS, "green"))
            self.assertEqual(self.get(node, "/collections")["collections"], [collection])
            rows = self.nodes(node)
            self.assertEqual(sorted(rows), ["node-1", "node-2", "node-3"])
            self.assertEqual([row["shard_count"] for row in rows.values()], [2, 2, 2])
            self.assertEqual(sum(row["vector_count"] for row in rows.values()), POINTS)
            for row in rows.values():
                self.assertEqual((row["status"], row["rest_port"]), ("active", cluster.node(row["id"]).port))
                self.assertLess(abs(parsed(row["last_seen"]) - time.time()), 5, row)
                self.assertTrue(row["version"])
                detail = self.get(node, f"{CLUSTER}/nodes/{row['id']}")
                self.assertEqual(len(detail["shards"]), 4)
                self.assertGreater(detail["uptime_seconds"], 0)
            self.assertEqual(len({row["servers_hash"] for row in rows.values()}), 1)
            leader = self.get(node, f"{CLUSTER}/leader")["leader"]
            leaders.add(leader)
            self.assertEqual([name for name, row in rows.items() if row["role"] == "leader"], [leader])
            self.assertEqual(self.get(node, f"{CLUSTER}/role")["role"], "leader" if node.id == leader else "follower")
            status = self.get(node, f"{CLUSTER}/status")
            self.assertEqual((status["status"], status["total_shards"], status["under_replicated_shards"], status["unassigned_shards"],
                              status["nodes"], status["active_nodes"], status["formed"], status["notes"]), ("green", 6, 0, 0, 3, 3, True, []))
            self.assertGreater(status["term"], 0)
            synced = self.expect(node.client().post(f"{CLUSTER}/sync"))
            self.assertIs(synced["in_sync"], True, synced)
            digests |= {row["digest"] for row in synced["nodes"].values()}
            self.assertEqual(len(synced["nodes"]), 3)
            distribution = self.get(node, f"{CLUSTER}/shard-distribution")
            self.assertEqual(distribution["shards_per_node"], {"node-1": 2, "node-2": 2, "node-3": 2})
            self.assertEqual(distribution["replicas_per_node"], {"node-1": 4, "node-2": 4, "node-3": 4})
            self.assertEqual(sum(shard["vector_count"] for shard in distribution["shards"]), POINTS)
        self.assertEqual((len(leaders), len(digests)), (1, 1))
        self.assert_copies_equal(cluster)

    def test_collections_change_from_any_node(self):
        cluster = self.filled_cluster()
        one, two, three = (node.client() for node in cluster.nodes)
        refused = self.expect_error(one.post("/collections", {"name": "x", "dimension": 2, "sharding": {"replication_factor": 4}}), 400,
                                    "validation_error", "sharding.replication_factor")
        self.assertIn("4", refused["message"])
        self.assertIn("3", refused["message"])
        for round_, (maker, user) in enumerate(((one, three), (two, one), (three, two))):
            name = f"c{round_}"
            self.expect(maker.post("/collections", {"name": name, "dimension": 4}), 201)
            # At once, from a node that may not have heard of it: found, and every shard takes writes.
            self.expect(user.post(f"/collections/{name}/vectors", vectors()))
            self.assertEqual(self.expect(user.post(f"/collections/{name}/vectors/count", {}))["count"], POINTS)
            self.expect_error(user.post("/collections", {"name": name, "dimension": 4}), 409, "collection_already_exists")
            for client, ef in ((one, 70), (two, 80), (three, 90)):
                changed = self.expect(client.patch(f"/collections/{name}", {"hnsw": {"ef_search": ef}}))
                self.assertEqual(changed["collection"]["hnsw"]["ef_search"], ef)
            self.expect(user.delete(f"/collections/{name}"))
            self.expect_error(user.get(f"/collections/{name}"), 404, "collection_not_found")
            self.expect_error(maker.delete(f"/collections/{name}"), 404, "collection_not_found")
        self.expect_error(three.get("/collections/never"), 404, "collection_not_found")

    def test_what_an_operator_may_not_do_is_said(self):
        cluster = self.filled_cluster()
        client = cluster.nodes[0].client()
        new = {"id": "node-9", "address": "127.0.0.1", "grpc_port": 1}
        self.assertEqual(self.expect(client.post(f"{CLUSTER}/nodes", new), 201)["node"]["status"], "joining")
        cluster.until("the list says why it does not join", lambda: "does not answer" in self.nodes(cluster.nodes[1])["node-9"]["problem"])
        self.expect_error(client.post(f"{CLUSTER}/nodes", new), 409, "node_already_exists")
        self.expect_error(client.post(f"{CLUSTER}/nodes", dict(new, id="node-2")), 409, "node_already_exists")
        self.assertEqual(self.expect(client.delete(f"{CLUSTER}/nodes/node-9"))["lost"], [])
        self.expect_error(client.delete(f"{CLUSTER}/nodes/node-9"), 404, "node_not_found")
        self.expect_error(client.delete(f"{CLUSTER}/nodes/node-2?force=true"), 409, "conflict")
        self.expect_error(client.post(f"{CLUSTER}/nodes/node-2/cancel-drain"), 409, "conflict")
        self.assertEqual(self.expect(client.post(f"{CLUSTER}/rebalance"))["migrations"], [])
        self.assertEqual(self.get(cluster.nodes[0], f"{CLUSTER}/migrations"), {"migrations": []})
        shard = cluster.shards()[0]
        lose = {"node": shard["primary"], "mode": "stale", "accept_data_loss": True}
        self.expect_error(client.post(f"{CLUSTER}/shards/{shard['shard_id']}/allocate", lose), 409, "conflict")
        self.assertEqual(len(self.nodes(cluster.nodes[2])), 3)

    def test_a_dead_node_is_seen_and_nothing_hangs_or_lies(self):
        cluster = self.filled_cluster()
        self.assert_copies_equal(cluster)  # so the copies that are left have applied everything
        dead = cluster.nodes[1]
        left = [cluster.nodes[0], cluster.nodes[2]]
        died = time.time()
        dead.kill()
        for node in left:
            self.assertEqual(self.in_time(node, "/collections/docs")["vector_count"], POINTS)
            self.in_time(node, f"{CLUSTER}/nodes")
            self.in_time(node, f"{CLUSTER}/status")
        for node in left:
            cluster.until(f"{node.id} sees that it is dead", lambda: self.nodes(node)[dead.id]["status"] == "unhealthy")
            cluster.until(f"{node.id}: every shard is led", lambda: self.get(node, f"{CLUSTER}/status")["status"] == "yellow")
            seen = parsed(self.nodes(node)[dead.id]["last_seen"])
            self.assertLess(abs(seen - died), 3, "last_seen is when it was last heard of")
            self.assertLess(abs(parsed(self.nodes(node)[left[0].id]["last_seen"]) - time.time()), 5)
            status = self.get(node, f"{CLUSTER}/status")
            self.assertEqual((status["unassigned_shards"], status["nodes"], status["active_nodes"]), (0, 3, 2))
            self.assertGreater(status["under_replicated_shards"], 0)
            collection = self.in_time(node, "/collections/docs")
            self.assertEqual((collection["vector_count"], collection["status"], collection["shards"]["active"]), (POINTS, "yellow", 6))
            synced = self.expect(node.client().post(f"{CLUSTER}/sync"))
            self.assertIs(synced["in_sync"], False)
            self.assertTrue(synced["nodes"][dead.id]["error"])
            self.assertIsNone(self.get(node, f"{CLUSTER}/nodes/{dead.id}")["uptime_seconds"])
        self.expect(left[0].client().post("/collections/docs/vectors", vectors(POINTS)))
        dead.start()
        cluster.wait_green()
        for node in cluster.nodes:
            self.assertEqual(self.get(node, "/collections/docs")["vector_count"], 2 * POINTS)
            cluster.until(f"{node.id} has heard of it again",
                          lambda: parsed(self.nodes(node)[dead.id]["last_seen"]) > died + 1)
        self.assert_copies_equal(cluster)

    def test_a_hanging_node_costs_a_moment_only(self):
        cluster = self.filled_cluster()
        # A copy learns a little later what is committed; from a primary that hangs it would not.
        cluster.until("the copies are equal", lambda: all(
            self.get(cluster.some(), f"{CLUSTER}/shards/{shard['shard_id']}").get("copies_equal") for shard in cluster.shards()))
        hanging = next(node for node in cluster.nodes if node is not cluster.leader())
        hanging.pause()
        try:
            node = cluster.some()
            for path in ("/collections/docs", "/collections", f"{CLUSTER}/nodes", f"{CLUSTER}/status", f"{CLUSTER}/shard-distribution",
                         f"{CLUSTER}/nodes/{hanging.id}", f"{CLUSTER}/shards/0", "/stats", "/metrics"):
                begin = time.monotonic()
                self.assertEqual(node.client(timeout=60).get(path).status, 200, path)
                self.assertLess(time.monotonic() - begin, BOUND_SECONDS, path)
            self.assertEqual(self.in_time(node, "/collections/docs")["vector_count"], POINTS)
        finally:
            hanging.resume()
        cluster.wait_green()

    def test_metrics_of_every_node(self):
        cluster = self.filled_cluster()
        for node in cluster.nodes:
            client = node.client()
            self.expect(client.post("/collections/docs/search", {"vector": [1, 2, 3, 4], "consistency": "primary"}))
            self.expect(client.post("/collections/docs/vectors", vectors(POINTS, 1)))
            self.expect(client.delete(f"/collections/docs/vectors/{POINTS}"))
        for node in cluster.nodes:  # they are reported once a second
            cluster.until(f"{node.id} knows its followers", lambda: b"vectorizer_replication_lag_seconds{" in node.client().get("/metrics").raw)
        listed = metrics_test.documented(cluster=True)
        values, seen = {}, set()
        for node in cluster.nodes:
            text = node.client().get("/prometheus/metrics").raw.decode()
            running = metrics_test.exposed(text)
            self.assertEqual(sorted(set(running) - set(listed)), [], "exposed, not documented")
            seen |= set(running)
            for name, (kind, labels) in running.items():
                self.assertEqual(kind, listed[name][0], name)
                if labels:
                    self.assertEqual(labels, listed[name][1], name)
            if shutil.which("promtool"):
                done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
            values[node.id] = dict(re.findall(r"^(vectorizer_\S+) (\S+)$", text, re.M))

        self.assertEqual(sorted(set(listed) - seen), [], "documented, not exposed by any node")

        def of(name):
            return [float(of_node[name]) for of_node in values.values()]

        self.assertEqual(of('vectorizer_cluster_nodes{status="active"}'), [3, 3, 3])
        self.assertEqual(of('vectorizer_cluster_nodes{status="unhealthy"}'), [0, 0, 0])
        self.assertEqual(sum(of("vectorizer_raft_is_leader")), 1)
        self.assertEqual(of("vectorizer_cluster_lease_valid"), [1, 1, 1])
        self.assertEqual(of("vectorizer_cluster_shards"), [6, 6, 6])
        self.assertEqual(of("vectorizer_cluster_shards_without_primary"), [0, 0, 0])
        self.assertEqual(of("vectorizer_cluster_under_replicated_shards"), [0, 0, 0])
        self.assertEqual(of('vectorizer_cluster_in_sync_copies{collection="docs"}'), [2, 2, 2])
        self.assertEqual(sum(of('vectorizer_vectors{collection="docs"}')), POINTS)
        self.assertEqual(len(set(of("vectorizer_cluster_servers_hash"))), 1)
        self.assertEqual(of("vectorizer_cluster_servers_differ"), [0, 0, 0])
        self.assertEqual(len(set(of("vectorizer_raft_term"))), 1)

    def test_a_node_with_another_list_of_servers_is_named(self):
        cluster = self.start_cluster()
        odd = cluster.nodes[2]
        odd.terminate()
        path = odd.arguments[1]
        with open(path, "a", encoding="utf-8") as file:
            file.write('    - id: "node-4"\n      address: "127.0.0.1"\n      grpc_port: 1\n')
        odd.start()
        for node in cluster.nodes[:2]:
            cluster.until(f"{node.id} names it", lambda: self.get(node, f"{CLUSTER}/status")["other_servers"] == [odd.id])
            self.assertIn(odd.id, " ".join(self.get(node, f"{CLUSTER}/status")["notes"]))
            rows = self.nodes(node)
            self.assertNotEqual(rows[odd.id]["servers_hash"], rows["node-1"]["servers_hash"])
            text = node.client().get("/metrics").raw.decode()
            self.assertIn("\nvectorizer_cluster_servers_differ 1\n", text)
        self.assertEqual(self.nodes(odd)["node-4"]["status"], "joining")

    def test_two_nodes_are_told_what_they_lack(self):
        cluster = self.filled_cluster(2)
        self.assertIn("no fault tolerance", self.created["note"])
        self.assertIn("no fault tolerance", " ".join(self.get(cluster.nodes[0], f"{CLUSTER}/status")["notes"]))

    def test_health_warns_until_the_cluster_has_a_secret(self):
        cluster = self.make_cluster(1)
        node = cluster.nodes[0]
        with open(node.arguments[1], encoding="utf-8") as file:
            text = file.read()
        for setting, warned in (("", True), ("  insecure: true\n", False), ('  secret: "a long enough secret"\n', False)):
            with open(node.arguments[1], "w", encoding="utf-8") as file:
                file.write(text.replace("  insecure: true\n", setting))
            node.start()
            health = self.get(node, "/health")
            self.assertEqual(health["status"], "healthy")
            self.assertEqual("cluster.secret" in health.get("warning", ""), warned, health)
            node.terminate()

    def make_cluster(self, size=3):
        return Cluster(self, size)


if __name__ == "__main__":
    harness.main()
