"""Suite `cluster_e2e`: nodes of an older build work in a cluster of newer ones, are replaced one after the other under load, and their
data is read.

The older build is $VECTORIZER_PROTOCOL_1_BINARY: this one, but it knows the first protocol alone. `data/protocol-1.tar.gz` has the data
directories of three nodes that it ran, stopped with SIGTERM; `python3 cluster_upgrade_test.py record` makes it anew.
"""

import os
import shutil
import subprocess
import sys
import time
import unittest

import cluster_harness
import cluster_workload
import harness

RECORDED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "protocol-1.tar.gz")
DOCS = "/collections/docs"


def old_binary():
    return os.environ["VECTORIZER_PROTOCOL_1_BINARY"]


def point(number):
    return {"id": number, "vector": [number, number % 7, 1, 2], "payload": {"odd": number % 2 == 1}}


class VersionsTest(cluster_harness.ClusterTest):
    def cluster_of(self, program):
        cluster = cluster_harness.Cluster(self)
        for node in cluster.nodes:
            node.program = program
        return cluster

    def raised(self, cluster):
        return any('"kind":"raise_protocol"' in node.log(100_000) for node in cluster.nodes)

    def remembered(self, cluster, node):
        """A write that one node has done is sent again through another: whether it is known."""
        key = f"once-{time.monotonic_ns()}"
        body, path = {"ids": [key]}, DOCS + "/vectors/delete"
        self.expect(node.client().post(DOCS + "/vectors", {"vectors": [{**point(1), "id": key}]}))
        first = self.expect(node.client().post(path, body, headers={"Idempotency-Key": key}))
        again = self.expect(cluster.others(node)[0].client().post(path, body, headers={"Idempotency-Key": key}))
        self.assertEqual(first["deleted"], 1)
        return again["deleted"] == 1

    def check_docs(self, node):
        """What record() has written: 0 to 199 but for every tenth from 7 on."""
        wanted = [number for number in range(200) if number % 10 != 7]
        page = self.expect(node.client().post(DOCS + "/vectors/scroll", {"limit": 1000, "with_vector": True}))
        self.assertEqual([{k: v for k, v in vector.items() if k in ("id", "vector", "payload")} for vector in page["vectors"]],
                         [point(number) for number in wanted])
        found = self.expect(node.client().post(DOCS + "/search", {"vector": point(40)["vector"], "limit": 1,
                                                                  "filter": {"must": [{"key": "odd", "match": {"value": False}}]}}))
        self.assertEqual(found["results"][0]["id"], 40)

    def record(self):
        cluster = self.cluster_of(old_binary()).start()
        self.create(cluster, "docs", 4, sharding={"shard_count": 2, "replication_factor": 2})
        cluster.wait_green()
        for start in range(0, 200, 50):
            self.expect(cluster.some().client().post(DOCS + "/vectors", {"vectors": [point(n) for n in range(start, start + 50)]}))
        self.expect(cluster.some().client().post(DOCS + "/vectors/delete", {"ids": list(range(7, 200, 10))}))
        self.check_docs(cluster.nodes[0])
        for node in cluster.nodes:
            self.assertEqual(node.terminate(), 0, node.log())
        home = cluster.nodes[0].home
        for node in cluster.nodes:
            shutil.move(node.data_dir, os.path.join(home, node.id))
        os.makedirs(os.path.dirname(RECORDED), exist_ok=True)
        subprocess.run(["tar", "--sort=name", "--owner=0", "--group=0", "--exclude=LOG", "--exclude=LOG.old.*", "-czf", RECORDED, "-C", home,
                        *(node.id for node in cluster.nodes)], check=True)


class UpgradeTest(VersionsTest):
    def test_nodes_are_replaced_by_newer_ones_under_load(self):
        cluster = self.cluster_of(old_binary()).start()
        self.create(cluster, "docs", 4)
        workload = cluster_workload.Workload(self, cluster, harness.seed(), factor=2).start()
        try:
            workload.progress(40)
            self.assertFalse(self.remembered(cluster, cluster.nodes[0]))
            for node in cluster.nodes:
                self.assertFalse(self.raised(cluster))
                self.assertEqual(node.terminate(), 0, node.log())
                node.program = None
                cluster.restart(node)
                cluster.wait_green()
                workload.new_epoch()
                workload.progress(40)
            cluster.until("all speak the newer protocol", lambda: self.raised(cluster))
            cluster.until("a write is known on every node", lambda: all(self.remembered(cluster, node) for node in cluster.nodes))
            workload.progress(40)
            self.check_there_is_no_way_back(cluster)
            workload.finish()
        except BaseException:
            workload.abandon()
            raise
        cluster_workload.check_copies(self, cluster, "registers", "unique")
        print(workload.summary(), flush=True)

    def check_there_is_no_way_back(self, cluster):
        node = cluster.nodes[2]
        self.assertEqual(node.terminate(), 0, node.log())
        node.program = old_binary()
        node.start(wait=False)
        self.assertNotEqual(node.wait(), 0)
        self.assertIn("the cluster speaks protocol 2, this build knows 1", node.log())
        node.program = None
        cluster.restart(node)
        cluster.wait_green()

    def test_data_of_the_first_protocol(self):
        cluster = self.cluster_of(None)
        subprocess.run(["tar", "-xzf", RECORDED, "-C", cluster.nodes[0].home], check=True)
        for node in cluster.nodes:
            shutil.move(os.path.join(cluster.nodes[0].home, node.id), node.data_dir)
        cluster.start()
        cluster.wait_green()
        for node in cluster.nodes:
            self.check_docs(node)
        self.expect(cluster.nodes[1].client().post(DOCS + "/vectors", {"vectors": [point(7)]}))  # was deleted
        self.assertEqual(self.expect(cluster.nodes[2].client().post(DOCS + "/vectors/count", {}))["count"], 181)
        cluster.until("it speaks the newer protocol", lambda: self.raised(cluster))
        cluster.until("a write is known on every node", lambda: self.remembered(cluster, cluster.nodes[0]))
        cluster_workload.check_digests(self, cluster, "docs")


if __name__ == "__main__":
    if sys.argv[1:] == ["record"]:
        sys.exit(0 if unittest.TextTestRunner().run(VersionsTest("record")).wasSuccessful() else 1)
    harness.main()
