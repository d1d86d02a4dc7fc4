"""A real daemon on a free port and a directory of its own, and a small JSON client for it.

The binary is $VECTORIZER_BINARY, else build/release/src/app/vectorizer. Nothing here sleeps to synchronise: a server is
started when /health/ready says so, and it has stopped when its process has been waited for.
"""

import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE_DIR = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_SECONDS = 60
STOP_SECONDS = 60


def binary():
    path = os.environ.get("VECTORIZER_BINARY") or os.path.join(SOURCE_DIR, "build/release/src/app/vectorizer")
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"no server binary at {path}: build the release preset, or set VECTORIZER_BINARY")
    return os.path.abspath(path)


def clean_environment(**extra):
    """The caller's environment without settings of the server that could leak into a test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VECTORIZER_")}
    kept.update(extra)
    return kept


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def seed():
    """A seed from $VECTORIZER_TEST_SEED, else a fresh one; always printed, so that a failure can be repeated."""
    value = int(os.environ.get("VECTORIZER_TEST_SEED") or random.SystemRandom().randrange(2**32))
    print(f"seed {value} (repeat with VECTORIZER_TEST_SEED={value})", flush=True)
    return value


class Reply:
    """Status, headers and parsed body of one exchange."""

    def __init__(self, status, headers, raw):
        self.status = status
        self.headers = headers
        self.raw = raw

    @property
    def json(self):
        return json.loads(self.raw)

    def __repr__(self):
        return f"HTTP {self.status}: {self.raw[:2000].decode('utf-8', 'replace')}"


class Client:
    """One keep-alive connection. Not thread-safe: each thread has its own."""

    def __init__(self, port, timeout=60):
        self.port = port
        self.timeout = timeout
        self._connection = None

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def request(self, method, path, body=None, headers=None):
        """Sends once; a connection error is the caller's to judge (the request may have been applied)."""
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            self._connection.request(method, path, body=body, headers=dict(headers or {}))
            response = self._connection.getresponse()
            raw = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if response.will_close:
            self.close()
        return Reply(response.status, response.headers, raw)

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def post(self, path, body=None, **kwargs):
        return self.request("POST", path, body, **kwargs)

    def put(self, path, body=None, **kwargs):
        return self.request("PUT", path, body, **kwargs)

    def patch(self, path, body=None, **kwargs):
        return self.request("PATCH", path, body, **kwargs)

    def delete(self, path, body=None, **kwargs):
        return self.request("DELETE", path, body, **kwargs)


class Server:
    """A daemon with its own directory; restartable on the same data."""

    def __init__(self, *arguments, environment=None):
        self.home = tempfile.mkdtemp(prefix="vectorizer-e2e-")
        self.data_dir = os.path.join(self.home, "data")
        self.log_file = os.path.join(self.home, "log")
        self.arguments = list(arguments)
        self.environment = environment or {}
        self.program = None  # another one than binary()
        self.port = free_port()
        self.process = None
        self._clients = []

    def start(self, wait=True):
        command = [self.program or binary(), "--port", str(self.port), "--data-dir", self.data_dir] + self.arguments
        with open(self.log_file, "ab") as log:
            log.write(f"--- {' '.join(command)}\n".encode())
            log.flush()
            self.process = subprocess.Popen(command, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=clean_environment(**self.environment))
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        deadline = time.monotonic() + START_SECONDS
        why = "nothing was answered"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server exited with status {self.process.returncode} while starting\n{self.log()}")
            client = Client(self.port, timeout=5)
            try:
                reply = client.get("/health/ready")
                if reply.status == 200:
                    return
                why = repr(reply)
            except (OSError, http.client.HTTPException) as problem:
                why = repr(problem)
            finally:
                client.close()
            time.sleep(0.02)
        raise AssertionError(f"the server was not ready after {START_SECONDS} s: {why}\n{self.log()}")

    def kill(self):
        """kill -9: the process gets no chance to save anything."""
        self.process.kill()
        self.process.wait()

    def terminate(self):
        """SIGTERM, and the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self):
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not stop within {STOP_SECONDS} s\n{self.log()}") from None

    def running(self):
        return self.process is not None and self.process.poll() is None

    def client(self, **kwargs):
        """A client that is closed with the server."""
        client = Client(self.port, **kwargs)
        self._clients.append(client)
        return client

    def log(self, lines=120):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-lines:])
        except OSError:
            return ""

    def discard(self):
        for client in self._clients:
            client.close()
        if self.running():
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)


class ServerTest(unittest.TestCase):
    """A test with servers that are discarded at its end; their logs are shown when it fails."""

    longMessage = True

    def setUp(self):
        self.servers = []
        self._problems_before = self._problem_count()

    def _problem_count(self):
        result = getattr(self._outcome, "result", None)
        return len(getattr(result, "failures", ())) + len(getattr(result, "errors", ()))

    def _failed(self):
        if self._problem_count() > self._problems_before:
            return True
        errors = getattr(self._outcome, "errors", None)  # Python 3.10 and before
        if errors is not None:
            return any(problem for _, problem in errors)
        return not getattr(self._outcome, "success", True)

    def tearDown(self):
        for server in self.servers:
            if self._failed():
                print(f"\n--- log of the server on port {server.port}\n{server.log()}--- end of log", file=sys.stderr, flush=True)
            server.discard()

    def make_server(self, *arguments, **kwargs):
        server = Server(*arguments, **kwargs)
        self.servers.append(server)
        return server

    def start_server(self, *arguments, **kwargs):
        return self.make_server(*arguments, **kwargs).start()

    def expect(self, reply, status=200):
        self.assertEqual(reply.status, status, repr(reply))
        return reply.json

    def expect_error(self, reply, status, error_type, field=None):
        """One shape for every error: rest-api's table of error types."""
        self.assertEqual(reply.status, status, repr(reply))
        body = reply.json
        self.assertEqual(body.get("error_type"), error_type, repr(reply))
        self.assertEqual(body.get("status_code"), status, repr(reply))
        self.assertTrue(body.get("message"), repr(reply))
        self.assertEqual(body.get("request_id"), reply.headers.get("X-Request-Id"), repr(reply))
        self.assertIn("details", body, repr(reply))
        if field is not None:
            self.assertEqual(body["details"].get("field"), field, repr(reply))
        return body


def random_vector(rng, dimension):
    """Small multiples of 1/8: they survive JSON and float32 unchanged, so that replies can be compared exactly."""
    while True:
        vector = [rng.randrange(-64, 65) / 8 for _ in range(dimension)]
        if any(vector):
            return vector


def main():
    unittest.main(verbosity=2)
