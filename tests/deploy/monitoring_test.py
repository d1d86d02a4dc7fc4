"""deploy/monitoring against the documented metrics, without a server: every query of the alert rules and of the dashboard names
metrics, labels and routes that exist; the rules pass their own tests; the dashboard is well-formed.

docs/metrics.md is held against running servers by tests/e2e, and these queries by tests/deploy/monitoring_live_test.py.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness  # noqa: E402
import metrics_test  # noqa: E402

MONITORING = os.path.join(harness.SOURCE_DIR, "deploy", "monitoring")
DASHBOARD = os.path.join(MONITORING, "grafana", "vectorizer.json")
OF_THE_SCRAPE = {"job", "instance"}
SELECTOR = re.compile(r"\b((?:vectorizer_\w+|up))\b(?:\{((?:[^}\"]|\"[^\"]*\")*)\})?")
MATCHER = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*\"([^\"]*)\"")
GROUPING = re.compile(r"\b(?:by|on|group_left|group_right|without|ignoring)\s*\(([^)]*)\)")


def read(*path):
    with open(os.path.join(MONITORING, *path), encoding="utf-8") as file:
        return file.read()


def alerts():
    """name -> expression."""
    found = re.findall(r"^ +- alert: (\w+)\n +expr: '(.*)'$", read("alerts.yml"), re.M)
    assert len(found) == read("alerts.yml").count("alert:"), "an alert is not written as this test reads them"
    return dict(found)


def dashboard():
    with open(DASHBOARD, encoding="utf-8") as file:
        return json.load(file)


def panels():
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def dashboard_queries():
    """(title of the panel, expression)"""
    return [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]


def queries():
    return list(alerts().items()) + dashboard_queries()


def selectors(expression):
    """(metric, [(label, operator, value)]) for each selector in it."""
    return [(name, MATCHER.findall(inside or "")) for name, inside in SELECTOR.findall(expression)]


def routes():
    """As the router writes them, from the contract."""
    with open(os.path.join(harness.SOURCE_DIR, "docs", "openapi.yaml"), encoding="utf-8") as file:
        return re.findall(r"^  (/\S*):$", file.read().split("\npaths:\n")[1], re.M)


class QueriesTest(unittest.TestCase):
    longMessage = True

    def setUp(self):
        self.metrics = {"up": set()}
        for name, (kind, labels) in metrics_test.documented(cluster=True).items():
            if kind == "histogram":
                self.metrics[name + "_bucket"] = labels | {"le"}
                self.metrics[name + "_sum"] = self.metrics[name + "_count"] = labels
            else:
                self.metrics[name] = labels

    def test_there_are_queries_of_both(self):
        self.assertGreater(len(alerts()), 15)
        self.assertGreater(len(dashboard_queries()), 40)
        for title, expression in queries():
            self.assertTrue(selectors(expression), f"{title}: {expression}")

    def test_metrics_and_labels_exist(self):
        for title, expression in queries():
            with self.subTest(title, expression=expression):
                known = set(OF_THE_SCRAPE)
                for name, matchers in selectors(expression):
                    self.assertIn(name, self.metrics)
                    known |= self.metrics[name]
                    self.assertLessEqual({label for label, _, _ in matchers}, self.metrics[name] | OF_THE_SCRAPE)
                for group in GROUPING.findall(expression):
                    self.assertLessEqual({label.strip() for label in group.split(",") if label.strip()}, known)

    def test_routes_exist(self):
        known = routes()
        self.assertIn("/collections/{name}/search", known)
        for title, expression in queries():
            for _, matchers in selectors(expression):
                for label, operator, value in matchers:
                    if label != "route":
                        continue
                    for alternative in re.split(r"\|(?![^(]*\))", value):
                        pattern = re.escape(alternative) if operator in ("=", "!=") else alternative.replace("{", r"\{")
                        self.assertTrue([r for r in known if re.fullmatch(pattern, r)], f"{title}: no route is {alternative}")

    def test_legends_name_labels_of_their_query(self):
        for panel in panels():
            for target in panel["targets"]:
                kept = OF_THE_SCRAPE | {label.strip() for group in GROUPING.findall(target["expr"]) for label in group.split(",")}
                self.assertLessEqual(set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])), kept, panel["title"])

    def test_every_subject_has_panels(self):
        rows = {panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"}
        self.assertEqual(rows, {"Traffic", "Errors", "Latency", "Shards", "Replication", "Membership and migrations", "Index",
                                "Memory and disk"})


class DashboardTest(unittest.TestCase):
    def test_panels_are_apart_and_have_ids_of_their_own(self):
        taken, ids = set(), set()
        for panel in dashboard()["panels"]:
            at = panel["gridPos"]
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells
            self.assertNotIn(panel["id"], ids)
            ids.add(panel["id"])

    def test_variables_are_defined(self):
        text = json.dumps(dashboard())
        used = set(re.findall(r"\$\{?([a-z_]+)\b", text))
        defined = {variable["name"] for variable in dashboard()["templating"]["list"]}
        self.assertEqual(used - {"__rate_interval"}, defined)


class RulesTest(unittest.TestCase):
    def promtool(self, *arguments):
        if not shutil.which("promtool"):
            self.skipTest("promtool is not installed")
        done = subprocess.run(["promtool", *arguments], cwd=MONITORING, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_configuration_and_rules_are_valid(self):
        self.promtool("check", "config", "prometheus.yml")

    def test_alerts_fire_as_their_tests_say(self):
        self.promtool("test", "rules", "alerts_test.yml")

    def test_every_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not(self):
        cases = re.findall(r"alertname: (\w+)\n +exp_alerts:( \[\])?", read("alerts_test.yml"))
        self.assertEqual({name for name, nothing in cases if not nothing}, set(alerts()))
        self.assertEqual({name for name, nothing in cases if nothing}, set(alerts()))

    def test_queries_of_the_dashboard_parse(self):
        lines = ["groups:", "  - name: dashboard", "    rules:"]
        for number, (_, expression) in enumerate(dashboard_queries()):
            expression = expression.replace("$__rate_interval", "1m")
            lines += [f"      - record: query:{number}", f"        expr: {json.dumps(expression)}"]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            file.write("\n".join(lines) + "\n")
            file.flush()
            self.promtool("check", "rules", file.name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
