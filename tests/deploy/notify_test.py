"""The protocol of systemd's Type=notify, spoken by this test: READY=1 once requests are served, WATCHDOG=1 only while they are,
STOPPING=1 when the server drains; nothing without $NOTIFY_SOCKET."""

import ctypes
import os
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import harness  # noqa: E402

WATCHDOG_SECONDS = 0.9
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request} of {thread}")


class FrozenThreads:
    """The threads of a process that have a name stand still; the others go on."""

    def __init__(self, pid, name):
        self.threads = []
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8") as file:
                if file.read().strip() == name:
                    self.threads.append(int(thread))
        for thread in self.threads:
            ptrace(PTRACE_SEIZE, thread)
            ptrace(PTRACE_INTERRUPT, thread)
            os.waitpid(thread, WALL)

    def release(self):
        for thread in self.threads:
            ptrace(PTRACE_DETACH, thread)
        self.threads = []


class NotifyTest(harness.ServerTest):
    def setUp(self):
        super().setUp()
        self.supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.supervisor.close)

    def start(self, watchdog=None, *arguments):
        server = self.make_server(*arguments)
        path = os.path.join(server.home, "notify")
        self.supervisor.bind(path)
        server.environment = {"NOTIFY_SOCKET": path}
        if watchdog:
            server.environment["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        return server.start(wait=False)

    def heard(self, seconds=harness.START_SECONDS):
        """The next message, or None."""
        self.supervisor.settimeout(seconds)
        try:
            return self.supervisor.recv(4096).decode()
        except TimeoutError:
            return None

    def drain(self):
        self.supervisor.setblocking(False)
        try:
            while True:
                self.supervisor.recv(4096)
        except BlockingIOError:
            pass

    def test_ready_means_that_requests_are_served_and_stopping_that_no_more_are(self):
        server = self.start()
        self.assertIn("READY=1", self.heard().split("\n"))
        self.assertEqual(server.client().get("/health/live").status, 200)
        server.process.send_signal(signal.SIGTERM)
        self.assertIn("STOPPING=1", self.heard().split("\n"))
        self.assertEqual(server.wait(), 0)

    def test_without_a_watchdog_there_is_no_sign_of_life(self):
        self.start()
        self.assertIn("READY=1", self.heard())
        self.assertIsNone(self.heard(1))

    def test_a_server_that_cannot_start_is_never_ready(self):
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        server = self.start(None, "--port", str(taken.getsockname()[1]))
        self.assertNotEqual(server.process.wait(harness.START_SECONDS), 0)
        self.assertIsNone(self.heard(0.1))

    def test_signs_of_life_end_while_no_connection_is_served(self):
        server = self.start(WATCHDOG_SECONDS)
        self.assertIn("READY=1", self.heard())
        for _ in range(3):
            self.assertEqual(self.heard(), "WATCHDOG=1")
        frozen = FrozenThreads(server.process.pid, "http-io")
        self.assertTrue(frozen.threads)
        try:
            # One round may have been answered before; the kernel goes on to accept connections for the process.
            self.drain()
            self.heard(WATCHDOG_SECONDS)
            self.assertIsNone(self.heard(3 * WATCHDOG_SECONDS))
        finally:
            frozen.release()
        self.assertEqual(self.heard(), "WATCHDOG=1")
        self.assertIn("does not answer on its own port", server.log())

    def test_a_server_with_too_many_connections_is_alive(self):
        path = os.path.join(self.make_server().home, "config.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("server:\n  max_connections: 1\n")
        server = self.start(WATCHDOG_SECONDS, "--config", path)
        self.assertIn("READY=1", self.heard())
        holders = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
        time.sleep(WATCHDOG_SECONDS)  # rounds that began before are over
        self.drain()
        try:
            for _ in range(3):
                self.assertEqual(self.heard(), "WATCHDOG=1")
        finally:
            for holder in holders:
                holder.close()


if __name__ == "__main__":
    harness.main()
