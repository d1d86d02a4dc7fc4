"""Suite `cluster_failures`: a write whose answer never came is sent again, and is done once."""

import http.client
import threading

import cluster_harness
import cluster_workload
import harness


def flat(value):
    return [value] * cluster_workload.DIMENSION


class LostAnswer(threading.Thread):
    """A write through a node that hears nothing of what became of it, for as long as that lasts."""

    def __init__(self, node, path, body, key=None):
        super().__init__()
        self.node, self.path, self.body = node, path, body
        self.headers = {"Idempotency-Key": key} if key else {}
        self.reply = None

    def send(self, node):
        client = harness.Client(node.port)
        try:
            return client.post(self.path, self.body, headers=self.headers)
        finally:
            client.close()

    def run(self):
        try:
            self.reply = self.send(self.node)
        except (OSError, http.client.HTTPException):
            pass


class ClusterRetryTest(cluster_harness.ClusterTest):
    def led_by_a_follower_of_raft(self, cluster):
        """A collection of one shard whose primary is not the leader of the metadata, so that the leader outlives it."""
        for number in range(6):
            name = f"docs{number}"
            self.create(cluster, name, cluster_workload.DIMENSION, sharding={"shard_count": 1, "replication_factor": 3})
            if cluster.primary_of(name) is not cluster.leader():
                return name
        self.fail("the leader is the primary of every shard")

    def vector_of(self, node, name, point):
        reply = node.client(timeout=10).get(f"/collections/{name}/vectors/{point}?consistency=primary")
        return None if reply.status == 404 else self.expect(reply)["vector"]

    def check_points(self, cluster, name):
        for node in cluster.nodes:
            if node.answers():
                self.assertEqual([self.vector_of(node, name, point) for point in "abc"], [flat(9), flat(7), flat(8)], f"through {node.id}")

    def test_a_primary_dies_between_commit_and_acknowledgement(self):
        cluster = self.start_cluster(links=True)
        name = self.led_by_a_follower_of_raft(cluster)
        cluster.wait_green()
        primary, leader = cluster.primary_of(name), cluster.leader()
        deaf = next(node for node in cluster.nodes if node not in (primary, leader))
        path = f"/collections/{name}/vectors"
        self.expect(deaf.client().post(path, {"vectors": [{"id": "b", "vector": flat(1)}]}))  # the nodes are connected

        # The primary commits with the other follower; its answers do not reach the node that asked.
        cluster.links.one_way(primary.number, deaf.number)
        lost = [LostAnswer(deaf, path, {"vectors": [{"id": "a", "vector": flat(1)}]}, "upsert-1"),
                LostAnswer(deaf, f"{path}/delete", {"ids": ["b", "none"]}, "delete-1"),
                LostAnswer(deaf, path, {"vectors": [{"id": "c", "vector": flat(1)}]})]
        for write in lost:
            write.start()
        cluster.until("all is committed", lambda: [self.vector_of(primary, name, point) for point in "abc"] == [flat(1), None, flat(1)])
        self.assertEqual([write.reply for write in lost], [None] * 3)
        others = [{"id": "a", "vector": flat(9)}, {"id": "b", "vector": flat(7)}, {"id": "c", "vector": flat(8)}]
        self.expect(primary.client().post(path, {"vectors": others}))
        primary.kill()
        cluster.links.heal()

        def again(write):
            replies = []

            def answered():
                reply = write.send(leader)
                replies.append(reply)
                self.assertIn(reply.status, (200, 503, 504), repr(reply))
                return reply.status == 200
            cluster.until("a write that comes again is answered", answered)
            return replies[-1].json
        self.assertEqual(again(lost[0])["upserted"], 1)
        self.assertEqual(again(lost[1])["deleted"], 1)  # as it was then: `b` is there again
        self.check_points(cluster, name)
        for write in lost:
            write.join()
        for write in lost:  # the node that heard nothing has asked again by itself
            self.assertIn(write.reply.status, (200, 503, 504), repr(write.reply))
            if write.reply.status != 200:
                self.assertEqual(write.reply.json["details"]["outcome"], "unknown", repr(write.reply))
        self.check_points(cluster, name)
        other = LostAnswer(leader, path, {"vectors": [{"id": "a", "vector": flat(5)}]}, "upsert-1")
        self.expect_error(other.send(deaf), 409, "conflict")

        cluster.restart(primary)
        cluster.wait_green()
        self.assertEqual(self.expect(lost[0].send(primary))["upserted"], 1)
        self.assertEqual(self.expect(lost[1].send(primary))["deleted"], 1)
        self.expect_error(other.send(primary), 409, "conflict")
        self.check_points(cluster, name)
        cluster_workload.check_copies(self, cluster, name)


if __name__ == "__main__":
    harness.main()
