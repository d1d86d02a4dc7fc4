"""Backups of three real nodes: under load, restored in any order, and what does not belong together is refused."""

import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import cluster_harness
import harness

SCRIPTS = os.path.join(harness.SOURCE_DIR, "scripts")
SNAPSHOTS = "/api/v1/snapshots"


class Writer(threading.Thread):
    """One client of some node. Writes (number, 0), (number, 1), … one after the other: what is saved of it must be a prefix."""

    def __init__(self, number, node):
        super().__init__()
        self.number, self.client = number, harness.Client(node.port)
        self.acknowledged = self.begun = 0
        self.ending = threading.Event()
        self.problem = None

    def run(self):
        while not self.ending.is_set():
            self.begun += 1
            body = {"vectors": [{"id": f"{self.number}-{self.acknowledged}", "vector": [self.acknowledged, self.number]}]}
            reply = self.client.post("/collections/docs/vectors", body)
            if reply.status != 200:
                self.problem = repr(reply)
                return
            self.acknowledged += 1


class ClusterBackupTest(cluster_harness.ClusterTest):
    def setUp(self):
        super().setUp()
        self.scratch = tempfile.mkdtemp(prefix="vectorizer-backup-")
        self.addCleanup(shutil.rmtree, self.scratch, True)
        self.writers = []

    def filled(self, **sharding):
        cluster = self.start_cluster()
        self.create(cluster, dimension=2, sharding={"shard_count": 6, "replication_factor": 2, **sharding})
        cluster.wait_green()
        return cluster

    def write(self, cluster, until=60):
        self.writers = [Writer(number, node) for number, node in enumerate(cluster.nodes)]
        for writer in self.writers:
            writer.start()
        cluster.until("the writers write", lambda: all(w.acknowledged >= until or w.problem for w in self.writers))

    def end(self):
        for writer in self.writers:
            writer.ending.set()
        for writer in self.writers:
            writer.join()
            writer.client.close()
            self.assertIsNone(writer.problem)

    def script(self, name, *arguments):
        done = subprocess.run([os.path.join(SCRIPTS, name), *arguments], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def cluster_id(self, node):
        import json  # pylint: disable=import-outside-toplevel
        with open(os.path.join(node.data_dir, "identity"), encoding="utf-8") as file:
            return json.load(file)["cluster_id"]

    def ids(self, node):
        found, cursor, client = set(), None, node.client()
        while True:
            body = {"limit": 1000, "with_vector": True, **({"cursor": cursor} if cursor else {})}
            page = self.expect(client.post("/collections/docs/vectors/scroll", body))
            for vector in page["vectors"]:
                number, count = map(int, vector["id"].split("-"))
                self.assertEqual(vector["vector"], [count, number])
                found.add((number, count))
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def check_prefixes(self, found, at_least, at_most):
        """Of every client a prefix: all that it had been told before, and nothing that it had not begun."""
        for number, least in enumerate(at_least):
            counts = sorted(count for n, count in found if n == number)
            self.assertEqual(counts, list(range(len(counts))))
            self.assertGreaterEqual(len(counts), least)
            self.assertLessEqual(len(counts), at_most[number])

    def save_live(self, cluster):
        for node in cluster.nodes:
            self.script("backup.sh", "--url", f"http://127.0.0.1:{node.port}", "--output", self.backup(node))

    def backup(self, node):
        return os.path.join(self.scratch, f"{node.id}.tar.gz")

    def restore(self, node):
        node.wipe()
        self.script("restore.sh", self.backup(node), node.data_dir)

    def stop_all(self, cluster):
        for node in cluster.nodes:
            if node.running():
                node.kill()

    def test_live_backups_of_all_nodes_restored_in_any_order(self):
        cluster = self.filled()
        self.write(cluster)
        acknowledged = [w.acknowledged for w in self.writers]
        self.save_live(cluster)
        begun = [w.begun for w in self.writers]
        self.end()
        old = self.cluster_id(cluster.nodes[0])
        self.stop_all(cluster)
        for node in cluster.nodes:
            self.restore(node)
        for node in reversed(cluster.nodes):  # minutes apart, for all that they know
            node.start(wait=False)
        cluster.wait_ready()
        cluster.wait_green()
        found = self.ids(cluster.nodes[1])
        # The backups are of different moments, so that clients of several shards see no single one; but nothing is lost.
        for number, least in enumerate(acknowledged):
            have = {count for n, count in found if n == number}
            self.assertLessEqual(set(range(least)), have)
            self.assertLessEqual(max(have), begun[number])
        new = {self.cluster_id(node) for node in cluster.nodes}
        self.assertEqual(len(new), 1)
        self.assertNotIn(old, new)
        for node in cluster.nodes:
            self.assertEqual(self.ids(node), found)
        cluster.until("nobody counts as restored any more", lambda: not any(
            os.path.exists(os.path.join(node.data_dir, "RESTORE")) for node in cluster.nodes))
        # It is a cluster like any other: it takes writes, restarts, and loses a node.
        self.expect(cluster.nodes[2].client().post("/collections/docs/vectors", {"vectors": [{"id": "9-1", "vector": [1, 9]}]}))
        cluster.nodes[0].kill()
        cluster.until("the others serve everything", lambda: (9, 1) in self.ids(cluster.nodes[1]))
        cluster.restart(cluster.nodes[0])
        cluster.wait_green()
        self.assertEqual(self.ids(cluster.nodes[0]), found | {(9, 1)})

    def test_a_snapshot_of_the_cluster_is_the_acknowledged_set_at_its_point(self):
        cluster = self.filled(shard_count=1)
        self.write(cluster)
        at_least = [w.acknowledged for w in self.writers]
        made = self.expect(cluster.nodes[1].client().post(SNAPSHOTS, {"name": "point"}), 201)["snapshot"]
        at_most = [w.begun for w in self.writers]
        self.assertEqual(made["status"], "complete")
        self.assertEqual(sorted(node["node"] for node in made["nodes"]), [node.id for node in cluster.nodes])
        self.end()
        listed = self.expect(cluster.nodes[2].client().get(SNAPSHOTS))["snapshots"]
        self.assertEqual(listed, [made])
        self.assertEqual(self.expect(cluster.nodes[0].client().post(SNAPSHOTS + "/point/verify"))["status"], "complete")
        self.stop_all(cluster)
        for node in cluster.nodes:
            kept = os.path.join(self.scratch, node.id)
            os.rename(os.path.join(node.data_dir, "snapshots", "point"), kept)
            node.wipe()
            os.rename(kept, node.data_dir)
        for node in cluster.nodes:
            node.start(wait=False)
        cluster.wait_ready()
        cluster.wait_green()
        self.check_prefixes(self.ids(cluster.nodes[0]), at_least, at_most)

    def test_snapshots_go_into_a_cluster_of_another_size(self):
        cluster = self.filled()
        self.write(cluster, 150)
        at_least = [w.acknowledged for w in self.writers]
        made = self.expect(cluster.nodes[1].client().post(SNAPSHOTS), 201)["snapshot"]
        at_most = [w.begun for w in self.writers]
        self.end()
        paths = [node["path"] for node in made["nodes"]]
        single = self.start_server()
        self.vectorizer("restore", *paths, "--url", f"http://127.0.0.1:{single.port}", "--batch", "37")
        found = self.ids(single)
        for number, least in enumerate(at_least):
            have = {count for n, count in found if n == number}
            self.assertLessEqual(set(range(least)), have)
            self.assertLessEqual(max(have) + 1, at_most[number])
        there = self.expect(single.client().get("/collections/docs"))
        self.assertEqual((there["metric"], there["sharding"]["shard_count"], there["sharding"]["replication_factor"]), ("euclidean", 6, 1))
        # Nothing is written over, unless it is said.
        self.assertIn("exists", self.vectorizer("restore", *paths, "--url", f"http://127.0.0.1:{single.port}", status=1))
        self.vectorizer("restore", *paths, "--url", f"http://127.0.0.1:{single.port}", "--existing", "-c", "docs")
        self.assertEqual(self.ids(single), found)
        # What is damaged or missing is refused before anything is sent.
        empty = self.start_server()
        url = f"http://127.0.0.1:{empty.port}"
        copy = os.path.join(self.scratch, "copy")
        shutil.copytree(paths[0], copy)
        name = next(name for name in os.listdir(os.path.join(copy, "db")) if name.startswith("MANIFEST"))
        with open(os.path.join(copy, "db", name), "r+b") as file:
            file.seek(20)
            byte = file.read(1)
            file.seek(20)
            file.write(bytes([byte[0] ^ 1]))
        self.assertIn(name, self.vectorizer("restore", copy, *paths[1:], "--url", url, status=1))
        self.assertIn("in none of the snapshots", self.vectorizer("restore", paths[0], "--url", url, status=1))
        self.assertIn("second snapshot of node", self.vectorizer("restore", paths[0], paths[0], "--url", url, status=1))
        self.assertIn("is not in the snapshots", self.vectorizer("restore", *paths, "--url", url, "-c", "absent", status=1))
        self.vectorizer("restore", "--url", url, status=64)
        self.vectorizer("restore", "/nowhere", "--url", url, status=64)
        self.assertEqual(self.expect(empty.client().get("/collections"))["total_collections"], 0)

    def vectorizer(self, *arguments, status=0):
        done = subprocess.run([harness.binary(), *arguments], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_nodes_that_do_not_belong_together_do_not_form_a_cluster(self):
        cluster = self.filled()
        self.save_live(cluster)
        self.stop_all(cluster)
        first, second, third = cluster.nodes
        self.restore(first)
        self.restore(second)
        for node in cluster.nodes:  # the third goes on with what it has
            node.start(wait=False)
        cluster.until("the restored ones say who is in the way",
                      lambda: "restore that node too" in cluster.ask("/health/ready", first).raw.decode())
        self.assertEqual(cluster.ask("/health/ready", second).status, 503)
        third.kill()
        # The backup of another node is not taken; nor is the same one twice.
        third.wipe()
        self.script("restore.sh", self.backup(first), third.data_dir)
        third.start(wait=False)
        self.assertEqual(third.wait(), 65, third.log())
        self.assertIn("backup of node 'node-1'", third.log())
        # A machine with an empty disk is a newcomer, and gets what it lacks.
        third.wipe()
        third.start(wait=False)
        cluster.wait_ready()
        cluster.wait_green()

    def test_what_is_left_after_the_loss_of_a_majority_goes_on(self):
        cluster = self.filled(replication_factor=3)
        self.create(cluster, "thin", 2, sharding={"shard_count": 3, "replication_factor": 1})
        thin = {"vectors": [{"id": i, "vector": [i, i]} for i in range(60)]}
        self.expect(cluster.nodes[0].client().post("/collections/thin/vectors", thin))
        self.write(cluster, 20)
        self.end()
        everything = self.ids(cluster.nodes[0])
        self.stop_all(cluster)
        left, *lost = cluster.nodes
        for node in lost:
            node.wipe()
            node.start(wait=False)
        left.start(wait=False)
        # Without its operator it refuses, whatever the newcomers say.
        cluster.until("it has no leader", lambda: cluster.ask("/health/ready", left).status == 503)
        self.assertEqual(left.client().delete("/collections/thin").status, 503)
        for node in cluster.nodes:
            node.kill()
        with open(os.path.join(left.data_dir, "RESTORE"), "w", encoding="utf-8"):
            pass
        for node in lost:  # they may have begun to join what is gone
            node.wipe()
        for node in cluster.nodes:
            node.start(wait=False)
        cluster.wait_ready()
        cluster.until("what it had is there in three copies", lambda: all(
            len(shard["in_sync"]) == 3 for shard in cluster.shards() if shard["collection"] == "docs"))
        for node in cluster.nodes:
            self.assertEqual(self.ids(node), everything)
        # What only the lost ones had is missing, and said to be: nothing is silently partial.
        status = self.expect(cluster.ask("/api/v1/cluster/status"))
        self.assertEqual(status["status"], "red")
        gone = [shard["shard_id"] for shard in cluster.shards() if not shard["primary"]]
        self.assertEqual(len(gone), 2)
        self.assertEqual(left.client().post("/collections/thin/vectors/count", {}).status, 503)
        for shard in gone:
            self.expect(left.client().post(f"/api/v1/cluster/shards/{shard}/allocate",
                                           {"node": left.id, "mode": "empty", "accept_data_loss": True}))
        cluster.wait_green()
        count = self.expect(left.client().post("/collections/thin/vectors/count", {}))["count"]
        self.assertTrue(0 < count < 60, count)

    def test_a_stopped_cluster_is_restored_from_plain_tars_while_nodes_crash(self):
        cluster = self.filled()
        self.write(cluster, 20)
        self.end()
        everything = self.ids(cluster.nodes[0])
        for node in cluster.nodes:
            node.terminate()
            tar = subprocess.run(["tar", "-czf", self.backup(node), node.data_dir], capture_output=True, check=False)
            self.assertEqual(tar.returncode, 0, tar.stderr)
        for node in cluster.nodes:
            self.restore(node)
        for node in cluster.nodes:
            node.start(wait=False)
        for _ in range(6):  # in whatever state it is
            time.sleep(0.15)
            for node in cluster.nodes:
                node.kill()
                node.start(wait=False)
        cluster.wait_ready()
        cluster.wait_green()
        self.assertEqual(self.ids(cluster.nodes[2]), everything)


if __name__ == "__main__":
    unittest.main(verbosity=2)
