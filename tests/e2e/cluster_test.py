"""Suite `cluster`: nodes find each other, form one cluster, and any of them takes any change of a collection."""

import cluster_harness
import harness


class ClusterManagementTest(cluster_harness.ClusterTest):
    def test_nodes_started_in_reverse_order_wait_and_then_form(self):
        cluster = cluster_harness.Cluster(self)
        first, second, third = cluster.nodes
        third.start(wait=False)
        self.wait_not_ready(cluster, third, "node-1", "node-2")
        self.assertEqual(cluster.ask("/health", third).json["status"], "healthy")
        refused = self.expect_error(third.client().post("/collections", {"name": "early", "dimension": 2}), 503, "no_leader")
        self.assertIn("node-1", refused["message"])

        second.start(wait=False)
        self.wait_not_ready(cluster, second, "node-1")
        first.start(wait=False)
        cluster.wait_ready()
        self.check_members(cluster)
        self.check_sync(cluster)
        self.check_collections_from_anywhere(cluster)
        self.check_one_creator_wins(cluster)
        self.check_a_stop_and_start_of_all(cluster)

    def wait_not_ready(self, cluster, node, *names):
        def says_why():
            reply = cluster.ask("/health/ready", node)
            self.assertEqual(reply.status, 503, repr(reply))
            return all(name in reply.json["message"] for name in names)
        cluster.until(f"{node.id} says that it waits for {names}", says_why)

    def check_members(self, cluster):
        for node in cluster.nodes:
            nodes = cluster.ask("/api/v1/cluster/nodes", node).json["nodes"]
            self.assertEqual([(n["id"], n["status"], n["grpc_port"]) for n in nodes],
                             [(n.id, "active", n.grpc_port) for n in cluster.nodes])
        # A node hears of a new leader within a beat.
        cluster.until("all name the same leader", lambda: len({cluster.leader(node).id for node in cluster.nodes}) == 1)
        leader = cluster.leader()
        for node in cluster.nodes:
            role = cluster.ask("/api/v1/cluster/role", node).json
            self.assertEqual((role["node_id"], role["role"]), (node.id, "leader" if node is leader else "follower"))
        self.expect_error(cluster.ask("/api/v1/cluster/nodes/node-9"), 404, "node_not_found")

    def check_sync(self, cluster):
        def synced():
            reply = self.expect(cluster.some().client().post("/api/v1/cluster/sync"))
            self.assertEqual(set(reply["nodes"]), {"node-1", "node-2", "node-3"})
            return reply["in_sync"] and len({node["digest"] for node in reply["nodes"].values()}) == 1
        cluster.until("all have the same metadata", synced)

    def check_collections_from_anywhere(self, cluster):
        """Created on one node, there on every other at once; so are changes and deletions."""
        clients = [node.client() for node in cluster.nodes]
        for i, client in enumerate(clients):
            other, third = clients[(i + 1) % 3], clients[(i + 2) % 3]
            name = f"from-{i}"
            self.expect(client.post("/collections", {"name": name, "dimension": 2, "metric": "euclidean"}), 201)
            self.expect(other.post(f"/collections/{name}/vectors", {"vectors": [{"id": 1, "vector": [1, 2]}]}))
            self.assertEqual(self.expect(third.get(f"/collections/{name}/vectors/1"))["vector"], [1, 2])
            self.expect_error(other.post("/collections", {"name": name, "dimension": 2}), 409, "collection_already_exists")
            self.expect(third.patch(f"/collections/{name}", {"hnsw": {"ef_search": 99}}))
            # Reading a collection asks the node's own metadata, which is a beat behind at most.
            cluster.until("the change is seen everywhere", lambda asked=client, path=f"/collections/{name}":
                          self.expect(asked.get(path))["hnsw"]["ef_search"] == 99)
            self.expect(third.delete(f"/collections/{name}"))
            for asked in clients:
                cluster.until("it is gone everywhere", lambda one=asked, path=f"/collections/{name}": one.get(path).status == 404)
                self.expect_error(asked.get(f"/collections/{name}"), 404, "collection_not_found")
                self.expect_error(asked.get(f"/collections/{name}/vectors/1"), 404, "collection_not_found")
            self.expect(other.post("/collections", {"name": name, "dimension": 2}), 201)
            self.expect_error(client.get(f"/collections/{name}/vectors/1"), 404, "vector_not_found")

    def check_one_creator_wins(self, cluster):
        for attempt in range(5):
            statuses = []
            body = {"name": f"raced-{attempt}", "dimension": 2}
            cluster_harness.in_threads([lambda n=node: statuses.append(n.client().post("/collections", body).status)
                                        for node in cluster.nodes])
            self.assertEqual(sorted(statuses), [201, 409, 409])

    def check_a_stop_and_start_of_all(self, cluster):
        client = cluster.nodes[1].client()
        vectors = [{"id": i, "vector": [i, 1], "payload": {"i": i}} for i in range(300)]
        self.expect(client.post("/collections/from-0/vectors", {"vectors": vectors}))
        client.close()
        statuses = []
        cluster_harness.in_threads([lambda n=node: statuses.append(n.terminate()) for node in cluster.nodes])
        self.assertEqual(statuses, [0, 0, 0])
        cluster.restart(*reversed(cluster.nodes))
        cluster.wait_green()
        for node in cluster.nodes:
            client = node.client()
            self.assertEqual(self.expect(client.post("/collections/from-0/vectors/count", {}))["count"], 300)
            self.assertEqual(self.expect(client.get("/collections/from-0/vectors/299"))["payload"], {"i": 299})

    def test_a_node_with_another_secret_is_refused(self):
        cluster = cluster_harness.Cluster(self, extra='  secret: "the secret of these three"\n')
        cluster.start()
        [stranger] = cluster.add_nodes(1)
        stranger.configure(cluster.nodes, '  secret: "the secret of another one"\n')
        stranger.start(wait=False)
        cluster.until("the stranger says why it does not join", lambda: all(
            part in stranger.log() for part in ("server 'node-1'", "does not know cluster.secret")))
        cluster.until("the stranger takes no change", lambda: self.expect_error(
            stranger.client().post("/collections", {"name": "x", "dimension": 2}), 503, "no_leader"))
        stranger.terminate()
        cluster.nodes.remove(stranger)
        self.check_members(cluster)  # and nobody else
        self.create(cluster)

    def test_a_member_of_another_cluster_is_refused(self):
        cluster = cluster_harness.Cluster(self)
        cluster.start()
        [stranger] = cluster.add_nodes(1)
        stranger.configure([stranger])  # a cluster of its own
        stranger.start()
        self.create(cluster, "theirs", node=stranger, sharding={"shard_count": 1})
        stranger.terminate()
        stranger.configure(cluster.nodes)
        stranger.start(wait=False)
        cluster.until("the stranger says whose cluster is another one", lambda: all(
            part in stranger.log() for part in ("'node-1'", "belongs to cluster", "empty the data directory")))
        cluster.nodes.remove(stranger)
        self.check_members(cluster)
        self.expect_error(cluster.ask("/collections/theirs"), 404, "collection_not_found")
        self.create(cluster)

    def test_a_node_with_another_list_waits_with_the_reason(self):
        cluster = cluster_harness.Cluster(self)
        cluster.add_nodes(1)
        cluster.nodes[2].configure(cluster.nodes)  # node 3 lists four, the others three
        for node in cluster.nodes[:3]:
            node.start(wait=False)

        def says_why():
            reply = cluster.ask("/health/ready", cluster.nodes[0])
            self.assertEqual(reply.status, 503, repr(reply))
            return "node-3" in reply.json["message"] and "list" in reply.json["message"]
        cluster.until("node-1 says whose list differs", says_why)
        self.expect_error(cluster.nodes[1].client().post("/collections", {"name": "x", "dimension": 2}), 503, "no_leader")
        cluster.nodes[2].terminate()
        cluster.nodes[2].configure(cluster.nodes[:3])
        cluster.nodes[2].start(wait=False)
        for node in cluster.nodes[:3]:
            node.wait_ready()


if __name__ == "__main__":
    harness.main()
