"""The main job on real input: mnist (60,000 × 784) imported through REST and searched with its 1,000 queries, by both metrics
and with the filter `label == 3`. Too long for each change: scripts/verify-full runs it. Without the data it is skipped."""

import os
import subprocess
import time
import unittest

import datasets
import harness


class MnistTest(harness.ServerTest):
    def setUp(self):
        super().setUp()
        folder = datasets.directory()
        if not folder or not os.path.exists(os.path.join(folder, "mnist.base.bvecs.gz")):
            raise unittest.SkipTest("no mnist in $VECTORIZER_TEST_DATA or ../shared/data")
        self.folder = folder
        self.queries = datasets.read_bvecs(os.path.join(folder, "mnist.query1k.bvecs.gz"))

    def truth(self, name):
        return datasets.read_ivecs(os.path.join(self.folder, f"mnist.{name}.ivecs.gz"))

    def import_base(self, server, metric):
        start = time.monotonic()
        subprocess.run([harness.binary(), "import", os.path.join(self.folder, "mnist.base.bvecs.gz"), "--collection", metric,
                        "--create", "--metric", metric, "--payload", os.path.join(self.folder, "mnist.payload.jsonl.gz"),
                        "--url", f"http://127.0.0.1:{server.port}", "--state-dir", server.home],
                       check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=harness.clean_environment())
        return time.monotonic() - start

    def wait_indexed(self, client, metric):
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            info = self.expect(client.get(f"/collections/{metric}"))
            if info["status"] == "green":
                self.assertEqual(info["vector_count"], 60000)
                return
            time.sleep(0.2)
        self.fail(f"not indexed after 600 s: {info}")

    def recall(self, client, metric, truth, **more):
        hits = 0
        for first in range(0, len(self.queries), 100):
            searches = [{"vector": list(query), "limit": 10, "with_payload": False, **more}
                        for query in self.queries[first:first + 100]]
            answers = self.expect(client.post(f"/collections/{metric}/search/batch", {"searches": searches}))["results"]
            for answer, wanted in zip(answers, truth[first:first + 100]):
                self.assertEqual(len(answer["results"]), 10)
                hits += len({hit["id"] for hit in answer["results"]} & set(wanted[:10]))
        return hits / (10 * len(self.queries))

    def check(self, metric, truth):
        server = self.start_server()
        client = server.client()
        imported = self.import_base(server, metric)
        fresh = self.recall(client, metric, self.truth(truth))
        start = time.monotonic()
        self.wait_indexed(client, metric)
        waited = time.monotonic() - start
        indexed = self.recall(client, metric, self.truth(truth))
        print(f"mnist {metric}: imported in {imported:.1f} s, recall@10 {fresh:.4f} at once, indexed after {waited:.1f} s more, "
              f"recall@10 {indexed:.4f}", flush=True)
        self.assertGreaterEqual(fresh, 0.95)
        self.assertGreaterEqual(indexed, 0.95)
        return server, client

    def test_euclidean_with_and_without_a_filter(self):
        server, client = self.check("euclidean", "gt_l2")
        filtered = self.recall(client, "euclidean", self.truth("gt_l2_label_eq_3"),
                               filter={"must": [{"key": "label", "match": {"value": 3}}]})
        print(f"mnist euclidean, label == 3: recall@10 {filtered:.4f}", flush=True)
        self.assertGreaterEqual(filtered, 0.99)

        client.close()
        self.assertEqual(server.terminate(), 0)
        start = time.monotonic()
        server.start()
        client = server.client()
        reloaded = self.recall(client, "euclidean", self.truth("gt_l2"))
        print(f"mnist euclidean, restarted: ready after {time.monotonic() - start:.2f} s with its searches, "
              f"recall@10 {reloaded:.4f}", flush=True)
        self.assertGreaterEqual(reloaded, 0.95)

    def test_cosine(self):
        self.check("cosine", "gt_cos")


if __name__ == "__main__":
    harness.main()
