"""A long random sequence of operations against an in-memory model, with clean restarts and kill -9 in between.

$VECTORIZER_MODEL_OPERATIONS operations per collection (500 by default), from a printed seed.
"""

import os
import random

import harness
from model import Model, id_order

OPERATIONS = int(os.environ.get("VECTORIZER_MODEL_OPERATIONS", "500"))
DIMENSION = 6
NUMBERS = list(range(60)) + [2**32, 2**53 + 1, 2**63, 2**64 - 1]
TEXTS = [f"id-{i}" for i in range(30)] + ["7", "ü/ß", "a b", "日本", "%2F", "Z", "a"]
WORDS = ["red", "green", "blue", "Blue", ""]
TOLERANCE = 1e-5


class RandomCase:
    """Everything that is drawn: ids, payloads, filters."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def id_(self):
        return self.rng.choice(NUMBERS if self.rng.random() < 0.6 else TEXTS)

    def ids(self, most):
        return list({self.id_(): None for _ in range(self.rng.randrange(1, most + 1))})

    def vector(self):
        if self.rng.random() < 0.02:
            return [0.0] * DIMENSION
        if self.rng.random() < 0.2:  # few distinct values: many ties, which ids must break
            return [float(self.rng.choice((-1, 1))) for _ in range(DIMENSION)]
        return harness.random_vector(self.rng, DIMENSION)

    def payload(self):
        rng, out = self.rng, {}
        if rng.random() < 0.1:
            return None
        if rng.random() < 0.8:
            out["color"] = rng.choice(WORDS + [None])
        if rng.random() < 0.8:
            out["n"] = rng.choice([rng.randrange(-5, 20), float(rng.randrange(0, 8)), rng.randrange(0, 40) / 4])
        if rng.random() < 0.6:
            out["tags"] = [rng.choice(WORDS) for _ in range(rng.randrange(0, 4))]
        if rng.random() < 0.6:
            out["deep"] = {"flag": rng.random() < 0.5, "x": rng.randrange(6), "dotted.name": rng.randrange(3)}
        if rng.random() < 0.5:
            out["items"] = [{"a": rng.randrange(4), "b": rng.randrange(10)} for _ in range(rng.randrange(0, 4))]
        return out

    def merge_patch(self):
        patch = self.payload() or {}
        for key in self.rng.sample(["color", "n", "tags", "deep"], self.rng.randrange(3)):
            patch[key] = None
        if self.rng.random() < 0.3:
            patch["deep"] = {"x": self.rng.randrange(6), "flag": None}
        return patch

    def condition(self, depth):
        rng = self.rng
        low = rng.randrange(-5, 10)
        choices = [
            lambda: {"key": "color", "match": {"value": rng.choice(WORDS)}},
            lambda: {"key": "color", "match": {"any": rng.sample(WORDS, 2)}},
            lambda: {"key": "color", "is_null": True},
            lambda: {"key": "color", "is_empty": rng.random() < 0.5},
            lambda: {"key": "n", "match": {"value": rng.choice([3, 3.0, 2, 1.25])}},
            lambda: {"key": "n", "match": {"except": [rng.randrange(8), rng.randrange(8)]}},
            lambda: {"key": "n", "range": {rng.choice(["gt", "gte"]): low, rng.choice(["lt", "lte"]): low + rng.randrange(12)}},
            lambda: {"key": "n", "range": {rng.choice(["gt", "gte", "lt", "lte"]): low + 0.5}},
            lambda: {"key": rng.choice(["n", "tags", "deep.flag", "nothing"]), "exists": rng.random() < 0.5},
            lambda: {"key": "tags", "match": {"value": rng.choice(WORDS)}},
            lambda: {"key": "tags", "match": {"except": rng.sample(WORDS, 2)}},
            lambda: {"key": "tags", "is_empty": rng.random() < 0.5},
            lambda: {"key": "tags", "values_count": {"gte": rng.randrange(1, 4)}},
            lambda: {"key": "deep.flag", "match": {"value": rng.random() < 0.5}},
            lambda: {"key": "deep.x", "range": {"gte": rng.randrange(6)}},
            lambda: {"key": "items.a", "match": {"value": rng.randrange(4)}},
            lambda: {"nested": {"key": "items", "filter": {"must": [
                {"key": "a", "match": {"value": rng.randrange(4)}}, {"key": "b", "range": {"lt": rng.randrange(10)}}]}}},
            lambda: {"has_id": self.ids(20)},
        ]
        if depth > 0 and rng.random() < 0.2:
            return self.filter(depth - 1)
        return rng.choice(choices)()

    def filter(self, depth=2):
        rng, out = self.rng, {}
        conditions = lambda most: [self.condition(depth) for _ in range(rng.randrange(1, most + 1))]
        for name, chance in (("must", 0.6), ("should", 0.4), ("must_not", 0.3)):
            if rng.random() < chance:
                out[name] = conditions(2)
        if rng.random() < 0.1:
            out["min_should"] = {"count": 2, "conditions": conditions(3) + conditions(1)}
        return out or {"must": [self.condition(0)]}

    def maybe_filter(self):
        return self.filter() if self.rng.random() < 0.6 else None


class ModelTest(harness.ServerTest):
    def test_euclidean(self):
        self.run_sequence("euclidean", {"shard_count": 3})

    def test_cosine_with_one_shard(self):
        self.run_sequence("cosine", {"shard_count": 1})

    def test_dot_with_mapped_vectors(self):
        self.run_sequence("dot", {"shard_count": 4}, storage="mmap")

    def test_int8_codes_in_memory(self):
        self.run_sequence("euclidean", {"shard_count": 2}, quantization={"type": "int8"})

    def run_sequence(self, metric, sharding, **options):
        self.case = RandomCase(harness.seed())
        self.model = Model(metric)
        # So few vectors would never get a graph: with this threshold they do.
        self.server = self.start_server(environment={"VECTORIZER_INDEX_GRAPH_THRESHOLD": "20"})
        self.client = self.server.client()
        self.base = "/collections/model"
        self.expect(self.client.post("/collections", {"name": "model", "dimension": DIMENSION, "metric": metric,
                                                      "sharding": sharding, **options}), 201)
        steps = [(self.upsert, 30), (self.put, 8), (self.patch, 8), (self.delete_one, 6), (self.delete_ids, 4),
                 (self.delete_filter, 1), (self.edit_payload, 10), (self.get, 10), (self.get_many, 4), (self.count, 10),
                 (self.search, 15), (self.scroll, 5), (self.restart, 1.5)]
        for number in range(OPERATIONS):
            step = self.case.rng.choices([s for s, _ in steps], [w for _, w in steps])[0]
            with self.subTest(operation=number, step=step.__name__):
                step()
            if self._failed():
                return  # what follows a difference only repeats it
        self.scroll()
        self.assertEqual(self.server.terminate(), 0)

    # -- writes ----------------------------------------------------------------------------------------------------

    def body(self, vector, payload, **more):
        out = {"vector": vector, **more}
        if payload is not None:
            out["payload"] = payload
        return out

    def upsert(self):
        wanted = [(id_, self.case.vector(), self.case.payload()) for id_ in self.case.ids(25)]
        body = {"vectors": [self.body(vector, payload, id=id_) for id_, vector, payload in wanted]}
        if self.case.rng.random() < 0.2:  # an id twice in a batch: the last wins
            body["vectors"].insert(0, {"id": wanted[0][0], "vector": self.case.vector(), "payload": {"color": "lost"}})
        reply = self.expect(self.client.post(f"{self.base}/vectors", body))
        self.assertEqual(reply, {"status": "ok", "upserted": len(wanted)})
        for id_, vector, payload in wanted:
            self.model.upsert(id_, vector, payload)

    def path(self, id_):
        if isinstance(id_, int):
            return f"{self.base}/vectors/{id_}"
        escaped = "".join(f"%{byte:02X}" for byte in id_.encode())
        return f"{self.base}/vectors/{escaped}" + ("?id_type=string" if id_.isdigit() else "")

    def put(self):
        id_, vector, payload = self.case.id_(), self.case.vector(), self.case.payload()
        self.expect(self.client.put(self.path(id_), self.body(vector, payload)))
        self.model.upsert(id_, vector, payload)

    def patch(self):
        id_, body = self.case.id_(), {}
        if self.case.rng.random() < 0.5:
            body["vector"] = self.case.vector()
        if "vector" not in body or self.case.rng.random() < 0.7:
            body["payload"] = self.case.merge_patch()
        reply = self.client.patch(self.path(id_), body)
        if id_ not in self.model.points:
            self.expect_error(reply, 404, "vector_not_found")
            return
        self.expect(reply)
        self.model.patch(id_, body.get("vector"), body.get("payload"))

    def delete_one(self):
        id_ = self.case.id_()
        reply = self.client.delete(self.path(id_))
        if self.model.points.pop(id_, None) is None:
            self.expect_error(reply, 404, "vector_not_found")
        else:
            self.assertEqual(self.expect(reply), {"status": "deleted"})

    def delete_ids(self):
        ids = self.case.ids(8)
        reply = self.expect(self.client.post(f"{self.base}/vectors/delete", {"ids": ids}))
        gone = [id_ for id_ in ids if self.model.points.pop(id_, None) is not None]
        self.assertEqual(reply, {"deleted": len(gone)})

    def delete_filter(self):
        where = self.case.filter()
        matching = self.model.matching(where)
        reply = self.expect(self.client.post(f"{self.base}/vectors/delete", {"filter": where}))
        self.assertEqual(reply, {"deleted": len(matching)}, where)
        for id_ in matching:
            del self.model.points[id_]

    def edit_payload(self):
        mode = self.case.rng.choice(["merge", "set", "replace", "delete_keys", "clear"])
        body, payload, keys = {"mode": mode}, None, None
        if mode == "merge":
            payload = self.case.merge_patch()
        elif mode in ("set", "replace"):
            payload = self.case.payload() or {"n": 1}
        elif mode == "delete_keys":
            keys = self.case.rng.sample(["color", "n", "tags", "deep", "items", "none"], 2)
        if payload is not None:
            body["payload"] = payload
        if keys is not None:
            body["keys"] = keys
        if self.case.rng.random() < 0.7:
            body["ids"] = self.case.ids(6)
            chosen = [id_ for id_ in body["ids"] if id_ in self.model.points]
        else:
            body["filter"] = self.case.filter()
            chosen = self.model.matching(body["filter"])
        reply = self.expect(self.client.post(f"{self.base}/vectors/payload", body))
        self.assertEqual(reply, {"updated": len(chosen)}, body)
        for id_ in chosen:
            self.model.edit(id_, mode, payload, keys)

    def restart(self):
        self.client.close()
        if self.case.rng.random() < 0.5:
            self.server.kill()
        else:
            self.assertEqual(self.server.terminate(), 0)
        self.server.start()
        self.scroll()

    # -- reads -----------------------------------------------------------------------------------------------------

    def point(self, id_):
        vector, payload = self.model.points[id_]
        return {"id": id_, "vector": vector, "payload": payload}

    def same(self, found, id_, context):
        self.assertIs(type(found["id"]), type(id_), context)
        self.assertEqual(found, self.point(id_), context)

    def get(self):
        id_ = self.case.id_()
        reply = self.client.get(self.path(id_))
        if id_ in self.model.points:
            self.same(self.expect(reply), id_, id_)
        else:
            self.expect_error(reply, 404, "vector_not_found")

    def get_many(self):
        ids = self.case.ids(30)
        reply = self.expect(self.client.post(f"{self.base}/vectors/get", {"ids": ids, "with_vector": True, "with_payload": True}))
        self.assertEqual(reply["missing"], [id_ for id_ in ids if id_ not in self.model.points])
        present = [id_ for id_ in ids if id_ in self.model.points]
        self.assertEqual(len(reply["vectors"]), len(present))
        for found, id_ in zip(reply["vectors"], present):
            self.same(found, id_, id_)

    def count(self):
        where = self.case.maybe_filter()
        reply = self.expect(self.client.post(f"{self.base}/vectors/count", {"filter": where} if where else {}))
        self.assertEqual(reply["count"], len(self.model.matching(where)), where)

    def scroll(self):
        where = self.case.maybe_filter()
        limit = self.case.rng.choice([1, 3, 10, 100, 1000])
        found, body = [], {"limit": limit, "with_vector": True, "with_payload": True}
        if where:
            body["filter"] = where
        while True:
            page = self.expect(self.client.post(f"{self.base}/vectors/scroll", body))
            self.assertLessEqual(len(page["vectors"]), limit)
            found += page["vectors"]
            if page["next_cursor"] is None:
                break
            self.assertTrue(page["vectors"], "an empty page that is not the last")
            body["cursor"] = page["next_cursor"]
        wanted = self.model.matching(where)
        self.assertEqual([vector["id"] for vector in found], wanted, where)
        for vector, id_ in zip(found, wanted):
            self.same(vector, id_, where)

    def search(self):
        query, where = self.case.vector(), self.case.maybe_filter()
        limit, offset = self.case.rng.choice([1, 5, 10, 200]), self.case.rng.choice([0, 0, 3])
        body = {"vector": query, "limit": limit, "offset": offset, "with_vector": True, "with_payload": True,
                "params": {"exact": True}}
        if where:
            body["filter"] = where
        reply = self.expect(self.client.post(f"{self.base}/search", body))
        self.assertEqual(reply["shards"]["failed"], 0)
        hits, ranking = reply["results"], self.model.ranking(query, where)
        context = (query, where, [(h["id"], h["score"]) for h in hits][:12], ranking[:12])
        self.assertEqual(len(hits), max(0, min(limit, len(ranking) - offset)), context)
        self.check_order(hits, context)
        for hit, (score, _) in zip(hits, ranking[offset:]):
            # Position by position: where scores tie within rounding, either id may stand there.
            self.assertLess(abs(hit["score"] - score), TOLERANCE * max(1, abs(score)), context)
            self.assertLess(abs(hit["score"] - self.model.score(hit["id"], query)), TOLERANCE * max(1, abs(score)), context)
            self.same({key: hit[key] for key in ("id", "vector", "payload")}, hit["id"], context)
        self.assertEqual(len({hit["id"] for hit in hits}), len(hits), context)
        if where:
            self.assertLessEqual({hit["id"] for hit in hits}, set(self.model.matching(where)), context)
        if self.model.metric != "cosine":  # exact in float32 with these values: the ids are decided, ties included
            self.assertEqual([hit["id"] for hit in hits], [id_ for _, id_ in ranking[offset:offset + limit]], context)

    def check_order(self, hits, context):
        sign = 1 if self.model.metric == "euclidean" else -1
        keys = [(sign * hit["score"], id_order(hit["id"])) for hit in hits]
        self.assertEqual(keys, sorted(keys), context)


if __name__ == "__main__":
    harness.main()
