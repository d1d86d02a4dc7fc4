#!/usr/bin/env python3
"""deploy/nginx on the real thing: nginx with the shipped file before three nodes of scripts/cluster-local.sh, while one of them is
killed, stopped, paused, cut off, and cut off from the other nodes only.

No read fails: while a shard is taken over, the nodes wait for its new primary. No write that was sent is sent to another node. Nor does
a write fail while all nodes are restarted one after the other.

Needs root: it runs in a network namespace of its own, where packets of one node can be dropped.
"""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import lab
from lab import call, fetch, say, until

OF_NODE_2 = 61002  # the group that node 2 runs with, so that its packets can be told from those of the others
SECONDS = float(os.environ.get("VECTORIZER_TEST_SECONDS", "12"))  # of each fault


def wrap_binary(home):
    """A program that runs node 2 with a group of its own."""
    path = os.path.join(home, "vectorizer")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\ncase "$*" in *node-2*) exec setpriv --regid {OF_NODE_2} --clear-groups {lab.harness.binary()} "$@" ;; esac\n'
                   f'exec {lab.harness.binary()} "$@"\n')
    os.chmod(path, 0o755)
    os.environ["VECTORIZER_BINARY"] = path


def drop(*rules):
    for rule in rules:
        subprocess.run(["iptables", "-I", *rule.split()], check=True)


def heal():
    subprocess.run(["iptables", "-F"], check=True)


class Nginx:
    def __init__(self, home, cluster):
        self.home, self.port = home, lab.free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = os.path.join(home, "access.log")
        with open(os.path.join(lab.ROOT, "deploy", "nginx", "vectorizer.conf"), encoding="utf-8") as file:
            text = file.read()
        for number in (1, 2, 3):
            address = f"192.168.1.{9 + number}:15002"
            assert text.count(address) == 3
            text = text.replace(address, cluster.url(number)[len("http://"):])
        text = text.replace("listen 80;", f"listen 127.0.0.1:{self.port};").replace("/var/log/nginx/vectorizer.log", self.log)
        with open(os.path.join(home, "vectorizer.conf"), "w", encoding="utf-8") as file:
            file.write(text)
        main = os.path.join(home, "nginx.conf")
        with open(main, "w", encoding="utf-8") as file:
            file.write(f"user root;\nworker_processes 2;\npid {home}/nginx.pid;\nerror_log {home}/error.log;\nevents {{}}\nhttp {{\n"
                       + "".join(f"  {kind}_temp_path {home}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
                       + f"  include {home}/vectorizer.conf;\n}}\n")
        checked = subprocess.run(["nginx", "-t", "-q", "-c", main], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        self.process = subprocess.Popen(["nginx", "-c", main, "-g", "daemon off;"])
        atexit.register(self.stop)
        until("nginx serves", lambda: call(self.url + "/health", timeout=2)[0] == 200)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def lines(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read().splitlines()


class Clients:
    """Threads that read or write through nginx until they are stopped."""

    def __init__(self, url):
        self.url = url + "/collections/docs"
        self.over = threading.Event()
        self.failed, self.slowest, self.reads = [], 0.0, 0
        self.writes = {}
        self.acknowledged = []  # ids
        self.mutex = threading.Lock()
        self.threads = [threading.Thread(target=self.read, args=(n,)) for n in range(4)] + [threading.Thread(target=self.write)]
        for thread in self.threads:
            thread.start()

    def read(self, number):
        vector = [number, 2, 3, 4]
        asks = [("/search", {"vector": vector, "limit": 3}), (f"/vectors/{number + 1}", None), ("/vectors/count", {}),
                ("/vectors/scroll", {"limit": 10}), ("/vectors/get", {"ids": [1, 2, 3]}),
                ("/search/batch", {"searches": [{"vector": vector, "limit": 2}]})]
        while not self.over.is_set():
            path, body = asks[self.reads % len(asks)]
            began = time.monotonic()
            status, _, text = call(self.url + path, body, timeout=60)
            took = time.monotonic() - began
            with self.mutex:
                self.reads += 1
                self.slowest = max(self.slowest, took)
                if status != 200:
                    self.failed.append(f"{path}: {status} after {took:.1f} s: {text[:300]}")
            self.over.wait(0.05)

    def write(self):
        number = 0
        while not self.over.is_set():
            number += 1
            status, _, _ = call(self.url + "/vectors", {"vectors": [{"id": 1000 + number, "vector": [number, 1, 1, 1]}]}, timeout=90)
            if status == 200:
                self.acknowledged.append(1000 + number)
            with self.mutex:
                self.writes[status] = self.writes.get(status, 0) + 1
            self.over.wait(0.1)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def restart_all(cluster):
    """One after the other, as an upgrade does it: the next one when all is in sync again."""
    for number in "123":
        cluster.script("stop", number)
        cluster.script("start", number)
        until(f"node {number} is back", lambda n=number: call(cluster.url(int(n), "/health/ready"), timeout=2)[0] == 200)
        until("green", cluster.green)


def during(what, cluster, nginx, fault, repair=None):
    until("green before the fault", cluster.green)
    clients = Clients(nginx.url)
    time.sleep(1)
    fault()
    if repair:
        time.sleep(SECONDS)  # for this long the fault lasts
        repair()
    until("green after the fault", lambda: cluster.green() and cluster.green(2), 120)
    clients.stop()
    assert not clients.failed, f"{what}: {len(clients.failed)} of {clients.reads} reads failed:\n" + "\n".join(clients.failed[:5])
    assert clients.reads > 50 and clients.writes.get(200, 0) > 0, (clients.reads, clients.writes)
    say(f"{what}: {clients.reads} reads, none failed; the slowest took {clients.slowest:.1f} s; writes by status {clients.writes}")
    if not repair:
        assert set(clients.writes) == {200}, clients.writes
    ids = clients.acknowledged
    for begin in range(0, len(ids), 1000):
        got = fetch(nginx.url + "/collections/docs/vectors/get", {"ids": ids[begin:begin + 1000]})
        assert len(got["vectors"]) == len(ids[begin:begin + 1000]), f"{what}: acknowledged and lost: {got.get('missing')}"


def check_no_write_was_sent_twice(nginx):
    writes = again = 0
    for line in nginx.lines():
        found = re.search(r"upstream=(.*) status=(.*) connect=(.*) time=.* kind=(\w+) ", line)
        if not found or not found[4].startswith("write"):
            continue
        writes += 1
        connects = found[3].split(", ")
        if len(connects) > 1:
            again += 1
            assert all(connect == "-" for connect in connects[:-1]), f"sent to two nodes: {line}"
    assert writes > 100 and again > 0, (writes, again)
    say(f"of {writes} writes none was sent to two nodes; {again} went to another node because the first could not be reached")


def check_limits(nginx):
    body = b'{"vectors": [' + b" " * (65 << 20) + b"]}"
    request = lab.urllib.request.Request(nginx.url + "/collections/docs/vectors", data=body)
    try:
        status = lab.urllib.request.urlopen(request, timeout=60).status
    except lab.urllib.error.HTTPError as problem:
        status = problem.code
    except OSError as problem:  # nginx answers and closes before all was sent
        status = 413 if "reset" in repr(problem).lower() or "pipe" in repr(problem).lower() else repr(problem)
    assert status == 413, status
    assert call(nginx.url + "/prometheus/metrics")[0] == call(nginx.url + "/metrics")[0] == 404
    say("bodies over 64 MiB are refused, metrics are not served")


def main():
    lab.need("nginx", "iptables", "unshare", "setpriv", "curl")
    lab.enter_network()
    home = tempfile.mkdtemp(prefix="vectorizer-nginx-")
    os.chmod(home, 0o755)
    atexit.register(shutil.rmtree, home, True)
    wrap_binary(home)
    cluster = lab.Cluster()
    nginx = Nginx(home, cluster)
    fetch(nginx.url + "/collections", {"name": "docs", "dimension": 4, "metric": "euclidean", "sharding": {"shard_count": 6}})
    fetch(nginx.url + "/collections/docs/vectors", {"vectors": [{"id": n, "vector": [n, n % 3, 1, 2]} for n in range(200)]})
    say("a collection is created and filled through nginx")

    rest, grpc = cluster.ports[1], cluster.ports[1] + 1
    during("restarted one after the other", cluster, nginx, lambda: restart_all(cluster))
    during("killed (kill -9)", cluster, nginx, lambda: cluster.script("kill", "2"), lambda: cluster.script("start", "2"))
    during("stopped (SIGTERM)", cluster, nginx, lambda: cluster.script("stop", "2"), lambda: cluster.script("start", "2"))
    during("paused (SIGSTOP)", cluster, nginx, lambda: cluster.script("pause", "2"), lambda: cluster.script("resume", "2"))
    during("cut off", cluster, nginx,
           lambda: drop(f"OUTPUT -m owner --gid-owner {OF_NODE_2} -j DROP", f"INPUT -p tcp --dport {rest} -j DROP",
                        f"INPUT -p tcp --dport {grpc} -j DROP"), heal)
    during("cut off from the other nodes, not from nginx", cluster, nginx,
           lambda: drop(f"OUTPUT -p tcp ! --sport {rest} -m owner --gid-owner {OF_NODE_2} -j DROP", f"INPUT -p tcp --dport {grpc} -j DROP"),
           heal)
    check_no_write_was_sent_twice(nginx)
    check_limits(nginx)
    lab.done()


if __name__ == "__main__":
    main()
