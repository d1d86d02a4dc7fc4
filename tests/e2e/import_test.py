"""`vectorizer import` and `vectorizer export` against a running server."""

import json
import os
import stat
import struct
import subprocess

import datasets
import harness


class ImportTest(harness.ServerTest):
    def setUp(self):
        super().setUp()
        self.server = self.start_server()
        self.client = self.server.client()

    def command(self, *arguments):
        name, *rest = arguments
        return [harness.binary(), name, *rest, "--url", f"http://127.0.0.1:{self.server.port}"]

    def environment(self):
        # The state of an unfinished import must not outlive the test.
        return harness.clean_environment(HOME=self.server.home, XDG_STATE_HOME=os.path.join(self.server.home, "state"))

    def run_command(self, *arguments, status=0):
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=120, cwd=self.server.home,
                              stdin=subprocess.DEVNULL, env=self.environment(), check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def write_fvecs(self, name, rows):
        path = os.path.join(self.server.home, name)
        with open(path, "wb") as file:
            for row in rows:
                file.write(struct.pack(f"<i{len(row)}f", len(row), *row))
        return path

    def count(self, collection):
        return self.expect(self.client.post(f"/collections/{collection}/vectors/count", {}))["count"]

    def test_vectors_with_payloads(self):
        dataset = datasets.emoji2vec()
        path = self.write_fvecs("base.fvecs", dataset.base)
        payload = os.path.join(self.server.home, "payload.jsonl")
        with open(payload, "w", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in dataset.payload))
        self.run_command("import", path, "--collection", "e", "--create", "--metric", "euclidean", "--payload", payload)
        info = self.expect(self.client.get("/collections/e"))
        self.assertEqual((info["dimension"], info["metric"], info["vector_count"]),
                         (dataset.dimension, "euclidean", len(dataset.base)))
        for i in (0, 700, len(dataset.base) - 1):
            found = self.expect(self.client.get(f"/collections/e/vectors/{i}"))
            self.assertEqual(struct.pack(f"<{dataset.dimension}f", *found["vector"]), dataset.base[i].tobytes())
            for key, value in dataset.payload[i].items():
                if key != "id":
                    self.assertEqual(found["payload"][key], value)

    def test_export_and_import_give_the_same(self):
        vectors = [{"id": id_, "vector": [i / 8, -i, 1], "payload": {"i": i, "text": "ü\n\"q\""}}
                   for i, id_ in enumerate([1, 2**64 - 1, "1", "ü/x", *range(100, 2400)])]
        for name in ("a", "b"):
            self.expect(self.client.post("/collections", {"name": name, "dimension": 3, "sharding": {"shard_count": 2}}), 201)
        self.expect(self.client.post("/collections/a/vectors", {"vectors": vectors}))
        path = os.path.join(self.server.home, "a.jsonl")
        self.run_command("export", "--collection", "a", "--output", path)
        self.run_command("import", path, "--collection", "b")
        self.run_command("export", "--collection", "b", "--output", path + ".again")
        with open(path, "rb") as first, open(path + ".again", "rb") as second:
            exported = first.read()
            self.assertEqual(exported, second.read())
        self.assertEqual(len(exported.splitlines()), len(vectors))
        self.assertEqual(json.loads(exported.splitlines()[0])["id"], 1)

    def test_export_writes_into_a_pipe_and_leaves_it_there(self):
        self.expect(self.client.post("/collections", {"name": "a", "dimension": 1}), 201)
        self.expect(self.client.post("/collections/a/vectors", {"vectors": [{"id": 1, "vector": [1]}]}))
        pipe = os.path.join(self.server.home, "pipe")
        os.mkfifo(pipe)
        with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), encoding="utf-8") as reader:
            self.run_command("export", "--collection", "a", "--output", pipe)
            self.assertEqual(json.loads(reader.read())["id"], 1)
        self.assertTrue(stat.S_ISFIFO(os.stat(pipe).st_mode))

    def test_an_interrupted_import_goes_on(self):
        path = self.write_fvecs("many.fvecs", [[i % 97, i % 89, i, 1] for i in range(30000)])
        arguments = ("import", path, "--collection", "m", "--create", "--batch", "20", "--connections", "1")
        running = subprocess.Popen(self.command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, cwd=self.server.home, env=self.environment())
        while running.poll() is None:  # wait until something has arrived, then pull the plug
            reply = self.client.get("/collections/m")
            if reply.status == 200 and reply.json["vector_count"] > 100:
                break
        running.kill()
        running.wait()
        self.assertLess(self.count("m"), 30000, "the import ended before it could be interrupted")
        self.run_command(*arguments[:-4])
        self.assertEqual(self.count("m"), 30000)
        self.assertEqual(self.expect(self.client.get("/collections/m/vectors/29999"))["vector"], [29999 % 97, 29999 % 89, 29999, 1])

    def test_what_cannot_be_imported_is_said(self):
        damaged = os.path.join(self.server.home, "damaged.fvecs")
        with open(damaged, "wb") as file:
            file.write(struct.pack("<i3f", 3, 1, 2, 3) + struct.pack("<i1f", 3, 1))
        lines = os.path.join(self.server.home, "lines.jsonl")
        with open(lines, "w", encoding="utf-8") as file:
            file.write('{"id": 1, "vector": [1, 2, 3]}\n{"id": 2, "vector": oops}\n')
        for path, words in ((damaged, "damaged.fvecs"), (lines, "2"), ("/nowhere/x.fvecs", "/nowhere/x.fvecs")):
            with self.subTest(path=path):
                done = self.run_command("import", path, "--collection", "d", "--create", status=1)
                self.assertIn(words, done.stderr + done.stdout)
        self.run_command("import", self.write_fvecs("ok.fvecs", [[1, 2]]), "--collection", "none", status=1)
        self.run_command("import", status=64)

    def test_health(self):
        self.assertEqual(self.run_command("health").stdout, f"http://127.0.0.1:{self.server.port}: ready\n")
        self.assertEqual(json.loads(self.run_command("health", "--json").stdout), {"status": "ready"})
        self.server.kill()
        self.assertRegex(self.run_command("health", status=69).stderr, r"^vectorizer health: cannot connect to http://127.0.0.1:\d+: .*\n$")


if __name__ == "__main__":
    harness.main()
