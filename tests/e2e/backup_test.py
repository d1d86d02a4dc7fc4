"""Snapshots and backups of one node: what they hold, what damage does, what a full disk leaves behind, and the guide's own commands."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

import harness

SCRIPTS = os.path.join(harness.SOURCE_DIR, "scripts")
SNAPSHOTS = "/api/v1/snapshots"
DAMAGED_STATUS = 65  # of a process whose data directory cannot be used as it is


def run(*command, **kwargs):
    return subprocess.run(command, capture_output=True, text=True, check=False, env=harness.clean_environment(), **kwargs)


def flip(path):
    """Another file with one bit changed: a snapshot shares files with the live database, which must not be hurt."""
    with open(path, "rb") as file:
        content = bytearray(file.read())
    content[len(content) // 2] ^= 4
    os.remove(path)
    with open(path, "wb") as file:
        file.write(content)


class Writer(threading.Thread):
    """One client that inserts 0, 1, 2, … one after the other, so that what a snapshot holds must be a prefix."""

    def __init__(self, port):
        super().__init__()
        self.client = harness.Client(port)
        self.acknowledged = 0  # so many ids, from 0
        self.begun = 0
        self.ending = threading.Event()
        self.problem = None

    def run(self):
        while not self.ending.is_set():
            self.begun += 1
            body = {"vectors": [{"id": self.acknowledged, "vector": [self.acknowledged, 1, 2, 3]}]}
            reply = self.client.post("/collections/docs/vectors", body)
            if reply.status != 200:
                self.problem = repr(reply)
                return
            self.acknowledged += 1

    def wait_for(self, count):
        deadline = time.monotonic() + 60
        while self.acknowledged < count and self.problem is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self.problem is None and self.acknowledged >= count, self.problem

    def end(self):
        self.ending.set()
        self.join()
        self.client.close()
        assert self.problem is None, self.problem


class BackupTest(harness.ServerTest):
    def setUp(self):
        super().setUp()
        self.scratch = tempfile.mkdtemp(prefix="vectorizer-backup-")
        self.addCleanup(shutil.rmtree, self.scratch, True)

    def create(self, server):
        body = {"name": "docs", "dimension": 4, "metric": "euclidean", "sharding": {"shard_count": 3}}
        self.expect(server.client().post("/collections", body), 201)

    def insert(self, server, first, count):
        vectors = [{"id": i, "vector": [i, 1, 2, 3], "payload": {"text": "x" * 3000}} for i in range(first, first + count)]
        self.expect(server.client().post("/collections/docs/vectors", {"vectors": vectors}))

    def ids(self, server):
        found, cursor, client = [], None, server.client()
        while True:
            page = self.expect(client.post("/collections/docs/vectors/scroll",
                                           {"limit": 1000, "with_payload": False, **({"cursor": cursor} if cursor else {})}))
            found += [vector["id"] for vector in page["vectors"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def script(self, name, *arguments, status=0):
        done = run(os.path.join(SCRIPTS, name), *arguments, cwd=self.scratch)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout.strip() if status == 0 else done.stderr

    def restored(self, backup, wait=True):
        """A node that starts from a backup."""
        server = self.make_server()
        self.script("restore.sh", backup, server.data_dir)
        return server.start(wait=wait)

    def snapshot(self, server, name=None):
        return self.expect(server.client().post(SNAPSHOTS, {"name": name} if name else None), 201)["snapshot"]

    def directory(self, server, name=""):
        return os.path.join(server.data_dir, "snapshots", name)

    # ---- What it holds ----

    def test_a_backup_under_load_is_the_acknowledged_set_at_its_point(self):
        server = self.start_server()
        self.create(server)
        writer = Writer(server.port)
        writer.start()
        writer.wait_for(200)
        for attempt in range(3):
            before = writer.acknowledged
            backup = self.script("backup.sh", "--url", f"http://127.0.0.1:{server.port}", "--output", f"{attempt}.tar.gz")
            after = writer.begun
            self.assertEqual(self.expect(server.client().get(SNAPSHOTS))["snapshots"], [])
            found = self.ids(self.restored(os.path.join(self.scratch, backup)))
            self.assertEqual(found, list(range(len(found))))
            self.assertGreaterEqual(len(found), before)
            self.assertLessEqual(len(found), after)
        writer.end()

    def test_a_snapshot_has_the_deletes_and_the_index_and_takes_writes_again(self):
        server = self.start_server(environment={"VECTORIZER_INDEX_GRAPH_THRESHOLD": "50"})
        self.create(server)
        self.insert(server, 0, 900)
        deadline = time.monotonic() + 60
        while self.expect(server.client().get("/collections/docs"))["indexed_vector_count"] < 900:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.expect(server.client().post("/collections/docs/vectors/delete", {"ids": list(range(100, 300))}))
        server.terminate()
        server.start()  # the indexes are saved
        snapshot = self.snapshot(server, "one")
        self.assertEqual((snapshot["id"], snapshot["status"], len(snapshot["shards"])), ("one", "complete", 3))
        self.assertEqual(snapshot["bytes"], snapshot["nodes"][0]["bytes"])
        copy = self.make_server()
        shutil.copytree(self.directory(server, "one"), copy.data_dir)
        self.assertTrue(any(files for _, _, files in os.walk(os.path.join(copy.data_dir, "index"))))
        copy.start()
        self.assertEqual(self.ids(copy), [i for i in range(900) if not 100 <= i < 300])
        self.insert(copy, 100, 10)
        self.assertEqual(sorted(os.listdir(copy.data_dir)), ["db", "index"])
        hit = self.expect(copy.client().post("/collections/docs/search", {"vector": [350, 1, 2, 3], "limit": 1}))["results"][0]
        self.assertEqual((hit["id"], hit["score"]), (350, 0))

    def test_what_did_not_change_is_shared_with_the_snapshot_before(self):
        server = self.start_server()
        self.create(server)
        self.insert(server, 0, 2000)
        first = self.snapshot(server, "first")
        self.insert(server, 2000, 10)
        second = self.snapshot(server, "second")
        self.assertEqual(first["shared_bytes"], 0)
        self.assertGreater(second["shared_bytes"], first["bytes"] / 2)
        self.expect(server.client().delete(SNAPSHOTS + "/first"))
        self.assertEqual([s["id"] for s in self.expect(server.client().get(SNAPSHOTS))["snapshots"]], ["second"])
        self.assertEqual(self.expect(server.client().post(SNAPSHOTS + "/second/verify"))["status"], "complete")
        server.terminate()
        server.start()
        again = self.expect(server.client().get(SNAPSHOTS + "/second"))
        self.assertEqual((again["status"], again["bytes"], again["shards"], again["nodes"][0]["checksum"]),
                         ("complete", second["bytes"], second["shards"], second["nodes"][0]["checksum"]))

    def test_a_schedule_keeps_the_newest(self):
        server = self.start_server(environment={"VECTORIZER_SNAPSHOTS_INTERVAL_S": "1", "VECTORIZER_SNAPSHOTS_KEEP": "2"})
        self.create(server)
        self.snapshot(server, "by-hand")
        seen, client, deadline = [], server.client(), time.monotonic() + 60
        while len(seen) < 4 and time.monotonic() < deadline:
            names = [s["id"] for s in self.expect(client.get(SNAPSHOTS))["snapshots"]]
            self.assertIn("by-hand", names)
            self.assertLessEqual(len(names), 4)  # two that are kept, one that is being made, the one by hand
            seen += [name for name in names if name not in seen and name.startswith("auto-")]
            time.sleep(0.1)
        self.assertGreaterEqual(len(seen), 4)

    # ---- Damage ----

    def test_a_changed_bit_is_found_by_verify_and_refused_by_a_start(self):
        server = self.start_server()
        self.create(server)
        self.insert(server, 0, 500)
        server.terminate()
        server.start()
        self.snapshot(server, "good")
        place, client = self.directory(server, "good"), server.client()
        files = [os.path.relpath(os.path.join(folder, name), place) for folder, _, names in os.walk(place) for name in names]
        kinds = {os.path.splitext(name)[1] or os.path.basename(name).split("-")[0]: name for name in files
                 if os.path.getsize(os.path.join(place, name)) and name != "RESTORE"}
        self.assertGreater(len(kinds), 4, files)
        for kind, name in kinds.items():
            with self.subTest(file=name):
                copy = self.make_server()
                shutil.copytree(place, copy.data_dir)
                flip(os.path.join(copy.data_dir, name))
                copy.start(wait=False)
                self.assertEqual(copy.wait(), DAMAGED_STATUS, copy.log())
                self.assertIn(os.path.basename(name), copy.log())
                if kind == ".json":
                    continue
                saved = os.path.join(self.scratch, "saved")
                shutil.copy2(os.path.join(place, name), saved)
                flip(os.path.join(place, name))
                found = self.expect(client.post(SNAPSHOTS + "/good/verify"))
                self.assertEqual(found["status"], "damaged")
                self.assertIn(name, found["snapshot"]["nodes"][0]["problems"][0])
                shutil.copy2(saved, os.path.join(place, name))
                self.assertEqual(self.expect(client.post(SNAPSHOTS + "/good/verify"))["status"], "complete")

    def test_missing_and_surplus_files_are_refused_too(self):
        server = self.start_server()
        self.create(server)
        self.insert(server, 0, 100)
        self.snapshot(server, "good")
        for change, word in ((lambda d: os.remove(os.path.join(d, "db", "CURRENT")), "is missing"),
                             (lambda d: open(os.path.join(d, "db", "000999.log"), "wb").close(), "does not belong"),
                             (lambda d: os.truncate(os.path.join(d, "snapshot.json"), 300), "damaged"),
                             (lambda d: os.truncate(os.path.join(d, "RESTORE"), 3), "damaged")):
            with self.subTest(word=word):
                copy = self.make_server()
                shutil.copytree(self.directory(server, "good"), copy.data_dir)
                change(copy.data_dir)
                copy.start(wait=False)
                self.assertEqual(copy.wait(), DAMAGED_STATUS, copy.log())
                self.assertIn(word, copy.log())

    def test_damaged_backups_are_refused_by_the_script(self):
        server = self.start_server()
        self.create(server)
        server.terminate()
        backup = os.path.join(self.scratch, self.script("backup.sh", "--data-dir", server.data_dir))
        os.truncate(backup, os.path.getsize(backup) // 2)
        target = os.path.join(self.scratch, "target")
        self.script("restore.sh", backup, target, status=1)
        self.assertFalse(os.path.exists(target) or os.path.exists(target + ".restoring"))

    # ---- Scripts ----

    def test_the_scripts_say_what_is_wrong_and_leave_nothing_behind(self):
        server = self.start_server()
        self.create(server)
        self.assertIn("is in use", self.script("backup.sh", "--data-dir", server.data_dir, status=1))
        self.assertIn("no directory", self.script("backup.sh", "--data-dir", "nowhere", status=1))
        self.assertIn("no data directory", self.script("backup.sh", "--data-dir", self.scratch, status=1))
        self.assertIn("no answer", self.script("backup.sh", "--url", f"http://127.0.0.1:{harness.free_port()}", status=1))
        self.script("backup.sh", "--what", "x", status=2)
        self.script("restore.sh", "x", status=2)
        self.assertIn("cannot read", self.script("restore.sh", "missing.tar.gz", "target", status=1))
        self.assertEqual(os.listdir(self.scratch), [])
        url = f"http://127.0.0.1:{server.port}"
        self.script("backup.sh", "--url", url, "--output", "x.tar.gz")
        self.assertIn("exists", self.script("backup.sh", "--url", url, "--output", "x.tar.gz", status=1))
        self.assertIn("is not empty", self.script("restore.sh", "x.tar.gz", server.data_dir, status=1))
        self.assertEqual(os.listdir(self.scratch), ["x.tar.gz"])
        self.assertEqual(os.listdir(self.directory(server)), [])

    def test_a_stopped_node_is_backed_up_without_its_snapshots(self):
        server = self.start_server()
        self.create(server)
        self.insert(server, 0, 50)
        self.snapshot(server, "not-in-it")
        server.kill()
        backup = os.path.join(self.scratch, self.script("backup.sh", "--data-dir", server.data_dir))
        self.assertNotIn("not-in-it", run("tar", "-tzf", backup).stdout)
        copy = self.restored(backup)
        self.assertEqual(self.ids(copy), list(range(50)))
        self.assertFalse(os.path.exists(os.path.join(copy.data_dir, "RESTORE")))

    def test_the_guides_commands(self):
        """Verbatim, where the guide has the data: in a mount namespace, so that nothing of this machine is touched."""
        if run("unshare", "-rm", "true").returncode != 0:
            self.skipTest("no mount namespaces here")
        port = harness.free_port()
        script = f"""set -euo pipefail
            mount -t tmpfs none /var/lib; mount -t tmpfs none /etc/ssl 2>/dev/null || true; mount -t tmpfs none /mnt; cd /mnt
            start() {{
              {harness.binary()} --config /mnt/config-node1.yml --data-dir /var/lib/vectorizer/data > log 2>&1 & node=$!
              for i in $(seq 600); do curl -sf -o /dev/null http://127.0.0.1:{port}/health/ready && return; sleep 0.1; done; cat log; exit 1; }}
            stop() {{ kill $node; wait $node; }}
            printf 'server:\\n  port: {port}\\n' > config-node1.yml
            start
            curl -sf -X POST -d '{{"name":"docs","dimension":2}}' http://127.0.0.1:{port}/collections > /dev/null
            curl -sf -X POST -d '{{"vectors":[{{"id":7,"vector":[1,2]}}]}}' http://127.0.0.1:{port}/collections/docs/vectors > /dev/null
            stop
            tar -czf backup-$(date +%Y%m%d).tar.gz /var/lib/vectorizer/data
            rm -r /var/lib/vectorizer
            tar -xzf backup-$(date +%Y%m%d).tar.gz -C /
            start
            curl -sf http://127.0.0.1:{port}/collections/docs/vectors/7
            {SCRIPTS}/backup.sh --url http://127.0.0.1:{port} --output live.tar.gz > /dev/null
            stop
            rm -r /var/lib/vectorizer
            tar -xzf live.tar.gz -C /
            test -e /var/lib/vectorizer/data/RESTORE
            start
            curl -sf http://127.0.0.1:{port}/collections/docs/vectors/7
            stop"""
        done = run("unshare", "-rm", "bash", "-c", script)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count('"id":7'), 2, done.stdout)

    # ---- Requests ----

    def test_a_full_disk_leaves_nothing_behind(self):
        if run("unshare", "-rm", "true").returncode != 0:
            self.skipTest("no mount namespaces here")
        port = harness.free_port()
        # The first server keeps a reserve and refuses; the second has none, and the disk is full in the middle of it.
        script = f"""set -euo pipefail
            mount -t tmpfs -o size=256m none /mnt; cd /mnt
            call() {{ curl -s --max-time 60 -w ' %{{http_code}}\\n' "$@"; }}
            start() {{
              {harness.binary()} --port {port} --data-dir /mnt/data > /mnt/log 2>&1 & node=$!
              for i in $(seq 600); do curl -sf -o /dev/null http://127.0.0.1:{port}/health/ready && return; sleep 0.1; done; cat log; exit 1; }}
            export VECTORIZER_STORAGE_MIN_FREE_BYTES=0
            start
            call -X POST -d '{{"name":"docs","dimension":1000}}' http://127.0.0.1:{port}/collections > /dev/null
            (printf 1; printf ',1%.0s' $(seq 999)) > row
            for i in $(seq 40); do
              (printf '{{"vectors":['; for j in $(seq 50); do [ $j = 1 ] || printf ,; printf '{{"id":%d,"vector":[' $((i * 50 + j)); cat row; printf ']}}'; done; printf ']}}') |
                call -X POST -H 'Content-Type: application/json' --data-binary @- http://127.0.0.1:{port}/collections/docs/vectors > last
            done
            cat last
            free=$(df --output=avail -B1 /mnt | tail -1); fallocate -l $((free - 100000)) ballast
            call -X POST http://127.0.0.1:{port}/api/v1/snapshots
            ls -A data/snapshots
            echo listed
            rm ballast
            for i in $(seq 100); do call -X POST http://127.0.0.1:{port}/api/v1/snapshots > last && grep -q ' 201$' last && break; sleep 0.1; done
            cat last
            kill $node; wait $node
            unset VECTORIZER_STORAGE_MIN_FREE_BYTES
            rm -r data/snapshots
            start
            free=$(df --output=avail -B1 /mnt | tail -1); fallocate -l $((free - 8000000)) ballast
            sleep 1.1  # what it knows of the disk may be so old
            call -X POST http://127.0.0.1:{port}/api/v1/snapshots
            call http://127.0.0.1:{port}/api/v1/snapshots
            rm ballast; sleep 1.1
            call -X POST http://127.0.0.1:{port}/api/v1/snapshots
            kill $node; wait $node"""
        done = run("unshare", "-rm", "bash", "-c", script)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        lines = done.stdout.splitlines()
        self.assertTrue(lines[0].endswith(" 200"), lines)
        self.assertIn('"storage_full"', lines[1])
        self.assertEqual(lines[2], "listed", lines)
        self.assertTrue(lines[3].endswith(" 201"), lines)
        self.assertIn('"storage_full"', lines[4])
        self.assertEqual(lines[5], '{"snapshots":[]} 200')
        self.assertTrue(lines[6].endswith(" 201"), lines)

    def test_bad_input(self):
        server = self.start_server()
        self.create(server)
        self.snapshot(server, "there")
        client = server.client()
        for body, error_type, field in (("{", "bad_json", None), ("[]", "validation_error", "body"), ('{"nam":"x"}', "validation_error", "nam"),
                                        ('{"name":1}', "validation_error", "name"), ('{"name":""}', "validation_error", "name"),
                                        ('{"name":".x"}', "validation_error", "name"), ('{"name":"a/b"}', "validation_error", "name"),
                                        ('{"name":"' + "x" * 65 + '"}', "validation_error", "name"), ('{"scope":"disk"}', "validation_error", "scope"),
                                        ('{"scope":null}', "validation_error", "scope")):
            with self.subTest(body=body):
                self.expect_error(client.post(SNAPSHOTS, body), 400, error_type, field)
        self.expect_error(client.post(SNAPSHOTS, {"name": "there"}), 409, "conflict")
        self.expect_error(client.post(SNAPSHOTS, {"name": "there", "scope": "node"}), 409, "conflict")
        self.expect_error(client.post(SNAPSHOTS + "?x=1"), 400, "validation_error", "x")
        self.expect_error(client.get(SNAPSHOTS + "?scope=x"), 400, "validation_error", "scope")
        self.expect_error(client.post(SNAPSHOTS, "x", headers={"Content-Type": "text/plain"}), 415, "unsupported_media_type")
        for path in ("/absent", "/..%2f..", "/.x", "/%ff"):
            with self.subTest(path=path):
                self.assertIn(client.get(SNAPSHOTS + path).status, (400, 404))
                self.assertIn(client.delete(SNAPSHOTS + path).status, (400, 404))
                self.assertIn(client.post(SNAPSHOTS + path + "/verify").status, (400, 404))
        self.expect_error(client.get(SNAPSHOTS + "/absent"), 404, "not_found")
        self.expect_error(client.delete(SNAPSHOTS + "/absent"), 404, "not_found")
        self.expect_error(client.post(SNAPSHOTS + "/absent/verify"), 404, "not_found")
        self.expect_error(client.post(SNAPSHOTS + "/there/verify", '{"x":1}'), 400, "validation_error", "x")
        self.expect_error(client.put(SNAPSHOTS + "/there", "{}"), 405, "method_not_allowed")
        self.assertEqual([s["id"] for s in self.expect(client.get(SNAPSHOTS))["snapshots"]], ["there"])
        self.assertEqual(json.loads(client.delete(SNAPSHOTS + "/there").raw), {"status": "deleted"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
