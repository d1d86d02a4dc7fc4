"""Suite `distributed_sharding`: where shards and vectors are, and that a sharded collection answers like one collection."""

import random

import cluster_harness
import harness

COUNT = 1200
DIMENSION = 8


class DistributedShardingTest(cluster_harness.ClusterTest):
    def test_a_collection_over_three_nodes_is_one_collection(self):
        rng = random.Random(harness.seed())
        cluster = self.start_cluster()
        self.create(cluster, "sharded", DIMENSION, sharding={"shard_count": 6, "virtual_nodes_per_shard": 100})
        self.check_placement(cluster)
        self.points = {i if i % 4 else f"s/ä{i}": (harness.random_vector(rng, DIMENSION), {"i": i, "group": i % 7})
                       for i in range(COUNT)}
        self.insert_through_all(cluster)
        self.check_counts(cluster)
        self.check_same_answers(cluster, rng)
        self.check_changes_from_anywhere(cluster, rng)
        self.check_sessions(cluster)

    def check_placement(self, cluster):
        """2 primaries on each node, replicas even, and every node says the same."""
        seen = [self.expect(cluster.ask("/api/v1/cluster/shard-distribution", node)) for node in cluster.nodes]
        placement = [[(s["shard_id"], s["primary"], sorted(s["replicas"])) for s in one["shards"]] for one in seen]
        self.assertEqual(placement[0], placement[1])
        self.assertEqual(placement[0], placement[2])
        self.assertEqual(seen[0]["total_shards"], 6)
        self.assertEqual(seen[0]["shards_per_node"], {"node-1": 2, "node-2": 2, "node-3": 2})
        for shard in seen[0]["shards"]:
            self.assertEqual(len(shard["replicas"]), 2, "a factor of 2 by default")
            self.assertIn(shard["primary"], shard["replicas"])
        self.assertEqual(sorted(i for ids in seen[0]["distribution"].values() for i in ids), [s["shard_id"] for s in seen[0]["shards"]])
        cluster.wait_green()

    def insert_through_all(self, cluster):
        clients = [node.client() for node in cluster.nodes]
        ids = list(self.points)
        for number, first in enumerate(range(0, COUNT, 100)):
            body = {"vectors": [{"id": id_, "vector": self.points[id_][0], "payload": self.points[id_][1]} for id_ in ids[first:first + 100]]}
            self.assertEqual(self.expect(clients[number % 3].post("/collections/sharded/vectors", body))["upserted"], 100)

    def check_counts(self, cluster):
        shards = cluster.shards()
        self.assertEqual(sum(shard["vector_count"] for shard in shards), COUNT)
        for shard in shards:  # 6 shards of about 200: the ring and chance leave each within half and double
            self.assertTrue(COUNT / 12 < shard["vector_count"] < COUNT / 3, shard)
        for node in cluster.nodes:
            client = node.client()
            self.assertEqual(self.expect(client.get("/collections/sharded"))["vector_count"], COUNT)
            where = {"must": [{"key": "group", "match": {"value": 3}}]}
            wanted = sum(payload["group"] == 3 for _, payload in self.points.values())
            self.assertEqual(self.expect(client.post("/collections/sharded/vectors/count", {"filter": where}))["count"], wanted)

    def search_body(self, query, **more):
        return {"vector": query, "limit": 15, "params": {"exact": True}, "consistency": "primary", **more}

    def check_same_answers(self, cluster, rng):
        """Exact search, filtered search and scroll are identical from every node, and right."""
        clients = [node.client() for node in cluster.nodes]
        for _ in range(10):
            query = harness.random_vector(rng, DIMENSION)
            where = {"must": [{"key": "group", "match": {"any": [1, 4]}}]}
            for more in ({}, {"filter": where}, {"offset": 7}):
                replies = [self.expect(client.post("/collections/sharded/search", self.search_body(query, **more))) for client in clients]
                self.assertEqual(replies[0]["results"], replies[1]["results"])
                self.assertEqual(replies[0]["results"], replies[2]["results"])
                self.assertEqual(replies[0]["shards"], {"total": 6, "successful": 6, "failed": 0, "failures": []})
            replies = self.expect(clients[0].post("/collections/sharded/search", self.search_body(query)))["results"]
            distance = lambda id_: sum((a - b) ** 2 for a, b in zip(self.points[id_][0], query)) ** 0.5
            best = sorted(map(distance, self.points))[:15]
            for hit, wanted in zip(replies, best):
                self.assertAlmostEqual(hit["score"], wanted, 3)
                self.assertAlmostEqual(distance(hit["id"]), wanted, 3)
        pages = [self.scroll(client) for client in clients]
        self.assertEqual(pages[0], pages[1])
        self.assertEqual(pages[0], pages[2])
        numbers = sorted(i for i in self.points if isinstance(i, int))
        self.assertEqual(pages[0], numbers + sorted((i for i in self.points if isinstance(i, str)), key=str.encode))

    def scroll(self, client):
        seen, cursor = [], None
        while True:
            body = {"limit": 250} if cursor is None else {"limit": 250, "cursor": cursor}
            page = self.expect(client.post("/collections/sharded/vectors/scroll", body))
            seen += [vector["id"] for vector in page["vectors"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return seen

    def check_changes_from_anywhere(self, cluster, rng):
        clients = [node.client() for node in cluster.nodes]
        for id_ in rng.sample([i for i in self.points if isinstance(i, int)], 12):
            write, read, third = rng.sample(clients, 3)
            path = f"/collections/sharded/vectors/{id_}"
            self.expect(write.put(path, {"vector": [1] * DIMENSION, "payload": {"a": 1, "b": 2}}))
            self.expect(third.patch(path, {"payload": {"b": None, "c": 3}}))
            self.assertEqual(self.expect(read.get(path)), {"id": id_, "vector": [1] * DIMENSION, "payload": {"a": 1, "c": 3}})
            self.expect(third.delete(path))
            self.expect_error(write.get(path), 404, "vector_not_found")
            self.expect_error(read.delete(path), 404, "vector_not_found")
            del self.points[id_]
        where = {"must": [{"key": "group", "match": {"value": 5}}]}
        wanted = {id_ for id_, (_, payload) in self.points.items() if payload["group"] == 5}
        self.assertEqual(self.expect(clients[0].post("/collections/sharded/vectors/delete", {"filter": where}))["deleted"], len(wanted))
        self.points = {id_: point for id_, point in self.points.items() if id_ not in wanted}
        self.assertEqual(len(self.scroll(clients[2])), len(self.points))

    def check_sessions(self, cluster):
        """A search that carries the token of a write sees it on any node, although `any` may ask a copy that lags."""
        writer, *readers = [node.client() for node in cluster.nodes]
        for number in range(30):
            vector = [1000 + number] + [0] * (DIMENSION - 1)
            reply = writer.put(f"/collections/sharded/vectors/{5000 + number}", {"vector": vector})
            self.expect(reply)
            token = reply.headers["X-Session-Token"]
            for reader in readers:
                found = self.expect(reader.post("/collections/sharded/search", {"vector": vector, "limit": 1},
                                                headers={"X-Session-Token": token}))["results"]
                self.assertEqual((found[0]["id"], found[0]["score"]), (5000 + number, 0))
        self.check_reads_of_a_session(cluster, writer, readers)

    def check_reads_of_a_session(self, cluster, writer, readers):
        """By id, pages and counts of `any` see what the session wrote, and what it deleted, from every node."""
        known = self.expect(writer.post("/collections/sharded/vectors/count", {}))["count"]
        for reader in readers:  # of what was written without a session nothing is promised but that it comes
            cluster.until("the copies have what was written before", lambda one=reader: self.expect(
                one.post("/collections/sharded/vectors/count", {"consistency": "any"}))["count"] == known)
        session = {}
        for number in range(30):
            path = f"/collections/sharded/vectors/{6000 + number}"
            reply = writer.put(path, {"vector": [number] * DIMENSION}, headers=session)
            self.expect(reply)
            session = {"X-Session-Token": reply.headers["X-Session-Token"]}
            for reader in readers:
                self.expect(reader.get(f"{path}?consistency=any", headers=session))
            deleted = writer.delete(path, headers=session)
            self.expect(deleted)
            session = {"X-Session-Token": deleted.headers["X-Session-Token"]}
            for reader in readers:
                self.expect_error(reader.get(f"{path}?consistency=any", headers=session), 404, "vector_not_found")
                counted = self.expect(reader.post("/collections/sharded/vectors/count", {"consistency": "any"}, headers=session))
                self.assertEqual(counted["count"], known)


if __name__ == "__main__":
    harness.main()
