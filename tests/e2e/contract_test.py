"""What the contract promises beyond single requests: deadlines, bounded replies, sessions, payloads byte for byte, draining."""

import json
import os
import shutil
import signal
import socket
import struct

import harness

DIMENSION = 4096
OCTETS = {"Content-Type": "application/octet-stream"}


def binary_upsert(first, vectors):
    """The layout of docs/formats/binary-vectors.md."""
    body = struct.pack("<4sIII", b"VZU1", len(vectors), DIMENSION, 0)
    ids = struct.pack(f"<{len(vectors)}Q", *range(first, first + len(vectors)))
    return body + ids + b"".join(struct.pack(f"<{DIMENSION}f", *vector) for vector in vectors)


class ContractTest(harness.ServerTest):
    def start(self, **environment):
        self.server = self.start_server(environment=environment)
        self.client = self.server.client()

    def restart(self):
        self.server.start()
        self.client = self.server.client()

    def create(self, name, dimension, shards=1):
        self.expect(self.client.post("/collections", {"name": name, "dimension": dimension, "metric": "dot",
                                                      "sharding": {"shard_count": shards}}), 201)

    def fill(self, count, shards=1):
        self.create("big", DIMENSION, shards)
        for first in range(0, count, 500):
            vectors = [[float(first + i)] * DIMENSION for i in range(min(500, count - first))]
            self.expect(self.client.post("/collections/big/vectors", binary_upsert(first, vectors), headers=OCTETS))

    def test_a_search_ends_at_its_deadline(self):
        self.start()
        self.fill(3000, shards=2)
        slow = {"vector": [1.0] * DIMENSION, "params": {"exact": True}, "limit": 1}
        self.assertEqual(self.expect(self.client.post("/collections/big/search", slow))["results"][0]["id"], 2999)
        late = {**slow, "timeout_ms": 1}  # 48 MB are to be read
        body = self.expect_error(self.client.post("/collections/big/search", late), 504, "timeout")
        self.assertEqual(body["details"], {"timeout_ms": 1})
        reply = self.expect(self.client.post("/collections/big/search", {**late, "allow_partial": True}))
        self.assertEqual(reply["shards"]["total"], 2)
        self.assertGreater(reply["shards"]["failed"], 0)
        self.assertEqual({failure["error_type"] for failure in reply["shards"]["failures"]}, {"timeout"})
        batch = self.expect(self.client.post("/collections/big/search/batch", {"searches": [late, slow]}))["results"]
        self.assertEqual(batch[0]["error"]["status_code"], 504)
        self.assertEqual(batch[1]["results"][0]["id"], 2999)
        for wrong in (0, 60001, "1", 1.5, None):
            self.expect_error(self.client.post("/collections/big/search", {**slow, "timeout_ms": wrong}), 400,
                              "validation_error", "timeout_ms")

    def test_replies_are_bounded(self):
        self.start(VECTORIZER_SERVER_MAX_REPLY_BYTES=str(1 << 20))
        self.fill(100, shards=3)
        many = {"vector": [1.0] * DIMENSION, "limit": 100, "with_vector": True}
        body = self.expect_error(self.client.post("/collections/big/search", many), 413, "payload_too_large")
        self.assertEqual(body["details"]["limit_bytes"], 1 << 20)
        self.assertIn("with_vector", body["message"])
        self.assertEqual(len(self.expect(self.client.post("/collections/big/search", {**many, "limit": 10}))["results"]), 10)
        self.assertEqual(len(self.expect(self.client.post("/collections/big/search", {**many, "with_vector": False}))["results"]),
                         100)
        self.expect_error(self.client.post("/collections/big/vectors/get", {"ids": list(range(100))}), 413, "payload_too_large")
        batch = self.expect(self.client.post("/collections/big/search/batch", {"searches": [{**many, "limit": 19}] * 3}))
        self.assertEqual([("results" in entry) for entry in batch["results"]], [True, False, False])

        ids, cursor, pages = [], None, 0
        while pages == 0 or cursor is not None:
            page = self.expect(self.client.post("/collections/big/vectors/scroll",
                                                {"limit": 1000, "with_vector": True, "cursor": cursor}))
            ids += [vector["id"] for vector in page["vectors"]]
            cursor, pages = page["next_cursor"], pages + 1
        self.assertEqual(ids, list(range(100)))
        self.assertGreater(pages, 5)

    def test_a_session_notices_that_its_writes_are_lost(self):
        self.start()
        self.create("s", 1, shards=4)
        one = {"id": 1, "vector": [1]}
        self.client.post("/collections/s/vectors", {"vectors": [one]})
        self.assertEqual(self.server.terminate(), 0)
        backup = self.server.data_dir + ".backup"
        shutil.copytree(self.server.data_dir, backup)
        self.restart()

        token = self.client.post("/collections/s/vectors", {"vectors": [one]}).headers["X-Session-Token"]
        more = self.client.put("/collections/s/vectors/2", {"vector": [2]}, headers={"X-Session-Token": token})
        session = {"X-Session-Token": more.headers["X-Session-Token"]}
        reads = [("GET", "/collections/s/vectors/1", None), ("POST", "/collections/s/vectors/get", {"ids": [1]}),
                 ("POST", "/collections/s/vectors/count", {}), ("POST", "/collections/s/vectors/scroll", {}),
                 ("POST", "/collections/s/search", {"vector": [1]}),
                 ("POST", "/collections/s/search/batch", {"searches": [{"vector": [1]}]})]
        for method, path, body in reads:
            self.expect(self.client.request(method, path, body, headers=session))
            self.expect_error(self.client.request(method, path, body, headers={"X-Session-Token": "bm9uc2Vuc2U"}), 400,
                              "validation_error", "X-Session-Token")
        self.assertEqual(self.server.terminate(), 0)
        shutil.rmtree(self.server.data_dir)
        os.rename(backup, self.server.data_dir)
        self.restart()
        for method, path, body in reads:
            lost = self.expect_error(self.client.request(method, path, body, headers=session), 409, "session_lost")
            self.assertIn("shard_id", lost["details"])
        self.expect(self.client.delete("/collections/s"))
        self.create("s", 1)
        self.assertEqual(self.expect(self.client.post("/collections/s/vectors/count", {}, headers=session))["count"], 0)

    def test_payloads_keep_their_bytes(self):
        self.start()
        self.create("p", 1)
        payload = '{"big":12345678901234567890123,"e":1.0e3,"a":{"b":[{"c":0.10,"d":1},{"d":2}],"x.y":1E+2},"z":-0.0}'
        self.expect(self.client.put("/collections/p/vectors/1", '{"vector":[1],"payload":' + payload + "}"))

        def stored(**more):
            reply = self.client.post("/collections/p/vectors/get", {"ids": [1], "with_vector": False, **more})
            self.expect(reply)
            return reply.raw.decode().split('"payload":', 1)[1].split('}],"missing"', 1)[0]

        self.assertEqual(stored(), payload)
        self.expect(self.client.patch("/collections/p/vectors/1", '{"payload":{"new":1.50}}'))
        self.assertEqual(stored(), payload[:-1] + ',"new":1.50}')
        self.assertEqual(stored(with_payload=["a.b.c", 'a."x.y"', "a.none"]), '{"a":{"b":[{"c":0.10}],"x.y":1E+2}}')
        self.expect(self.client.post("/collections/p/vectors/payload",
                                     {"ids": [1], "mode": "delete_keys", "keys": ["a.b.d", "new", "big.none"]}))
        self.assertEqual(stored(), payload.replace(',"d":1', "").replace('"d":2', ""))
        for wrong in (["a..b"], [""], ['"a'], ["a."]):
            self.expect_error(self.client.post("/collections/p/search", {"vector": [1], "with_payload": wrong}), 400,
                              "validation_error", "with_payload[0]")
            self.expect_error(self.client.post("/collections/p/vectors/payload",
                                               {"ids": [1], "mode": "delete_keys", "keys": wrong}), 400,
                              "validation_error", "keys[0]")

    def test_an_encoded_body_is_refused(self):
        self.start()
        reply = self.client.post("/collections", {"name": "c", "dimension": 1}, headers={"Content-Encoding": "gzip"})
        self.expect_error(reply, 415, "unsupported_media_type")
        self.expect(self.client.post("/collections", {"name": "c", "dimension": 1}, headers={"Content-Encoding": "identity"}),
                    201)

    def test_a_node_that_drains_is_not_ready(self):
        self.start()
        with socket.create_connection(("127.0.0.1", self.server.port)) as connection:
            connection.sendall(b"GET /health/ready HTTP/1.1\r\nHost: x\r\n")  # a request under way keeps the server up
            while self.client.get("/health/ready").status != 200:
                pass
            self.server.process.send_signal(signal.SIGTERM)
            for _ in range(10000):  # until the port is closed
                try:
                    socket.create_connection(("127.0.0.1", self.server.port)).close()
                except OSError:
                    break
            connection.sendall(b"\r\n")
            reply = b""
            while chunk := connection.recv(65536):
                reply += chunk
        head, body = reply.split(b"\r\n\r\n", 1)
        self.assertIn(b" 503 ", head.split(b"\r\n", 1)[0])
        self.assertIn("draining", json.loads(body)["details"]["not_ready"][0])
        self.assertEqual(self.server.wait(), 0)


if __name__ == "__main__":
    harness.main()
