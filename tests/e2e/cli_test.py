"""The command line for people against a real node and a real cluster: screens, exit statuses, a terminal, and completion in bash."""

import fcntl
import http.server
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import threading
import time

import cluster_harness
import harness

DONE, FAILED, DEGRADED, REFUSED, NOT_FOUND, USAGE, UNREACHABLE, TRY_LATER = 0, 1, 3, 4, 5, 64, 69, 75
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


class CommandTest(harness.ServerTest):
    url = "http://127.0.0.1:1"

    def run_command(self, *arguments, status=DONE, stdin="", **environment):
        done = subprocess.run([harness.binary(), *arguments], capture_output=True, text=True, timeout=60, input=stdin, check=False,
                              env=harness.clean_environment(**{"VECTORIZER_URL": self.url, **environment}))
        self.assertEqual(done.returncode, status, f"{arguments}\n{done.stdout}{done.stderr}")
        return done

    def shown(self, *arguments, **kwargs):
        return self.run_command(*arguments, **kwargs).stdout

    def answer(self, *arguments, **kwargs):
        return json.loads(self.shown(*arguments, "--json", **kwargs))

    def refused(self, *arguments, status, **kwargs):
        """The only line of stderr, or the two of wrong usage."""
        done = self.run_command(*arguments, status=status, **kwargs)
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 2 if "Try '" in done.stderr else 1, done.stderr)
        self.assertTrue(lines[0].startswith("vectorizer "), lines[0])
        return lines[0]

    def on_terminal(self, *arguments, width, keys=b"", **environment):
        """Runs on a pseudo-terminal; exit status and everything that it showed."""
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        variables = harness.clean_environment(**{"VECTORIZER_URL": self.url, "TERM": "xterm", **environment})
        process = subprocess.Popen([harness.binary(), *arguments], stdin=follower, stdout=follower, stderr=follower, env=variables)
        os.close(follower)
        os.write(leader, keys)
        shown, deadline = b"", time.monotonic() + 60
        while time.monotonic() < deadline:
            if not select.select([leader], [], [], 1)[0]:
                continue
            try:
                part = os.read(leader, 65536)
            except OSError:  # the last follower is closed
                break
            if not part:
                break
            shown += part
        os.close(leader)
        return process.wait(10), shown.decode().replace("\r\n", "\n")


class SingleNodeTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.server = self.start_server()
        self.client = self.server.client()
        self.url = f"http://127.0.0.1:{self.server.port}"

    def fill(self):
        self.run_command("collections", "create", "docs", "--dimension", "2", "--metric", "euclidean", "--shards", "2")
        points = [{"id": i, "vector": [i, 0], "payload": {"n": i, "name": "ナマコ" * 40}} for i in range(20)]
        points.append({"id": "7", "vector": [100, 0], "payload": {"name": "\x1b[31mred\nline"}})
        self.expect(self.client.post("/collections/docs/vectors", {"vectors": points}))

    def test_collections(self):
        self.assertEqual(self.shown("collections", "list"), "no collections\n")
        self.fill()
        listed = self.shown("collections", "list")
        self.assertRegex(listed, r"COLLECTION +STATUS +DIMENSION +METRIC +VECTORS")
        self.assertRegex(listed, r"docs +green +2 +euclidean +21 ")
        self.assertNotIn("\x1b", listed)
        self.assertRegex(self.shown("collections", "show", "docs"), r"shards +2, 2 active, 0 under-replicated")
        self.assertEqual(self.answer("collections", "show", "docs"), self.expect(self.client.get("/collections/docs")))
        self.assertIn("collection_already_exists: ", self.refused("collections", "create", "docs", "--dimension", "2", status=REFUSED))
        self.assertIn("collection_not_found: ", self.refused("collections", "show", "none", status=NOT_FOUND))
        self.assertEqual(self.answer("collections", "show", "none", status=NOT_FOUND)["error_type"], "collection_not_found")
        self.assertIn("add --yes", self.refused("collections", "delete", "docs", status=USAGE))
        self.assertIn("collection docs is deleted", self.shown("collections", "delete", "docs", "--yes"))
        self.refused("collections", "delete", "docs", "--yes", status=NOT_FOUND)

    def test_search(self):
        self.fill()
        path = os.path.join(self.server.home, "vector")
        with open(path, "w", encoding="utf-8") as file:
            file.write("3.2\n0\n")
        for query in (["--vector", "[3.2, 0]"], ["--vector", "3.2,0"], ["--vector-file", path], ["--vector-file", "-"]):
            found = self.answer("search", "-c", "docs", "-n", "2", *query, stdin="3.2 0")
            self.assertEqual([hit["id"] for hit in found["results"]], [3, 4])
        found = self.answer("search", "-c", "docs", "--id", "3", "--filter", '{"must": [{"key": "n", "range": {"gt": 1}}]}', "-n", "2")
        self.assertEqual({hit["id"] for hit in found["results"]}, {2, 4})
        self.assertEqual(self.answer("search", "-c", "docs", "--id", '"7"', "-n", "1")["results"][0]["id"], 19)
        shown = self.shown("search", "-c", "docs", "--vector", "100,0", "-n", "1")
        self.assertRegex(shown, r'1 +"7" +0 +\{"name":')
        self.assertNotIn("\x1b", shown)
        self.assertIn("vector_not_found", self.refused("search", "-c", "docs", "--id", "400", status=NOT_FOUND))
        self.assertIn("dimension_mismatch", self.refused("search", "-c", "docs", "--vector", "1,2,3", status=REFUSED))

    def test_wrong_usage_names_the_option(self):
        search = ["search", "-c", "docs"]
        for arguments, words in (
                ([*search, "--vector", "1,x"], "--vector: 'x' at position 1"), ([*search, "--vector", "nan"], "--vector"),
                ([*search, "--vector", "[1"], "--vector: one of the brackets"), ([*search, "--vector-file", "/none"], "--vector-file: /none"),
                ([*search, "--vector-file", "-"], "--vector-file: -: there is no number"), (search, "[--vector,--vector-file,--id] is required"),
                ([*search, "--vector", "1", "--limit", "0"], "--limit"), ([*search, "--vector", "1", "--filter", "{"], "--filter: a filter is"),
                ([*search, "--vector", "1", "--consistency", "all"], "--consistency"), (["search", "--vector", "1"], "--collection"),
                ([*search, "--id", ""], "--id"), (["collections", "create", "a/b", "--dimension", "2"], "name: a collection's name"),
                (["collections", "create", "a", "--dimension", "0"], "--dimension"), (["collections", "create", "a"], "--dimension"),
                (["collections", "create", "a", "--dimension", "2", "--metric", "manhattan"], "--metric"), (["collections"], "subcommand"),
                (["cluster", "add", "n", "host"], "'host' is not HOST:PORT"), (["cluster", "add", "n", "::1:5"], "HOST:PORT"),
                (["cluster", "nodes", "../x"], "node: a node's id"), (["cluster", "frobnicate"], "frobnicate"),
                (["snapshot", "verify", ".x"], "name: a snapshot's name"), (["snapshot", "create", "--wait", "-1"], "--wait"),
                (["health", "--timeout", "soon"], "--timeout"), (["health", "--url", "https://x"], "--url"),
                (["completion", "tcsh"], "shell")):
            with self.subTest(arguments=arguments):
                self.assertIn(words, self.refused(*arguments, status=USAGE))
        self.url = "ftp://x"
        self.assertIn("'ftp://x' is not a server's URL", self.refused("health", status=USAGE))

    def test_snapshots(self):
        self.fill()
        self.assertEqual(self.shown("snapshot", "list"), "no snapshots\n")
        self.assertRegex(self.shown("snapshot", "create", "--name", "monday"), r"status +complete")
        self.assertRegex(self.shown("snapshot", "list"), r"monday +complete +\d{4}-")
        self.assertEqual(self.answer("snapshot", "verify", "monday")["status"], "complete")
        path = self.answer("snapshot", "show", "monday")["nodes"][0]["path"]
        damaged = max((os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names if name.endswith(".sst")),
                      key=os.path.getsize)
        with open(damaged, "r+b") as file:
            file.seek(40)
            file.write(b"damage")
        self.assertRegex(self.shown("snapshot", "verify", "monday", status=DEGRADED), r"status +damaged")
        self.assertIn("add --yes", self.refused("snapshot", "delete", "monday", status=USAGE))
        self.assertEqual(self.shown("snapshot", "delete", "monday", "--yes"), "snapshot monday is deleted\n")
        self.refused("snapshot", "verify", "monday", status=NOT_FOUND)

    def test_a_terminal_has_colour_and_a_width(self):
        self.fill()
        for width in (30, 60, 100):
            status, shown = self.on_terminal("search", "-c", "docs", "--vector", "3,0", width=width)
            self.assertEqual(status, DONE, shown)
            self.assertIn("…", shown)
            for line in ESCAPE.sub("", shown).splitlines():
                columns = sum(2 if "ァ" <= c <= "ヿ" else 1 for c in line)
                self.assertLessEqual(columns, width, line)
        self.assertIn("\x1b[32mgreen\x1b[0m", self.on_terminal("cluster", "status", width=80)[1])
        for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            status, shown = self.on_terminal("cluster", "status", width=80, **variables)
            self.assertEqual((status, "\x1b" in shown), (DONE, False), shown)

    def test_a_terminal_is_asked_before_something_is_lost(self):
        self.fill()
        status, shown = self.on_terminal("collections", "delete", "docs", width=80, keys=b"n\n")
        self.assertEqual(status, FAILED)
        self.assertIn("Delete collection docs with its 21 vectors? [y/N]", shown)
        self.expect(self.client.get("/collections/docs"))
        status, shown = self.on_terminal("collections", "delete", "docs", width=80, keys=b"y\n")
        self.assertEqual(status, DONE, shown)
        self.assertEqual(self.client.get("/collections/docs").status, 404)

    def test_health(self):
        self.assertEqual(self.shown("health"), f"{self.url}: ready\n")
        self.assertEqual(self.shown("health", "--url", self.url + "/", VECTORIZER_URL="http://127.0.0.1:1"), f"{self.url}/: ready\n")
        self.server.kill()
        for arguments in (["health"], ["cluster", "status"], ["collections", "list"], ["search", "-c", "docs", "--vector", "1"]):
            self.assertIn("cannot connect to " + self.url, self.refused(*arguments, status=UNREACHABLE))


class OtherServersTest(CommandTest):
    """Answers that a vectorizer does not give."""

    def serve(self, status, body, delay=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                if delay is not None:
                    delay.wait(30)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format, *args):  # pylint: disable=redefined-builtin
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *_: None  # a client that did not wait
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}"

    def test_what_is_no_vectorizer(self):
        for status, body, expected, words in ((200, b"<html>\x1b[31m", FAILED, "something else than JSON"), (200, b"[1]", FAILED, "JSON"),
                                              (404, b"no", NOT_FOUND, "HTTP 404: no"), (302, b"", FAILED, "HTTP 302"),
                                              (500, b"oops", FAILED, "HTTP 500: oops"), (503, b"later", TRY_LATER, "HTTP 503: later")):
            with self.subTest(status=status, body=body):
                self.serve(status, body)
                line = self.refused("cluster", "nodes", status=expected)
                self.assertIn(words, line)
                self.assertNotIn("\x1b", line)

    def test_errors_and_missing_members(self):
        error = {"error_type": "no_leader", "message": "no node leads", "details": {"field": "limit"}, "status_code": 503}
        self.serve(503, json.dumps(error).encode())
        self.assertEqual(self.refused("cluster", "status", status=TRY_LATER),
                         "vectorizer cluster status: no_leader: no node leads [limit] (HTTP 503)")
        self.assertEqual(self.shown("health", status=DEGRADED), f"{self.url}: not ready: no node leads\n")
        self.serve(200, b"{}")
        for arguments in (["cluster", "nodes"], ["cluster", "shards"], ["cluster", "migrations"], ["collections", "list"], ["snapshot", "list"]):
            self.run_command(*arguments)

    def test_an_answer_that_does_not_come_or_does_not_end(self):
        answered = threading.Event()
        self.addCleanup(answered.set)
        self.serve(200, b"{}", delay=answered)
        self.assertIn("no reply from", self.refused("cluster", "status", "--timeout", "0.2", status=UNREACHABLE))
        self.serve(200, b" " * ((64 << 20) + 1))
        self.assertIn("larger than", self.refused("collections", "list", status=FAILED))


class CompletionTest(CommandTest):
    def complete(self, *words):
        script = self.shown("completion", "bash")
        quoted = " ".join(f"'{word}'" for word in words)
        ask = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _vectorizer; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        done = subprocess.run(["bash", "--norc", "-uc", script + ask], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_bash(self):
        commands = self.complete("vectorizer", "")
        for command in ("cluster", "collections", "search", "snapshot", "import", "export", "restore", "health", "completion"):
            self.assertIn(command, commands)
        self.assertEqual(self.complete("vectorizer", "cl"), ["cluster"])
        self.assertEqual(self.complete("vectorizer", "cluster", "re"), ["rebalance", "remove"])
        self.assertEqual(self.complete("vectorizer", "cluster", "remove", "node-1", "--f"), ["--force"])
        self.assertEqual(self.complete("vectorizer", "collections", "create", "x", "--metric", ""), ["cosine", "euclidean", "dot"])
        self.assertEqual(self.complete("vectorizer", "collections", "create", "x", "--metric", "=", "e"), ["euclidean"])
        self.assertEqual(self.complete("vectorizer", "search", "--vector-f"), ["--vector-file"])
        self.assertEqual(self.complete("vectorizer", "export", "--format", "f"), ["fvecs"])
        self.assertEqual(self.complete("vectorizer", "--da"), ["--data-dir"])

    def test_fish(self):
        if shutil.which("fish") is None:
            self.skipTest("fish is not installed")
        script = self.shown("completion", "fish")
        for line, words in (("vectorizer cl", ["cluster"]), ("vectorizer cluster re", ["rebalance", "remove"]),
                            ("vectorizer cluster remove n --f", ["--force"]), ("vectorizer search --vector-f", ["--vector-file"]),
                            ("vectorizer collections create x --metric ", ["cosine", "dot", "euclidean"])):
            done = subprocess.run(["fish", "--no-config", "-c", f"{script}\ncomplete -C '{line}'"], capture_output=True, text=True,
                                  timeout=30, check=True)
            self.assertEqual([shown.split("\t")[0] for shown in done.stdout.splitlines()], words, done.stderr)

    def test_zsh(self):
        if shutil.which("zsh") is None:
            self.skipTest("zsh is not installed")
        # compadd and _describe work inside of the line editor only; what they would get is what counts.
        around = ("compdef() { : }; compadd() { shift; print -l -- $@ }; _files() { print files }; "
                  "_describe() { print -l -- ${found%%:*} }\n" + self.shown("completion", "zsh"))
        for line, words in ((["cluster", "remove", "n", "--f"], "--force"), (["collections", "create", "x", "--metric", ""], "euclidean"),
                            (["search", "--vector-file", ""], "files"), (["snapshot", ""], "verify")):
            ask = f"\nwords=(vectorizer {' '.join(repr(word) for word in line)}); CURRENT=$#words; _vectorizer"
            done = subprocess.run(["zsh", "-f", "-c", around + ask], capture_output=True, text=True, timeout=30, check=True)
            self.assertIn(words, done.stdout.split(), done.stderr)

    def test_every_subcommand_and_long_option_of_the_help_is_in_every_script(self):
        scripts = {shell: self.shown("completion", shell) for shell in ("bash", "zsh", "fish")}
        for command in (["cluster", "add"], ["collections", "create"], ["search"], ["snapshot", "verify"], ["import"], ["health"]):
            for option in re.findall(r"--([a-z-]+)", self.shown(*command, "--help")):
                for shell, script in scripts.items():
                    self.assertIn(f"-l {option}" if shell == "fish" else f"--{option}", script, (shell, command))


class ClusterCommandTest(CommandTest, cluster_harness.ClusterTest):
    def test_three_nodes(self):
        cluster = self.start_cluster()
        self.url = f"http://127.0.0.1:{cluster.nodes[0].port}"
        cluster.wait_green()
        self.run_command("collections", "create", "docs", "--dimension", "2", "--shards", "6")
        cluster.wait_green()
        self.assertRegex(self.shown("cluster", "status"), r"status +green\nnodes +3 of 3 active\nleader +node-\d")
        nodes = self.shown("cluster", "nodes").splitlines()
        self.assertEqual(len(nodes), 4)
        for number in (1, 2, 3):
            self.assertRegex(nodes[number], rf"node-{number} +active +(leader|follower) +127\.0\.0\.1:\d+ ")
        self.assertRegex(self.shown("cluster", "nodes", "node-2"), r"copies of +\d")
        self.assertIn("node_not_found", self.refused("cluster", "nodes", "node-9", status=NOT_FOUND))
        self.assertEqual(len(self.shown("cluster", "shards", "--collection", "docs").splitlines()), 7)
        self.assertEqual(self.shown("cluster", "shards", "--collection", "other"), "no shards\n")
        self.assertEqual(self.answer("cluster", "shards"), cluster.ask("/api/v1/cluster/shard-distribution").json)
        self.assertIn("nothing moves", self.shown("cluster", "rebalance", "--dry-run"))
        self.assertEqual(self.shown("cluster", "migrations"), "no migrations\n")
        self.assertIn("add --yes", self.refused("cluster", "remove", "node-3", status=USAGE))
        self.assertIn("node_already_exists", self.refused("cluster", "add", "node-3", "127.0.0.1:9", status=REFUSED))
        self.run_command("snapshot", "create", "--name", "all")
        self.assertRegex(self.shown("snapshot", "verify", "all"), r"node-3 +complete")

        leader = cluster.leader()
        cluster.others(leader)[-1].kill()
        self.url = f"http://127.0.0.1:{leader.port}"
        cluster.until("a node is missed", lambda: cluster.status(leader)["active_nodes"] == 2)
        self.assertRegex(self.shown("cluster", "status", status=DEGRADED), r"status +(yellow|red)\nnodes +2 of 3 active")
        shown = self.on_terminal("cluster", "nodes", width=50)[1]
        self.assertIn("\x1b[31munhealthy\x1b[0m", shown)
        self.assertTrue(all(len(line) <= 50 for line in ESCAPE.sub("", shown).splitlines()), shown)


if __name__ == "__main__":
    harness.main()
