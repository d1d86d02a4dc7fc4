"""Real vectors through REST: recall@10 with the default ef, and exact searches against the ground truth."""

import json
import time

import datasets
import harness

BATCH = 200
MIN_RECALL = 0.95


class RecallTest(harness.ServerTest):
    def import_dataset(self, client, dataset, metric, **options):
        name = f"{dataset.name}-{metric}"
        self.expect(client.post("/collections", {"name": name, "dimension": dataset.dimension, "metric": metric, **options}), 201)
        for first in range(0, len(dataset.base), BATCH):
            rows = range(first, min(first + BATCH, len(dataset.base)))
            body = {"vectors": [{"id": i, "vector": dataset.base[i].tolist(), "payload": dataset.payload[i]} for i in rows]}
            self.assertEqual(self.expect(client.post(f"/collections/{name}/vectors", body))["upserted"], len(rows))
        return f"/collections/{name}"

    def wait_indexed(self, client, path):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            info = self.expect(client.get(path))
            if info["indexed_vector_count"] == info["vector_count"] and info["status"] == "green":
                return info
            time.sleep(0.05)
        self.fail(f"not indexed after 120 s: {info}")

    def search_all(self, client, path, dataset, exact, **more):
        answers = []
        for first in range(0, len(dataset.queries), 50):
            searches = [{"vector": query.tolist(), "limit": 10, "with_payload": False,
                         "params": {"exact": True} if exact else {}, **more}
                        for query in dataset.queries[first:first + 50]]
            answers += self.expect(client.post(f"{path}/search/batch", {"searches": searches}))["results"]
        return [answer["results"] for answer in answers]

    def recall(self, answers, truth):
        hits = sum(len({hit["id"] for hit in answer} & set(wanted[:10])) for answer, wanted in zip(answers, truth))
        return hits / (10 * len(truth))

    def check(self, dataset, metric, **options):
        # Below this many vectors a shard is scanned exactly: force a graph, which is what recall is about.
        server = self.start_server(environment={"VECTORIZER_INDEX_GRAPH_THRESHOLD": "500"})
        client = server.client()
        path = self.import_dataset(client, dataset, metric, **options)
        info = self.wait_indexed(client, path)
        self.assertEqual(info["vector_count"], len(dataset.base))

        approximate = self.recall(self.search_all(client, path, dataset, exact=False), dataset.truth[metric])
        print(f"{dataset.name} {metric} {options or ''}: recall@10 {approximate:.4f}"
              f"{' (generated data)' if dataset.generated else ''}", flush=True)
        self.assertGreaterEqual(approximate, MIN_RECALL)

        self.check_exact(self.search_all(client, path, dataset, exact=True), dataset, metric)
        self.check_filtered(client, path, dataset, metric)

        client.close()
        self.assertEqual(server.terminate(), 0)
        server.start()  # the saved index answers as well as the one that was built
        client = server.client()
        reloaded = self.recall(self.search_all(client, path, dataset, exact=False), dataset.truth[metric])
        self.assertGreaterEqual(reloaded, MIN_RECALL)

    def check_exact(self, answers, dataset, metric):
        for query, answer, wanted in zip(dataset.queries, answers, dataset.truth[metric]):
            found = [hit["id"] for hit in answer]
            if found == list(wanted[:10]):
                continue
            # float32 sums may swap neighbours whose distances differ by less than their rounding: nothing else.
            scores = {i: self.score(dataset.base[i], query, metric) for i in {*found, *wanted[:10]}}
            for mine, theirs in zip(found, wanted[:10]):
                self.assertLess(abs(scores[mine] - scores[theirs]), 1e-5 * max(1, abs(scores[theirs])), (found, list(wanted[:10])))

    def score(self, row, query, metric):
        dot = sum(float(x) * y for x, y in zip(row, query))
        rows, queries = sum(float(x) * x for x in row), sum(float(x) * x for x in query)
        if metric == "euclidean":
            return max(0.0, rows + queries - 2 * dot) ** 0.5
        return dot / ((rows * queries) ** 0.5 or 1)

    def check_filtered(self, client, path, dataset, metric):
        """A filter never returns what does not match, nor fewer than there are, and finds the exact best."""
        if "label" not in dataset.payload[0]:
            return
        where = {"must": [{"key": "label", "match": {"value": 3}}]}
        rows = [i for i, payload in enumerate(dataset.payload) if payload["label"] == 3]
        base = [dataset.base[i] for i in rows]
        few = dataset.queries[:5]
        answers = self.search_all(client, path, dataset, exact=False, filter=where)
        for answer in answers:
            self.assertEqual(len(answer), 10)
            self.assertLessEqual({hit["id"] for hit in answer}, set(rows))
        truth = [[rows[i] for i in datasets.exact_nearest(base, query, metric, 10)] for query in few]
        self.assertGreaterEqual(self.recall(answers[:5], truth), 0.98)
        counted = self.expect(client.post(f"{path}/vectors/count", {"filter": where}))["count"]
        self.assertEqual(counted, len(rows), json.dumps(where))

    def test_emoji2vec_cosine(self):
        self.check(datasets.emoji2vec(), "cosine")

    def test_emoji2vec_euclidean_in_three_shards(self):
        self.check(datasets.emoji2vec(), "euclidean", sharding={"shard_count": 3})

    def test_fashion3k_euclidean(self):
        self.check(datasets.fashion3k(), "euclidean")

    def test_fashion3k_cosine_with_mapped_vectors(self):
        self.check(datasets.fashion3k(), "cosine", storage="mmap")


if __name__ == "__main__":
    harness.main()
