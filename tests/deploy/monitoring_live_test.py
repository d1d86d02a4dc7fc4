#!/usr/bin/env python3
"""deploy/monitoring on the real thing: a real Prometheus scrapes real nodes with the shipped configuration and rules.

Every query of the dashboard gives series; nothing fires while the cluster is well; what must fire does when a node is killed, and
goes when it is back. The shipped files are used with other addresses and, so that the test ends soon, shorter times.
"""

import atexit
import json
import os
import re
import subprocess
import tempfile
import urllib.parse

import lab
import metrics_test
import monitoring_test
from lab import call, fetch, say, until

# Series that are there only after something went wrong which this test does not do.
ONLY_IN_TROUBLE = {"Replies of 5xx", "Failed calls to other nodes"}


def fill(url, sharding):
    body = {"name": "docs", "dimension": 8, "metric": "euclidean"}
    fetch(url + "/collections", {**body, "sharding": {"shard_count": 6}} if sharding else body)
    vectors = [{"id": n, "vector": [n % 7, n % 5, 1, 2, 3, 4, 5, n], "payload": {"n": n}} for n in range(500)]
    fetch(url + "/collections/docs/vectors", {"vectors": vectors})
    fetch(url + "/collections/docs/search", {"vector": [1, 2, 1, 2, 3, 4, 5, 6], "limit": 5})
    fetch(url + "/collections/docs/vectors/1", method="DELETE")
    assert call(url + "/collections/none")[0] == 404


def exposed(url):
    """Names as a query writes them."""
    names = set()
    for name, (kind, _) in metrics_test.exposed(fetch(url + "/prometheus/metrics")).items():
        names |= {name + part for part in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    return names


def asked_for():
    return {name for _, expression in monitoring_test.queries() for name, _ in monitoring_test.selectors(expression)} - {"up"}


def of_a_single_node(name):
    return not name.startswith(("vectorizer_cluster_", "vectorizer_raft_", "vectorizer_replication_", "vectorizer_rpc_"))


def check_single_node():
    server = lab.harness.Server()
    atexit.register(server.discard)
    server.start()
    url = f"http://127.0.0.1:{server.port}"
    fill(url, sharding=False)
    wanted = {name for name in asked_for() if of_a_single_node(name)}
    missing = wanted - exposed(url)
    assert not missing, f"not exposed by a single node: {sorted(missing)}"
    say(f"the {len(wanted)} metrics of queries that do not concern a cluster are exposed by a single node")
    server.discard()


class Prometheus:
    def __init__(self, cluster):
        self.home = tempfile.mkdtemp(prefix="vectorizer-prometheus-")
        port = lab.free_ports(1)[0]
        self.url = f"http://127.0.0.1:{port}"
        configuration = monitoring_test.read("prometheus.yml")
        for number, address in enumerate(re.findall(r'- "(192\.168\.1\.\d+:15002)"', configuration), 1):
            configuration = configuration.replace(address, cluster.url(number)[len("http://"):])
        assert "192.168" not in configuration
        configuration = re.sub(r"(scrape_interval|evaluation_interval|scrape_timeout): \d+s", r"\1: 1s", configuration)
        rules = re.sub(r"for: [1-9]\d*[mh]", "for: 2s", monitoring_test.read("alerts.yml"))
        for name, text in (("prometheus.yml", configuration), ("alerts.yml", rules)):
            with open(os.path.join(self.home, name), "w", encoding="utf-8") as file:
                file.write(text)
        with open(os.path.join(self.home, "log"), "wb") as log:
            self.process = subprocess.Popen(
                ["prometheus", f"--config.file={self.home}/prometheus.yml", f"--storage.tsdb.path={self.home}/data",
                 f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        atexit.register(self.stop)
        until("Prometheus is ready", lambda: call(self.url + "/-/ready", timeout=2)[0] == 200)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
        lab.shutil.rmtree(self.home, ignore_errors=True)

    def query(self, expression):
        return fetch(self.url + "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))["data"]["result"]

    def rules(self):
        groups = fetch(self.url + "/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def firing(self):
        return {rule["name"] for rule in self.rules() if rule["state"] == "firing"}


def without_variables(expression):
    for name, value in (("$job", "vectorizer-cluster"), ("$instance", ".*"), ("$collection", ".*"), ("$__rate_interval", "30s")):
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def main():
    lab.need("prometheus", "promtool", "curl")
    check_single_node()
    cluster = lab.Cluster()
    fill(cluster.url(1), sharding=True)
    by_node = [exposed(cluster.url(number)) for number in (1, 2, 3)]
    missing = asked_for() - set.union(*by_node)
    assert not missing, f"not exposed by any node: {sorted(missing)}"
    partly = asked_for() - set.intersection(*by_node)  # series that come with the first use or error
    assert partly <= {"vectorizer_inserts_total", "vectorizer_deletes_total", "vectorizer_search_seconds_bucket",
                      "vectorizer_rpc_client_errors_total"}, partly
    say(f"the {len(asked_for())} metrics of all queries are exposed by three nodes")
    until("green", cluster.green)

    prometheus = Prometheus(cluster)
    until("three targets are up", lambda: [r["value"][1] for r in prometheus.query("sum(up)")] == ["3"])
    say("the shipped configuration scrapes three nodes")
    until("all rules were evaluated", lambda: all(rule["health"] == "ok" for rule in prometheus.rules()))
    assert {rule["name"] for rule in prometheus.rules()} == set(monitoring_test.alerts())
    say(f"all {len(prometheus.rules())} rules evaluate without an error")

    def empty():
        call(cluster.url(1, "/collections/none"))  # traffic, so that rates have something to count
        fetch(cluster.url(2, "/collections/docs/search"), {"vector": [1] * 8, "limit": 3})
        fetch(cluster.url(3, "/collections/docs/vectors"), {"vectors": [{"id": 1, "vector": [1] * 8}]})
        return [title for title, expression in monitoring_test.dashboard_queries()
                if title not in ONLY_IN_TROUBLE and not prometheus.query(without_variables(expression))]

    until(lambda: f"series for {empty()}", lambda: not empty(), 60)
    say(f"all {len(monitoring_test.dashboard_queries())} queries of the dashboard but those of {sorted(ONLY_IN_TROUBLE)} give series")
    # Starting three nodes at once may have made one of them late; what is left is what would wake somebody.
    until(lambda: f"nothing fires, but {prometheus.firing()}", lambda: not prometheus.firing(), 120)
    say("no alert fires while the cluster is well")

    cluster.script("kill", "2")
    expected = {"VectorizerNodeDown", "VectorizerNodeUnhealthy", "VectorizerUnderReplicated"}
    until(f"{sorted(expected)} fire", lambda: prometheus.firing() >= expected)
    until("shards are led again", lambda: "VectorizerShardsWithoutPrimary" not in prometheus.firing())
    say(f"a node is killed: {', '.join(sorted(expected))} fire")
    cluster.script("start", "2")
    until(lambda: f"they end; firing {prometheus.firing()}", lambda: not prometheus.firing() & expected, 180)
    say(f"it is back: they have ended; firing {sorted(prometheus.firing())}")
    lab.done()


if __name__ == "__main__":
    main()
