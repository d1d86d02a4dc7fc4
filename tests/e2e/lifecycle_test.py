"""Starting, refusing to start, draining and stopping, as an operator sees them."""

import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time

import harness

BAD_CONFIGURATION = 78  # EX_CONFIG of sysexits.h


class LifecycleTest(harness.ServerTest):
    def run_binary(self, *arguments, environment=None):
        home = self.make_server().home  # a scratch directory that goes with the test
        return subprocess.run([harness.binary(), *arguments], capture_output=True, text=True, timeout=60, cwd=home,
                              stdin=subprocess.DEVNULL, env=harness.clean_environment(**(environment or {})), check=False)

    def config_file(self, text):
        path = os.path.join(self.make_server().home, "vectorizer.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    # -- the command line ------------------------------------------------------------------------------------------

    def test_version(self):
        done = self.run_binary("--version")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"vectorizer \d+\.\d+\.\d+")

    def test_help_names_every_option(self):
        done = self.run_binary("--help")
        self.assertEqual(done.returncode, 0, done.stderr)
        for option in ("--config", "--host", "--port", "--data-dir", "--log-level", "--node-id", "--check-config", "--version"):
            self.assertIn(option, done.stdout)

    def test_check_config_prints_what_holds(self):
        path = self.config_file("server:\n  port: 16000\nlog:\n  level: debug\n")
        done = self.run_binary("--config", path, "--check-config", "--log-level", "warn",
                               environment={"VECTORIZER_SERVER_PORT": "16001"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"port: 16001")    # the environment beats the file
        self.assertRegex(done.stdout, r"level: \"?warn")  # a flag beats both

    def test_check_config_output_is_itself_a_configuration(self):
        first = self.run_binary("--check-config")
        self.assertEqual(first.returncode, 0, first.stderr)
        again = self.run_binary("--check-config", "--config", self.config_file(first.stdout))
        self.assertEqual((again.returncode, again.stdout), (0, first.stdout), again.stderr)

    def test_every_configuration_error_is_listed_at_once(self):
        path = self.config_file("server:\n  port: 70000\n  hots: localhost\nlog:\n  level: loud\nstorage:\n  sync: maybe\n")
        for extra in ((), ("--check-config",)):
            done = self.run_binary("--config", path, *extra)
            self.assertEqual(done.returncode, BAD_CONFIGURATION, done)
            for word in ("server.port", "server.hots", "log.level", "storage.sync"):
                self.assertIn(word, done.stderr)
            self.assertRegex(done.stderr, r"\b2\b")  # the line of server.port

    def test_a_missing_configuration_file(self):
        done = self.run_binary("--config", "/nowhere/vectorizer.yml")
        self.assertEqual(done.returncode, BAD_CONFIGURATION, done)
        self.assertIn("/nowhere/vectorizer.yml", done.stderr)

    def test_a_file_that_is_no_yaml(self):
        done = self.run_binary("--config", self.config_file("server: [1,\n"))
        self.assertEqual(done.returncode, BAD_CONFIGURATION, done)

    def test_a_bad_environment_variable_is_named(self):
        done = self.run_binary("--check-config", environment={"VECTORIZER_SERVER_PORT": "many"})
        self.assertEqual(done.returncode, BAD_CONFIGURATION, done)
        self.assertIn("VECTORIZER_SERVER_PORT", done.stderr)

    def test_a_service_link_of_kubernetes_is_no_setting(self):
        done = self.run_binary("--check-config", environment={"VECTORIZER_SERVER_PORT": "tcp://10.0.0.1:15002"})
        self.assertEqual(done.returncode, 0, done)

    def test_an_unknown_flag_is_refused(self):
        self.assertNotEqual(self.run_binary("--prot", "1").returncode, 0)

    # -- refusing to start -----------------------------------------------------------------------------------------

    def test_a_data_directory_that_is_in_use(self):
        first = self.start_server()
        second = self.run_binary("--port", str(harness.free_port()), "--data-dir", first.data_dir)
        self.assertNotIn(second.returncode, (0, BAD_CONFIGURATION), second.stderr)
        self.assertGreater(second.returncode, 0, "a signal ended it")
        self.assertIn(first.data_dir, second.stderr)
        self.expect(first.client().get("/health"))

    def test_a_port_that_is_in_use(self):
        first = self.start_server()
        second = self.run_binary("--port", str(first.port))
        self.assertGreater(second.returncode, 0, second)
        self.assertIn(str(first.port), second.stderr)
        self.expect(first.client().get("/health"))

    def test_a_data_directory_that_cannot_be_made(self):
        done = self.run_binary("--port", str(harness.free_port()), "--data-dir", "/proc/vectorizer/data")
        self.assertGreater(done.returncode, 0, done)
        self.assertIn("/proc/vectorizer/data", done.stderr)

    # -- running ---------------------------------------------------------------------------------------------------

    def test_port_0_takes_a_free_one_and_says_which(self):
        server = self.make_server()
        server.port = 0
        server.start(wait=False)
        deadline = time.monotonic() + harness.START_SECONDS
        found = None
        while found is None and time.monotonic() < deadline:
            self.assertTrue(server.running(), server.log())
            found = re.search(r"http://127\.0\.0\.1:(\d+)", server.log())
            time.sleep(0.02)
        self.assertIsNotNone(found, server.log())
        server.port = int(found.group(1))
        server.wait_ready()
        self.assertEqual(server.terminate(), 0)

    def test_it_listens_on_loopback_only_unless_told(self):
        server = self.start_server()
        with open("/proc/net/tcp", encoding="ascii") as table:
            listening = [line.split()[1] for line in table.readlines()[1:] if line.split()[3] == "0A"]
        mine = [address for address in listening if int(address.split(":")[1], 16) == server.port]
        self.assertTrue(mine)
        self.assertEqual({address.split(":")[0] for address in mine}, {"0100007F"})

    def test_it_takes_all_descriptors_that_it_may_have(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        for allowed, warned in ((min(hard, 16384), False), (3000, True)):
            server = self.make_server()
            soft = ["prlimit", f"--nofile=512:{allowed}"]
            with open(server.log_file, "wb") as log:
                server.process = subprocess.Popen(
                    soft + [harness.binary(), "--port", str(server.port), "--data-dir", server.data_dir], cwd=server.home,
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=harness.clean_environment())
            server.wait_ready()
            with open(f"/proc/{server.process.pid}/limits", encoding="ascii") as file:
                self.assertRegex(file.read(), rf"Max open files +{allowed} +{allowed} ")
            self.assertEqual("descriptors may be open" in server.log(), warned, server.log())

    def test_health_and_stats(self):
        client = self.start_server().client()
        health = self.expect(client.get("/health"))
        self.assertEqual(health["status"], "healthy")
        self.assertLessEqual({"version", "node_id", "uptime_seconds", "timestamp"}, health.keys())
        self.expect(client.get("/health/live"))
        self.expect(client.get("/health/ready"))
        self.assertEqual(self.expect(client.get("/"))["name"], "vectorizer")
        self.assertLessEqual({"collections", "vectors"}, self.expect(client.get("/stats")).keys())
        self.assertTrue(self.expect(client.get("/openapi.json"))["openapi"].startswith("3."))

    def test_logs_as_json(self):
        server = self.start_server(environment={"VECTORIZER_LOG_FORMAT": "json"})
        self.assertEqual(server.terminate(), 0)
        lines = [line for line in server.log().splitlines() if line and not line.startswith("--- ")]
        self.assertTrue(lines)
        for line in lines:
            self.assertIsInstance(json.loads(line), dict, line)

    # -- stopping --------------------------------------------------------------------------------------------------

    def test_sigterm_and_sigint_end_with_status_0(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.start_server()
            server.process.send_signal(number)
            self.assertEqual(server.wait(), 0, server.log())

    def test_sigterm_answers_what_it_has_begun(self):
        """Writers during a SIGTERM: each gets a whole answer or a closed connection; what was acknowledged is there."""
        server = self.start_server()
        client = server.client()
        self.expect(client.post("/collections", {"name": "c", "dimension": 2}), 201)
        acknowledged, problems = [], []
        begun = threading.Event()

        def write(first):
            writer = server.client(timeout=30)
            try:
                for i in range(first, first + 100000):
                    reply = writer.post("/collections/c/vectors", {"vectors": [{"id": i, "vector": [1, i]}]})
                    if reply.status == 200:
                        acknowledged.append(i)
                        begun.set()
                    elif reply.status == 503 and reply.json["error_type"] == "shutting_down":
                        return
                    else:
                        problems.append(repr(reply))
                        return
            except (OSError, http.client.HTTPException):
                pass

        threads = [threading.Thread(target=write, args=(n * 100000,)) for n in range(4)]
        for thread in threads:
            thread.start()
        self.assertTrue(begun.wait(30))
        status = server.terminate()
        for thread in threads:
            thread.join()
        self.assertEqual((status, problems), (0, []))

        server.start()
        client = server.client()
        self.assertGreaterEqual(self.expect(client.post("/collections/c/vectors/count", {}))["count"], len(acknowledged))
        for first in range(0, len(acknowledged), 1000):
            reply = self.expect(client.post("/collections/c/vectors/get", {"ids": acknowledged[first:first + 1000]}))
            self.assertEqual(reply["missing"], [])

    def test_a_second_sigterm_exits_at_once(self):
        """A body that never ends keeps the drain waiting; a second signal does not wait."""
        server = self.start_server()
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.sendall(b"POST /collections HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            self.expect(server.client().get("/health"))  # the slow request has been accepted before this one
            server.process.send_signal(signal.SIGTERM)
            started = time.monotonic()
            while server.running() and time.monotonic() - started < 10:
                server.process.send_signal(signal.SIGTERM)
                time.sleep(0.05)
            self.assertFalse(server.running(), f"still running after a second SIGTERM\n{server.log()}")

    def test_a_write_that_comes_again_after_a_restart_is_not_done_again(self):
        """Whether the process stopped or was killed before its client heard of it."""
        server = self.start_server()
        self.expect(server.client().post("/collections", {"name": "c", "dimension": 2, "sharding": {"shard_count": 3}}), 201)
        vectors = [{"id": i, "vector": [i, 1]} for i in range(20)]
        remove = {"ids": [3, 4, 99]}
        filtered = {"filter": {"must": [{"key": "old", "exists": True}]}}
        for run, stop in enumerate((server.terminate, server.kill)):
            client = server.client()
            key = lambda name, run=run: {"Idempotency-Key": f"{name}-{run}"}
            self.expect(client.post("/collections/c/vectors", {"vectors": vectors}, headers=key("insert")))
            self.assertEqual(self.expect(client.post("/collections/c/vectors/delete", remove, headers=key("delete")))["deleted"], 2)
            self.expect(client.post("/collections/c/vectors/delete", filtered, headers=key("filter")))
            self.expect(client.put("/collections/c/vectors/3", {"vector": [-3, -3]}))
            self.expect(client.put("/collections/c/vectors/7", {"vector": [-7, -7]}))
            stop()
            server.start()
            client = server.client()
            self.assertEqual(self.expect(client.post("/collections/c/vectors", {"vectors": vectors}, headers=key("insert")))["upserted"], 20)
            self.assertEqual(self.expect(client.post("/collections/c/vectors/delete", remove, headers=key("delete")))["deleted"], 2)
            for point, vector in ((3, [-3, -3]), (7, [-7, -7]), (8, [8, 1])):
                self.assertEqual(self.expect(client.get(f"/collections/c/vectors/{point}"))["vector"], vector)
            self.assertEqual(client.get("/collections/c/vectors/4").status, 404)
            for path, name, body in (("vectors", "insert", {"vectors": vectors[:19]}), ("vectors/delete", "delete", {"ids": [3, 4]}),
                                     ("vectors/delete", "filter", {"filter": {"must": [{"key": "new", "exists": True}]}})):
                reply = client.post(f"/collections/c/{path}", body, headers=key(name))
                self.expect_error(reply, 409, "conflict")
                self.assertEqual(reply.json["details"]["reason"], "mismatch")

    def test_data_survives_a_restart_and_index_is_saved(self):
        server = self.start_server(environment={"VECTORIZER_INDEX_GRAPH_THRESHOLD": "10"})
        client = server.client()
        self.expect(client.post("/collections", {"name": "c", "dimension": 2, "metric": "euclidean"}), 201)
        vectors = [{"id": i, "vector": [i, 0], "payload": {"i": i}} for i in range(500)]
        self.expect(client.post("/collections/c/vectors", {"vectors": vectors}))
        client.close()
        self.assertEqual(server.terminate(), 0)
        server.start()
        reply = self.expect(server.client().post("/collections/c/search", {"vector": [123, 0], "limit": 1}))
        self.assertEqual((reply["results"][0]["id"], reply["results"][0]["score"], reply["results"][0]["payload"]),
                         (123, 0, {"i": 123}))


if __name__ == "__main__":
    harness.main()
