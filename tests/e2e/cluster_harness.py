"""Real nodes on 127.0.0.1 with the configuration of the deployment guide, and what is done to them: kill -9, SIGSTOP, wiped disks.

A node keeps its directory and ports over restarts. Nothing here sleeps to synchronise: `until` polls a condition and fails with what it
last saw.
"""

import http.client
import os
import shutil
import signal
import socket
import threading
import time

import cluster_links
import harness

FORM_SECONDS = 60
HEAL_SECONDS = 60


def free_ports(count):
    """Distinct free ports: all are held until the last one is found."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


class Node(harness.Server):
    """One member. `number` counts from 1, as in the guide."""

    def __init__(self, number, rest_port, grpc_port, environment=None):
        super().__init__(environment=environment)
        self.number = number
        self.id = f"node-{number}"
        self.address = "127.0.0.1"
        self.port = rest_port
        self.grpc_port = grpc_port
        self.paused = False

    def configure(self, members, extra=""):
        """Writes the guide's YAML with the addresses of `members`."""
        servers = "".join(f'    - id: "{m.id}"\n      address: "{m.address}"\n      grpc_port: {m.grpc_port}\n' for m in members)
        path = os.path.join(self.home, "config.yml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'server:\n  host: "127.0.0.1"\n  port: {self.port}\n\ncluster:\n  enabled: true\n  node_id: "{self.id}"\n'
                       f'  discovery: "static"\n  timeout_ms: 5000\n  retry_count: 3\n  insecure: true\n{extra}  servers:\n{servers}')
        self.arguments = ["--config", path]

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.paused = True

    def resume(self):
        self.process.send_signal(signal.SIGCONT)
        self.paused = False

    def kill(self):
        self.paused = False
        super().kill()

    def wipe(self):
        """A new disk. The process must have ended."""
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def answers(self):
        return self.running() and not self.paused


class Cluster:
    """With `links`, a proxy sits between the nodes, and `cluster.links` cuts it."""

    def __init__(self, test, size=3, environment=None, extra="", links=False):
        self.test, self.environment, self.extra = test, environment, extra
        self.nodes = []
        self.links = None
        self.add_nodes(size)
        if links:
            for node in self.nodes:
                node.address = f"127.0.1.{node.number}"
            self.extra += '  bind_host: "127.0.0.1"\n'
            self.links = cluster_links.Links({node.number: node.grpc_port for node in self.nodes})
            test.addCleanup(self.links.close)
        self.configure_all()

    def add_nodes(self, count):
        """New nodes, not yet configured or started."""
        ports = free_ports(2 * count)
        first = max((node.number for node in self.nodes), default=0) + 1
        new = [Node(first + i, ports[2 * i], ports[2 * i + 1], self.environment) for i in range(count)]
        self.nodes += new
        self.test.servers += new
        return new

    def configure_all(self):
        for node in self.nodes:
            node.configure(self.nodes, self.extra)

    def start(self):
        for node in self.nodes:
            node.start(wait=False)
        self.tell_pids()
        self.wait_ready()
        return self

    def tell_pids(self):
        """After every start: the links recognise the nodes by their processes."""
        if self.links is not None:
            self.links.tell(pids={node.number: node.process.pid for node in self.nodes if node.running()})

    def restart(self, *nodes):
        for node in nodes:
            node.start(wait=False)
        self.tell_pids()
        for node in nodes:
            node.wait_ready()

    def others(self, *without):
        return [node for node in self.nodes if node not in without]

    def wait_ready(self):
        for node in self.nodes:
            node.wait_ready()

    def node(self, node_id):
        return next(node for node in self.nodes if node.id == node_id)

    def some(self):
        """A node that answers."""
        return next(node for node in self.nodes if node.answers())

    def ask(self, path, node=None, timeout=10):
        client = harness.Client((node or self.some()).port, timeout=timeout)
        try:
            return client.get(path)
        finally:
            client.close()

    def until(self, what, condition, seconds=HEAL_SECONDS):
        """Waits until `condition()` is true; it may raise while things are broken. Returns the seconds that it took."""
        begin = time.monotonic()
        seen = None
        while time.monotonic() - begin < seconds:
            try:
                seen = condition()
                if seen:
                    return time.monotonic() - begin
            except (OSError, http.client.HTTPException, AssertionError, KeyError, ValueError, StopIteration) as problem:
                seen = repr(problem)
            time.sleep(0.05)
        raise AssertionError(f"{what}: not within {seconds} s; last seen: {seen}\n" + "".join(
            f"--- {node.id}\n{node.log(40)}" for node in self.nodes))

    def status(self, node=None):
        reply = self.ask("/api/v1/cluster/status", node)
        assert reply.status == 200, repr(reply)
        return reply.json

    def ready(self):
        """Every node that answers serves all that it holds: its primaries lead."""
        return all(self.ask("/health/ready", node).status == 200 for node in self.nodes if node.answers())

    def wait_green(self, seconds=HEAL_SECONDS):
        """For every node: one that lags still counts another as away that has come back."""
        return self.until("the cluster is green", lambda: self.ready() and all(
            self.status(node)["status"] == "green" for node in self.nodes if node.answers()), seconds)

    def shards(self, node=None):
        reply = self.ask("/api/v1/cluster/shard-distribution", node)
        assert reply.status == 200, repr(reply)
        return reply.json["shards"]

    def primary_of(self, collection):
        """The primary of the first shard of a collection."""
        return self.node(next(s["primary"] for s in self.shards() if s["collection"] == collection))

    def leader(self, node=None):
        reply = self.ask("/api/v1/cluster/leader", node)
        assert reply.status == 200, repr(reply)
        return self.node(reply.json["leader"])


class ClusterTest(harness.ServerTest):
    def start_cluster(self, size=3, **kwargs):
        return Cluster(self, size, **kwargs).start()

    def create(self, cluster, name="docs", dimension=8, node=None, **fields):
        client = (node or cluster.some()).client()
        body = {"name": name, "dimension": dimension, "metric": "euclidean", "sharding": {"shard_count": 6}}
        body.update(fields)
        return self.expect(client.post("/collections", body), 201)


def in_threads(functions):
    """Runs all at once and raises the first problem of any."""
    problems = []

    def guarded(function):
        try:
            function()
        except BaseException as problem:  # pylint: disable=broad-except
            problems.append(problem)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
