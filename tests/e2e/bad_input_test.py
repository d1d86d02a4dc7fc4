"""Wrong input to every endpoint: the status, the error_type and the field that the reply must name.

A row is (method, path, body, status, error_type, field). The server must be healthy after each, and hold what it held.
"""

import json
import os
import socket
import unittest

import harness

V = "/collections/c/vectors"
S = "/collections/c/search"
C = "/api/v1/cluster"
GOOD = [1, 2, 3]


def deep(levels):
    return '{"a":' * levels + "1" + "}" * levels


def search(**more):
    return {"vector": GOOD, **more}


INVALID = (400, "validation_error")

COLLECTIONS = [
    ("POST", "/collections", b"", 400, "bad_json", None),
    ("POST", "/collections", b"{", 400, "bad_json", None),
    ("POST", "/collections", b"\xff\xfe", 400, "bad_json", None),
    ("POST", "/collections", b'{"name":"x","name":"y","dimension":3}', 400, "bad_json", None),
    ("POST", "/collections", deep(40), 400, "bad_json", None),
    ("POST", "/collections", [], *INVALID, "body"),
    ("POST", "/collections", {}, *INVALID, "name"),
    ("POST", "/collections", {"name": "x"}, *INVALID, "dimension"),
    ("POST", "/collections", {"name": "x", "dimensions": 3}, *INVALID, "dimensions"),
    ("POST", "/collections", {"name": "", "dimension": 3}, *INVALID, "name"),
    ("POST", "/collections", {"name": ".x", "dimension": 3}, *INVALID, "name"),
    ("POST", "/collections", {"name": "a/b", "dimension": 3}, *INVALID, "name"),
    ("POST", "/collections", {"name": "ü", "dimension": 3}, *INVALID, "name"),
    ("POST", "/collections", {"name": "x" * 256, "dimension": 3}, *INVALID, "name"),
    ("POST", "/collections", {"name": 5, "dimension": 3}, *INVALID, "name"),
    ("POST", "/collections", {"name": "x", "dimension": 0}, *INVALID, "dimension"),
    ("POST", "/collections", {"name": "x", "dimension": -1}, *INVALID, "dimension"),
    ("POST", "/collections", {"name": "x", "dimension": 65537}, *INVALID, "dimension"),
    ("POST", "/collections", {"name": "x", "dimension": 2**64}, *INVALID, "dimension"),
    ("POST", "/collections", {"name": "x", "dimension": "3"}, *INVALID, "dimension"),
    ("POST", "/collections", {"name": "x", "dimension": 3.5}, *INVALID, "dimension"),
    ("POST", "/collections", {"name": "x", "dimension": 3, "metric": "manhattan"}, *INVALID, "metric"),
    ("POST", "/collections", {"name": "x", "dimension": 3, "metric": None}, *INVALID, "metric"),
    ("POST", "/collections", {"name": "x", "dimension": 3, "storage": "tape"}, *INVALID, "storage"),
    ("POST", "/collections", {"name": "x", "dimension": 3, "hnsw": 1}, *INVALID, "hnsw"),
    ("POST", "/collections", {"name": "x", "dimension": 3, "hnsw": {"M": 16}}, *INVALID, "hnsw.M"),
    ("POST", "/collections", {"name": "x", "dimension": 3, "hnsw": {"m": 1}}, *INVALID, "hnsw.m"),
    ("POST", "/collections", {"name": "x", "dimension": 3, "hnsw": {"ef_search": 0}}, *INVALID, "hnsw.ef_search"),
    ("POST", "/collections", {"name": "x", "dimension": 3, "quantization": {"type": "int3"}}, *INVALID, "quantization.type"),
    ("POST", "/collections", {"name": "x", "dimension": 3, "sharding": {"shard_count": 0}}, *INVALID, "sharding.shard_count"),
    ("POST", "/collections", {"name": "x", "dimension": 3, "sharding": {"shard_count": 1025}}, *INVALID, "sharding.shard_count"),
    ("POST", "/collections", {"name": "x", "dimension": 3, "sharding": {"shards": 2}}, *INVALID, "sharding.shards"),
    ("POST", "/collections", {"name": "x", "dimension": 3, "sharding": {"min_in_sync": 2}}, *INVALID, "sharding.min_in_sync"),
    ("POST", "/collections", {"name": "x", "dimension": 3, "sharding": {"rebalance_threshold": 2}}, *INVALID,
     "sharding.rebalance_threshold"),
    ("POST", "/collections", {"name": "c", "dimension": 3}, 409, "collection_already_exists", None),
    ("POST", "/collections?x=1", {"name": "x", "dimension": 3}, *INVALID, "x"),
    ("GET", "/collections/none", None, 404, "collection_not_found", None),
    ("GET", "/collections/%ff", None, 404, "collection_not_found", None),
    ("GET", "/collections/..%2f..", None, 404, "collection_not_found", None),
    ("DELETE", "/collections/none", None, 404, "collection_not_found", None),
    ("PATCH", "/collections/none", {}, 404, "collection_not_found", None),
    ("PATCH", "/collections/c", {"dimension": 4}, *INVALID, "dimension"),
    ("PATCH", "/collections/c", {"metric": "dot"}, *INVALID, "metric"),
    ("PATCH", "/collections/c", {"sharding": {"shard_count": 5}}, *INVALID, "sharding.shard_count"),
    ("PATCH", "/collections/c", {"hnsw": {"m": 8}}, *INVALID, "hnsw.m"),
    ("PATCH", "/collections/c", {"hnsw": {"ef_search": "x"}}, *INVALID, "hnsw.ef_search"),
    ("PATCH", "/collections/c", b"nope", 400, "bad_json", None),
    ("PUT", "/collections/c", {}, 405, "method_not_allowed", None),
    ("POST", "/collections/c", {}, 405, "method_not_allowed", None),
]

UPSERT = [
    ("POST", V, b"", 400, "bad_json", None),
    ("POST", V, b'{"vectors":[', 400, "bad_json", None),
    ("POST", V, b'{"vectors":[]} x', 400, "bad_json", None),
    ("POST", V, b'{"vectors":[{"id":1,"vector":[1,2,NaN]}]}', 400, "bad_json", None),
    ("POST", V, b'{"vectors":[{"id":1,"vector":[1,2,3],"payload":{"a":tru}}]}', 400, "bad_json", None),
    ("POST", V, b'{"vectors":[{"id":"\xff","vector":[1,2,3]}]}', 400, "bad_json", None),
    ("POST", V, [], *INVALID, "body"),
    ("POST", V, {}, *INVALID, "vectors"),
    ("POST", V, {"vectors": []}, *INVALID, "vectors"),
    ("POST", V, {"vectors": {}}, *INVALID, "vectors"),
    ("POST", V, {"points": []}, *INVALID, "points"),
    ("POST", V, {"vectors": [1]}, *INVALID, "vectors[0]"),
    ("POST", V, {"vectors": [{"vector": GOOD}]}, *INVALID, "vectors[0].id"),
    ("POST", V, {"vectors": [{"id": 1}]}, *INVALID, "vectors[0].vector"),
    ("POST", V, {"vectors": [{"id": -1, "vector": GOOD}]}, *INVALID, "vectors[0].id"),
    ("POST", V, {"vectors": [{"id": 1.0, "vector": GOOD}]}, *INVALID, "vectors[0].id"),
    ("POST", V, {"vectors": [{"id": 2**64, "vector": GOOD}]}, *INVALID, "vectors[0].id"),
    ("POST", V, b'{"vectors":[{"id":1e3,"vector":[1,2,3]}]}', *INVALID, "vectors[0].id"),
    ("POST", V, {"vectors": [{"id": "", "vector": GOOD}]}, *INVALID, "vectors[0].id"),
    ("POST", V, {"vectors": [{"id": "x" * 257, "vector": GOOD}]}, *INVALID, "vectors[0].id"),
    ("POST", V, {"vectors": [{"id": None, "vector": GOOD}]}, *INVALID, "vectors[0].id"),
    ("POST", V, {"vectors": [{"id": [1], "vector": GOOD}]}, *INVALID, "vectors[0].id"),
    ("POST", V, {"vectors": [{"id": 1, "vector": GOOD}, {"id": 2, "vector": [1, "x", 3]}]}, *INVALID, "vectors[1].vector[1]"),
    ("POST", V, b'{"vectors":[{"id":1,"vector":[1,2,1e39]}]}', *INVALID, "vectors[0].vector[2]"),
    ("POST", V, {"vectors": [{"id": 1, "vector": {"f": GOOD}}]}, *INVALID, "vectors[0].vector"),
    ("POST", V, {"vectors": [{"id": 1, "vector": "!!!"}]}, *INVALID, "vectors[0].vector"),
    ("POST", V, {"vectors": [{"id": 1, "vector": "AAAA"}]}, *INVALID, "vectors[0].vector"),
    ("POST", V, {"vectors": [{"id": 1, "vector": "AADAfwAAwH8AAMB/"}]}, *INVALID, "vectors[0].vector[0]"),  # base64 of NaN
    ("POST", V, {"vectors": [{"id": 1, "vector": GOOD, "payload": []}]}, *INVALID, "vectors[0].payload"),
    ("POST", V, {"vectors": [{"id": 1, "vector": GOOD, "payload": "x"}]}, *INVALID, "vectors[0].payload"),
    ("POST", V, {"vectors": [{"id": 1, "vector": GOOD, "tags": {}}]}, *INVALID, "vectors[0].tags"),
    ("POST", V, {"vectors": [{"id": 1, "vector": GOOD, "payload": {"a": "x" * 2**20}}]}, 413, "payload_too_large",
     "vectors[0].payload"),
    ("POST", V, {"vectors": [{"id": 1, "vector": [1]}]}, 400, "dimension_mismatch", None),
    ("POST", V, {"vectors": [{"id": 1, "vector": []}]}, 400, "dimension_mismatch", None),
    ("POST", V, {"vectors": [{"id": 1, "vector": [1] * 5000}]}, 400, "dimension_mismatch", None),
    ("POST", V, {"vectors": [{"id": i, "vector": GOOD} for i in range(10001)]}, *INVALID, "vectors"),
    ("POST", "/collections/none/vectors", {"vectors": [{"id": 1, "vector": GOOD}]}, 404, "collection_not_found", None),
    ("PUT", f"{V}/1", {}, *INVALID, "vector"),
    ("PUT", f"{V}/1", {"id": 1, "vector": GOOD}, *INVALID, "id"),
    ("PUT", f"{V}/1", {"vector": [1, 2]}, 400, "dimension_mismatch", None),
    ("PUT", f"{V}/-1", {"vector": GOOD}, *INVALID, "id"),
    ("PUT", f"{V}/1.0", {"vector": GOOD}, *INVALID, "id"),
    ("PUT", f"{V}/1e3", {"vector": GOOD}, *INVALID, "id"),
    ("PUT", f"{V}/18446744073709551616", {"vector": GOOD}, *INVALID, "id"),
    ("PUT", f"{V}/%ff", {"vector": GOOD}, *INVALID, "id"),
    ("PATCH", f"{V}/1", {"payload": 5}, *INVALID, "payload"),
    ("PATCH", f"{V}/1", {"vector": [1]}, 400, "dimension_mismatch", None),
    ("PATCH", f"{V}/1", {"unknown": 1}, *INVALID, "unknown"),
    ("PATCH", f"{V}/404", {"payload": {}}, 404, "vector_not_found", None),
    ("DELETE", f"{V}/404", None, 404, "vector_not_found", None),
    ("GET", f"{V}/404", None, 404, "vector_not_found", None),
    ("GET", f"{V}/404?id_type=integer&with_vector=maybe", None, *INVALID, "with_vector"),
    ("GET", f"{V}/1?id_type=uuid", None, *INVALID, "id_type"),
    ("GET", f"{V}/1?consistency=all", None, *INVALID, "consistency"),
    ("GET", f"{V}/1?vectors=true", None, *INVALID, "vectors"),
]

BULK = [
    ("POST", f"{V}/get", {}, *INVALID, "ids"),
    ("POST", f"{V}/get", {"ids": 5}, *INVALID, "ids"),
    ("POST", f"{V}/get", {"ids": [1, -2]}, *INVALID, "ids[1]"),
    ("POST", f"{V}/get", {"ids": list(range(10001))}, *INVALID, "ids"),
    ("POST", f"{V}/get", {"ids": [1], "with_vectors": True}, *INVALID, "with_vectors"),
    ("POST", f"{V}/get", {"ids": [1], "with_vector": "yes"}, *INVALID, "with_vector"),
    ("POST", f"{V}/delete", {}, *INVALID, "ids"),
    ("POST", f"{V}/delete", {"ids": [1], "filter": {"must": [{"has_id": [1]}]}}, *INVALID, "ids"),
    ("POST", f"{V}/delete", {"filter": {}}, *INVALID, "filter"),
    ("POST", f"{V}/delete", {"filter": {"must": []}}, *INVALID, "filter"),
    ("POST", f"{V}/delete", {"filter": {"must": [{"must": []}]}}, *INVALID, "filter"),
    ("POST", f"{V}/delete", {"ids": [True]}, *INVALID, "ids[0]"),
    ("POST", f"{V}/payload", {"ids": [1], "mode": "upend", "payload": {}}, *INVALID, "mode"),
    ("POST", f"{V}/payload", {"ids": [1], "mode": "merge"}, *INVALID, "payload"),
    ("POST", f"{V}/payload", {"ids": [1], "mode": "delete_keys"}, *INVALID, "keys"),
    ("POST", f"{V}/payload", {"ids": [1], "mode": "delete_keys", "keys": [1]}, *INVALID, "keys[0]"),
    ("POST", f"{V}/payload", {"ids": [1], "mode": "clear", "payload": {"a": 1}}, *INVALID, "payload"),
    ("POST", f"{V}/payload", {"mode": "clear"}, *INVALID, "ids"),
    ("POST", f"{V}/scroll", {"limit": 0}, *INVALID, "limit"),
    ("POST", f"{V}/scroll", {"limit": 10001}, *INVALID, "limit"),
    ("POST", f"{V}/scroll", {"limit": 1.5}, *INVALID, "limit"),
    ("POST", f"{V}/scroll", {"cursor": "not one of ours"}, *INVALID, "cursor"),
    ("POST", f"{V}/scroll", {"cursor": 5}, *INVALID, "cursor"),
    ("POST", f"{V}/scroll", {"page": 2}, *INVALID, "page"),
    ("POST", f"{V}/count", {"filters": {}}, *INVALID, "filters"),
    ("POST", f"{V}/count", b'{"filter":', 400, "bad_json", None),
    ("POST", f"{V}/count", b"[1", 400, "bad_json", None),
    ("POST", f"{V}/count", b'{"filter":[1}', 400, "bad_json", None),
    ("POST", f"{V}/get", b'{"ids":tru}', 400, "bad_json", None),
    ("POST", f"{V}/count", b'\xef\xbb\xbf{}', 400, "bad_json", None),
]

FILTERS = [
    (5, "filter"),
    ({"must": {}}, "filter.must"),
    ({"musst": []}, "filter.musst"),
    ({"must": [5]}, "filter.must[0]"),
    ({"must": [{}]}, "filter.must[0]"),
    ({"must": [{"key": "a"}]}, "filter.must[0]"),
    ({"must": [{"match": {"value": 1}}]}, "filter.must[0].key"),
    ({"must": [{"key": 5, "match": {"value": 1}}]}, "filter.must[0].key"),
    ({"must": [{"key": "", "match": {"value": 1}}]}, "filter.must[0].key"),
    ({"must": [{"key": "a..b", "match": {"value": 1}}]}, "filter.must[0].key"),
    ({"must": [{"key": "a", "match": {}}]}, "filter.must[0].match"),
    ({"must": [{"key": "a", "match": {"value": []}}]}, "filter.must[0].match.value"),
    ({"must": [{"key": "a", "match": {"any": 3}}]}, "filter.must[0].match.any"),
    ({"must": [{"key": "a", "match": {"any": [{}]}}]}, "filter.must[0].match.any[0]"),
    ({"must": [{"key": "a", "match": {"text": "x"}}]}, "filter.must[0].match.text"),
    ({"must": [{"key": "a", "range": {}}]}, "filter.must[0].range"),
    ({"must": [{"key": "a", "range": {"from": 1}}]}, "filter.must[0].range.from"),
    ({"must": [{"key": "a", "range": {"gt": "yesterday"}}]}, "filter.must[0].range.gt"),
    ({"must": [{"key": "a", "exists": 1}]}, "filter.must[0].exists"),
    ({"must": [{"key": "a", "values_count": {"gte": -1}}]}, "filter.must[0].values_count.gte"),
    ({"must": [{"has_id": 5}]}, "filter.must[0].has_id"),
    ({"must": [{"has_id": [1.5]}]}, "filter.must[0].has_id[0]"),
    ({"must": [{"nested": {"key": "a"}}]}, "filter.must[0].nested.filter"),
    ({"min_should": {"count": 1}}, "filter.min_should.conditions"),
    ({"min_should": {"conditions": [{"key": "a", "exists": True}]}}, "filter.min_should.count"),
    ({"should": [{"key": "a", "exists": True}, {"key": "a", "wat": 1}]}, "filter.should[1].wat"),
]

SEARCH = [
    ("POST", S, b"", 400, "bad_json", None),
    ("POST", S, b'{"vector":[1,2,3', 400, "bad_json", None),
    ("POST", S, {}, *INVALID, "vector"),
    ("POST", S, {"vectors": GOOD}, *INVALID, "vectors"),
    ("POST", S, {"vector": [1, 2]}, 400, "dimension_mismatch", None),
    ("POST", S, {"vector": [1, 2, None]}, *INVALID, "vector[2]"),
    ("POST", S, {"vector": 5}, *INVALID, "vector"),
    ("POST", S, search(limit=0), *INVALID, "limit"),
    ("POST", S, search(limit=-1), *INVALID, "limit"),
    ("POST", S, search(limit=10001), *INVALID, "limit"),
    ("POST", S, search(limit="10"), *INVALID, "limit"),
    ("POST", S, search(offset=-1), *INVALID, "offset"),
    ("POST", S, search(offset=9999, limit=2), *INVALID, "offset"),
    ("POST", S, search(with_payload=3), *INVALID, "with_payload"),
    ("POST", S, search(with_payload=[3]), *INVALID, "with_payload[0]"),
    ("POST", S, search(with_vector=1), *INVALID, "with_vector"),
    ("POST", S, search(score_threshold="high"), *INVALID, "score_threshold"),
    ("POST", S, search(params=5), *INVALID, "params"),
    ("POST", S, search(params={"ef": 0}), *INVALID, "params.ef"),
    ("POST", S, search(params={"ef_search": 5}), *INVALID, "params.ef_search"),
    ("POST", S, search(params={"exact": "no"}), *INVALID, "params.exact"),
    ("POST", S, search(timeout_ms=0), *INVALID, "timeout_ms"),
    ("POST", S, search(timeout_ms=60001), *INVALID, "timeout_ms"),
    ("POST", S, search(allow_partial=1), *INVALID, "allow_partial"),
    ("POST", S, search(consistency="strong"), *INVALID, "consistency"),
    ("POST", S, search(top=3), *INVALID, "top"),
    ("GET", S, None, 405, "method_not_allowed", None),
    ("POST", "/collections/none/search", search(), 404, "collection_not_found", None),
    ("POST", f"{S}/batch", {}, *INVALID, "searches"),
    ("POST", f"{S}/batch", {"searches": []}, *INVALID, "searches"),
    ("POST", f"{S}/batch", {"searches": [search(), {}]}, *INVALID, "searches[1].vector"),
    ("POST", f"{S}/batch", {"searches": [search(), search(limit=0)]}, *INVALID, "searches[1].limit"),
    ("POST", f"{S}/batch", {"searches": [search()] * 257}, *INVALID, "searches"),
    ("POST", f"{S}/batch", {"searches": [search(), {"vector": [1]}]}, 400, "dimension_mismatch", None),
]

CLUSTER = [
    ("GET", f"{C}/nodes/none", None, 404, "node_not_found", None),
    ("POST", f"{C}/nodes", {}, *INVALID, "id"),
    ("POST", f"{C}/nodes", {"id": "n"}, *INVALID, "address"),
    ("POST", f"{C}/nodes", {"id": "n", "address": "a", "grpc_port": 0}, *INVALID, "grpc_port"),
    ("POST", f"{C}/nodes", {"id": "n", "address": "a", "grpc_port": 70000}, *INVALID, "grpc_port"),
    ("POST", f"{C}/nodes", {"id": "node-1", "address": "127.0.0.1", "grpc_port": 15003}, 409, "node_already_exists", None),
    ("DELETE", f"{C}/nodes/none", None, 404, "node_not_found", None),
    ("DELETE", f"{C}/nodes/node-1", None, 400, "validation_error", None),  # the last one
    ("DELETE", f"{C}/nodes/node-1?force=maybe", None, *INVALID, "force"),
    ("POST", f"{C}/rebalance", {"force": 1}, *INVALID, "force"),
    ("POST", f"{C}/rebalance", {"now": True}, *INVALID, "now"),
    ("GET", f"{C}/shards/x", None, *INVALID, "shard_id"),
    ("GET", f"{C}/shards/999999", None, 404, "not_found", None),
    ("DELETE", f"{C}/migrations/1", None, 404, "not_found", None),
    ("GET", f"{C}/nothing", None, 404, "not_found", None),
    ("GET", "/nothing", None, 404, "not_found", None),
    ("GET", "/collections/c/nothing", None, 404, "not_found", None),
    ("DELETE", "/health", None, 405, "method_not_allowed", None),
    ("POST", "/metrics", {}, 405, "method_not_allowed", None),
]


class BadInputTest(harness.ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.server = harness.Server().start()
        client = cls.server.client()
        for method, path, body in (("POST", "/collections", {"name": "c", "dimension": 3, "metric": "euclidean"}),
                                   ("POST", V, {"vectors": [{"id": 1, "vector": GOOD, "payload": {"a": 1}}]})):
            reply = client.request(method, path, body)
            assert reply.status in (200, 201), reply
        client.close()

    @classmethod
    def tearDownClass(cls):
        cls.server.discard()

    def setUp(self):
        super().setUp()
        self.client = self.server.client()
        self.addCleanup(self.client.close)

    def run_table(self, table):
        for method, path, body, status, error_type, field in table:
            shown = body if isinstance(body, (bytes, str)) else json.dumps(body)
            with self.subTest(request=f"{method} {path} {shown[:100] if shown else ''}", field=field):
                self.expect_error(self.client.request(method, path, body), status, error_type, field)
        self.check_healthy()

    def check_healthy(self):
        """Alive, ready, and nothing of what was refused was applied."""
        self.assertTrue(self.server.running(), self.server.log())
        self.expect(self.client.get("/health/ready"))
        self.assertEqual(self.expect(self.client.get("/collections"))["total_collections"], 1)
        self.assertEqual(self.expect(self.client.post(f"{V}/count", {}))["count"], 1)
        self.assertEqual(self.expect(self.client.get(f"{V}/1")), {"id": 1, "vector": GOOD, "payload": {"a": 1}})

    def test_collections(self):
        self.run_table(COLLECTIONS)

    def test_upserts(self):
        self.run_table(UPSERT)

    def test_bulk_requests(self):
        self.run_table(BULK)

    def test_searches(self):
        self.run_table(SEARCH)

    def test_cluster_and_unknown_paths(self):
        self.run_table(CLUSTER)

    def test_filters_wherever_there_is_one(self):
        for path, rest in ((S, {"vector": GOOD}), (f"{V}/scroll", {}), (f"{V}/count", {}), (f"{V}/delete", {}),
                           (f"{V}/payload", {"mode": "clear"})):
            self.run_table([("POST", path, {**rest, "filter": where}, *INVALID, field) for where, field in FILTERS])

    def test_a_filter_that_nests_too_deeply(self):
        where = {"must": [{"key": "a", "exists": True}]}
        for _ in range(40):
            where = {"must": [where]}
        reply = self.client.post(f"{V}/count", {"filter": where})
        self.assertEqual(reply.status, 400, reply)
        self.assertIn(reply.json["error_type"], ("validation_error", "bad_json"))
        self.check_healthy()

    def test_details_of_a_dimension_mismatch(self):
        body = self.expect_error(self.client.post(V, {"vectors": [{"id": 5, "vector": GOOD}, {"id": "x", "vector": [1]}]}),
                                 400, "dimension_mismatch")
        self.assertEqual(body["details"], {"expected": 3, "actual": 1, "index": 1, "id": "x"})
        self.check_healthy()

    def test_details_of_bad_json(self):
        body = self.expect_error(self.client.post("/collections", b'{"name": nope}'), 400, "bad_json")
        self.assertIsInstance(body["details"].get("offset"), int, body)

    def test_content_types(self):
        body = json.dumps(search())
        for kind, status in (("application/json", 200), ("application/json; charset=utf-8", 200),
                             ("application/x-www-form-urlencoded", 200), ("text/plain", 415), ("text/xml", 415)):
            with self.subTest(kind=kind):
                reply = self.client.post(S, body, headers={"Content-Type": kind})
                self.assertEqual(reply.status, status, reply)
                if status == 415:
                    self.expect_error(reply, 415, "unsupported_media_type")
        form = {"Content-Type": "application/x-www-form-urlencoded", "Origin": "http://elsewhere.example"}
        self.expect_error(self.client.post(S, body, headers=form), 415, "unsupported_media_type")
        binary = {"Content-Type": "application/octet-stream"}
        self.expect_error(self.client.post(f"{V}/count", b"\0\1", headers=binary), 415, "unsupported_media_type")
        self.assertEqual(self.client.post(V, b"\0\1", headers=binary).status, 400)
        self.assertEqual(self.client.post(S, b"\0\1", headers=binary).status, 400)
        self.check_healthy()

    def test_request_ids(self):
        kept = self.client.get("/health", headers={"X-Request-Id": "mine-1.2_3"})
        self.assertEqual(kept.headers["X-Request-Id"], "mine-1.2_3")
        for bad in ("with space", "x" * 129, "<script>"):
            reply = self.client.get("/health", headers={"X-Request-Id": bad})
            self.assertEqual(reply.status, 200)
            self.assertTrue(reply.headers["X-Request-Id"])
            self.assertNotEqual(reply.headers["X-Request-Id"], bad)

    def test_an_idempotency_key_with_another_body(self):
        headers = {"Idempotency-Key": "key-1"}
        body = {"vectors": [{"id": 1, "vector": GOOD, "payload": {"a": 1}}]}
        first = self.client.post(V, body, headers=headers)
        again = self.client.post(V, body, headers=headers)
        self.assertEqual((first.status, first.raw), (again.status, again.raw))
        other = self.client.post(V, {"vectors": [{"id": 1, "vector": [9, 9, 9]}]}, headers=headers)
        self.expect_error(other, 409, "conflict")
        self.check_healthy()

    def test_idempotency_keys(self):
        for key, status in (("k" * 128, 200), ("a b~", 200), ("", 400), ("k" * 129, 400), ("a\tb", 400), ("\xfc", 400)):
            writes = (("POST", V, {"vectors": [{"id": "keys", "vector": GOOD}]}), ("PUT", f"{V}/keys", {"vector": GOOD}),
                      ("PATCH", f"{V}/keys", {"payload": {"a": 1}}), ("POST", f"{V}/delete", {"ids": ["keys"]}))
            for number, (method, path, body) in enumerate(writes):
                with self.subTest(key=key, method=method, path=path):
                    mine = key if status == 400 else f"{number}{key[1:]}"  # a good key is of one request alone
                    reply = self.client.request(method, path, body, headers={"Idempotency-Key": mine})
                    if status == 400:
                        self.expect_error(reply, 400, "validation_error", "Idempotency-Key")
                    else:
                        self.expect(reply)
            self.expect(self.client.post(S, search(), headers={"Idempotency-Key": key}))
        self.check_healthy()

    def test_a_request_id_is_no_idempotency_key(self):
        headers = {"X-Request-Id": "same"}
        for value in (5, 6):
            self.expect(self.client.put(f"{V}/same", {"vector": [value, 1, 1]}, headers=headers))
        self.assertEqual(self.expect(self.client.get(f"{V}/same"))["vector"], [6, 1, 1])
        self.expect(self.client.delete(f"{V}/same"))

    # -- below JSON ------------------------------------------------------------------------------------------------

    def raw_exchange(self, data, patience=20):
        """What the server answers to bytes that no HTTP library would send; b"" when it just closes."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=patience) as connection:
            received = b""
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(65536):
                    received += chunk
            except (ConnectionResetError, BrokenPipeError):
                pass
            return received

    def test_bytes_that_are_not_http(self):
        for data in (b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", os.urandom(5000),
                     b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                     b"POST /collections HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
                     b"POST /collections HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"):
            with self.subTest(data=data[:60]):
                answer = self.raw_exchange(data)
                if answer:
                    self.assertRegex(answer.split(b"\r\n")[0], rb"^HTTP/1\.[01] (4\d\d|505) ")
        self.check_healthy()

    def test_headers_and_bodies_that_are_too_large(self):
        huge_header = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Big: " + b"x" * 100000 + b"\r\n\r\n"
        answer = self.raw_exchange(huge_header)
        self.assertTrue(answer == b"" or b" 431 " in answer.split(b"\r\n")[0] or b" 400 " in answer.split(b"\r\n")[0]
                        or b" 413 " in answer.split(b"\r\n")[0], answer[:200])
        announced = b"POST /collections HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{"
        answer = self.raw_exchange(announced)
        self.assertIn(b" 413 ", answer.split(b"\r\n")[0])
        self.assertIn(b"payload_too_large", answer)
        self.check_healthy()

    def test_pipelined_requests_are_answered_in_order(self):
        ask = lambda path, id_: f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: {id_}\r\n\r\n".encode()
        answer = self.raw_exchange(ask("/health", "one") + ask("/collections/none", "two") + ask("/health/live", "three"))
        positions = [answer.find(id_) for id_ in (b": one\r\n", b": two\r\n", b": three\r\n")]
        self.assertEqual(positions, sorted(positions), answer)
        self.assertNotIn(-1, positions, answer)

    def test_head_has_no_body(self):
        answer = self.raw_exchange(b"HEAD /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 "), answer)
        self.assertEqual(body, b"")


if __name__ == "__main__":
    unittest.main(verbosity=2)
