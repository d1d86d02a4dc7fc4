"""Suite `cluster_corruption`: bytes of one node's files are changed, at rest and under the running process.

Nobody gets a wrong answer, nothing acknowledged is lost, the damage is told, and the copies are made again and equal at the end. Only a
damaged identity or Raft store ends the process, with status 65 and what to do.

VECTORIZER_CORRUPTION_ROUNDS says how many files are damaged (4).
"""

import glob
import os
import random
import time
import unittest

import cluster_faults
import cluster_harness
import cluster_workload
import harness

ROUNDS = int(os.environ.get("VECTORIZER_CORRUPTION_ROUNDS", "4"))
SCRUB = {"VECTORIZER_CLUSTER_SCRUB_INTERVAL": "1", "VECTORIZER_CLUSTER_SCRUB_BYTES_PER_SECOND": str(64 << 20)}
DAMAGED = 65
# What a file is, by where it lies; the last two may end the process.
KINDS = {
    "table": "db/*.sst", "values": "db/*.blob", "log": "db/*.log", "manifest": "db/MANIFEST-*", "current": "db/CURRENT",
    "index": "index/*/*", "peers": "peers", "raft": "raft/store/*", "identity": "identity",
}
MAY_END = ("raft", "identity")


def flip(path, rng, count=1):
    """Other bytes at `count` places."""
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        for _ in range(count):
            at = rng.randrange(size)
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ (1 << rng.randrange(8))]))


def truncate(path, rng):
    os.truncate(path, rng.randrange(os.path.getsize(path)))


class ClusterCorruptionTest(cluster_harness.ClusterTest):
    longMessage = True

    def files(self, node, kind):
        found = glob.glob(os.path.join(node.data_dir, KINDS[kind]))
        return sorted(path for path in found if os.path.isfile(path) and os.path.getsize(path) > 0)

    def counter(self, node, name):
        client = node.client()
        text = client.get("/metrics").raw.decode()
        client.close()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name)

    def damage(self, node, rng, kinds):
        """Of a node that is down. The kind of file, or None when it has none of them."""
        for kind in rng.sample(kinds, len(kinds)):
            files = self.files(node, kind)
            if not files:
                continue
            path = rng.choice(files)
            if rng.random() < 0.25:
                truncate(path, rng)
                print(f"{node.id}: cut {os.path.relpath(path, node.data_dir)}", flush=True)
            else:
                flip(path, rng, rng.choice((1, 8, 64)))
                print(f"{node.id}: flipped {os.path.relpath(path, node.data_dir)}", flush=True)
            return kind
        return None

    def start_damaged(self, cluster, node, kind):
        """Starts it; a process that says that its disk cannot be used is wiped, as it asks."""
        node.start(wait=False)
        cluster.tell_pids()

        def decided():
            return node.process.poll() is not None or cluster.ask("/health/ready", node).status == 200

        # It may be ready, or be made ready by the others: it must not end for what is in its shards.
        cluster.until(f"{node.id} is ready or has ended", decided, 120)
        if node.process.poll() is None:
            return "went on"
        self.assertIn(kind, MAY_END, f"it ended with {node.process.returncode}\n{node.log(40)}")
        self.assertEqual(node.process.returncode, DAMAGED, node.log(40))
        self.assertIn("mpty its data directory", node.log(40))
        node.kill()
        node.wipe()
        cluster.restart(node)
        return "was wiped"

    def test_any_file_of_one_node(self):
        seed = harness.seed()
        rng = random.Random(seed)
        cluster = self.start_cluster(environment={**cluster_faults.WRITE_SECONDS, **SCRUB})
        workload = cluster_workload.Workload(self, cluster, seed).start()
        seen = []
        kinds = list(KINDS)
        try:
            for number in range(ROUNDS):
                workload.new_epoch()
                workload.progress(60)
                cluster.wait_green(120)
                victim = rng.choice(cluster.nodes)
                # Two starts: what is in the log of the store goes to its tables with the first.
                victim.kill()
                cluster.restart(victim)
                workload.progress(20)
                cluster.wait_green(120)
                victim.kill()
                # Each kind comes before one comes again.
                wanted = [kinds[(seed + number) % len(kinds)]]
                kind = self.damage(victim, rng, wanted) or self.damage(victim, rng, ["table", "log"])
                outcome = self.start_damaged(cluster, victim, kind)
                cluster.wait_green(120)
                seen.append(f"{kind} {outcome}, {self.counter(victim, 'vectorizer_quarantines_total'):.0f} in quarantine")
            workload.finish()
        except BaseException:
            workload.abandon()
            raise
        cluster_workload.check_copies(self, cluster, "registers", "unique")
        print(f"{workload.summary()}; {'; '.join(seen)}", flush=True)

    def test_tables_under_a_running_node(self):
        """What nobody asks for is read by the scrub; it is told, and the copies are made again from the others."""
        seed = harness.seed()
        rng = random.Random(seed)
        cluster = self.start_cluster(environment=SCRUB)
        self.create(cluster, "docs", 64, sharding={"shard_count": 3, "replication_factor": 3})
        client = cluster.some().client()
        for begin in range(0, 3000, 500):
            self.expect(client.post("/collections/docs/vectors", {"vectors": [
                {"id": i, "vector": [float(i + j) for j in range(64)], "payload": {"n": i}} for i in range(begin, begin + 500)]}))
        client.close()
        victim = rng.choice(cluster.nodes)
        for _ in range(2):  # what is in the log of the store goes to its tables
            victim.kill()
            cluster.restart(victim)
            cluster.wait_green()
        tables = self.files(victim, "table")
        self.assertTrue(tables)
        before = self.counter(victim, "vectorizer_quarantines_total")
        largest = max(tables, key=os.path.getsize)
        flip(largest, rng, os.path.getsize(largest) // 2048)
        begin = time.monotonic()
        seen = []

        def quarantined():
            for node in cluster.nodes:
                seen.extend(cluster.status(node)["quarantined"])
                check = node.client()
                found = self.expect(check.post("/collections/docs/vectors/get", {"ids": list(range(0, 3000, 100))}))
                self.assertEqual(found["missing"], [])
                for vector in found["vectors"]:
                    self.assertEqual(vector["vector"], [float(vector["id"] + j) for j in range(64)])
                check.close()
            return self.counter(victim, "vectorizer_quarantines_total") > before

        cluster.until("the damage is found", quarantined, 60)
        found = time.monotonic() - begin
        self.assertIn("in quarantine", victim.log(2000))
        cluster.wait_green()
        cluster_workload.check_digests(self, cluster, "docs")
        for node in cluster.nodes:
            check = node.client()
            count = self.expect(check.post("/collections/docs/vectors/count", {}))
            self.assertEqual(count["count"], 3000, node.id)
            check.close()
        self.assertTrue(all(entry["node"] == victim.id for entry in seen), seen)
        print(f"found after {found:.1f} s, whole after {time.monotonic() - begin:.1f} s, seen in the status: {len(seen)}", flush=True)


if __name__ == "__main__":
    unittest.main()
