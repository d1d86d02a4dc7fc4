"""docs/metrics.md against what a running server exposes, both ways, and the exposition against promtool."""

import os
import re
import shutil
import subprocess

import harness

DOCUMENT = os.path.join(harness.SOURCE_DIR, "docs", "metrics.md")
ROW = re.compile(r"^\| `(vectorizer_\w+)(?:\{([\w, ]*)\})?` \| (counter|gauge|histogram) \|")


OF_A_CLUSTER = "## Of a cluster\n"


def documented(cluster=False):
    """name -> (type, labels), from the table rows of the document; those of a node of a cluster only if it is asked for."""
    with open(DOCUMENT, encoding="utf-8") as file:
        before, after = file.read().split(OF_A_CLUSTER)
    inside, after = after.split("\n## ", 1)
    rows = [ROW.match(line) for line in (before + (inside if cluster else "") + after).splitlines()]
    return {row[1]: (row[3], {label.strip() for label in (row[2] or "").split(",") if label.strip()}) for row in rows if row}


def exposed(text):
    """name -> (type, labels seen), from the text format."""
    found = {}
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M):
        labels = set()
        for inside in re.findall(rf"^{name}(?:_bucket|_sum|_count)?\{{(.*)\}} ", text, re.M):
            labels |= set(re.findall(r'(\w+)="', inside))
        found[name] = (kind, labels - {"le"})
    return found


class MetricsTest(harness.ServerTest):
    def setUp(self):
        super().setUp()
        self.server = self.start_server()
        self.client = self.server.client()
        self.expect(self.client.post("/collections", {"name": "m", "dimension": 3}), 201)
        vectors = [{"id": i, "vector": [1, i, 2], "payload": {"i": i}} for i in range(20)]
        self.expect(self.client.post("/collections/m/vectors", {"vectors": vectors}))
        where = {"must": [{"key": "i", "range": {"gte": 3}}]}
        self.expect(self.client.post("/collections/m/search", {"vector": [1, 2, 3], "filter": where}))
        self.expect(self.client.delete("/collections/m/vectors/1"))
        self.expect_error(self.client.get("/collections/none"), 404, "collection_not_found")

    def scrape(self, path="/prometheus/metrics"):
        reply = self.client.get(path)
        self.assertEqual(reply.status, 200, reply)
        self.assertTrue(reply.headers["Content-Type"].startswith("text/plain"), reply.headers["Content-Type"])
        return reply.raw.decode()

    def value(self, text, series):
        found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.M)
        self.assertIsNotNone(found, f"{series} is not exposed\n{text}")
        return float(found[1])

    def test_the_document_and_the_server_agree(self):
        listed, running = documented(), exposed(self.scrape())
        self.assertEqual(sorted(set(listed) - set(running)), [], "documented, not exposed")
        self.assertEqual(sorted(set(running) - set(listed)), [], "exposed, not documented")
        for name, (kind, labels) in running.items():
            with self.subTest(metric=name):
                self.assertEqual(kind, listed[name][0])
                if labels:  # a family without series yet shows none
                    self.assertEqual(labels, listed[name][1])

    def test_promtool_finds_nothing_to_say(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is not installed")
        done = subprocess.run(["promtool", "check", "metrics"], input=self.scrape(), capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_values_follow_what_happened(self):
        text = self.scrape()
        self.assertEqual(self.value(text, "vectorizer_collections"), 1)
        self.assertEqual(self.value(text, 'vectorizer_vectors{collection="m"}'), 19)
        self.assertEqual(self.value(text, 'vectorizer_inserts_total{collection="m"}'), 20)
        self.assertEqual(self.value(text, 'vectorizer_search_seconds_count{collection="m"}'), 1)
        self.assertGreater(self.value(text, "vectorizer_process_resident_bytes"), 1 << 20)
        self.assertGreater(self.value(text, "vectorizer_disk_free_bytes"), 0)
        self.assertGreaterEqual(self.value(text, "vectorizer_http_connections"), 1)
        self.assertGreater(self.value(text, "vectorizer_wal_sync_seconds_count"), 0)
        searches = [line for line in text.splitlines() if line.startswith("vectorizer_http_requests_total{")
                    and 'route="/collections/{name}/search"' in line and 'status="200"' in line]
        self.assertEqual([line.rsplit(" ", 1)[1] for line in searches], ["1"])

    def test_series_of_a_dropped_collection_go(self):
        self.expect(self.client.delete("/collections/m"))
        text = self.scrape()
        self.assertEqual(self.value(text, "vectorizer_collections"), 0)
        self.assertNotIn('vectorizer_vectors{collection="m"}', text)

    def test_both_paths_serve_the_metrics(self):
        self.assertEqual(exposed(self.scrape("/metrics")).keys(), exposed(self.scrape()).keys())

    def test_no_label_carries_a_vector_id_or_a_path(self):
        for path in ("/collections/m/vectors/12345678", "/no/such/path/12345678"):
            self.client.get(path)
        self.assertNotIn("12345678", self.scrape())


if __name__ == "__main__":
    harness.main()
