#!/usr/bin/env python3
"""docker/ on a real Docker engine: the image, and both compose files. Three nodes go through kills, a crash, a pause, a cut network and
new addresses, while clients write and read; at the end tests/checker judges what they saw.

The last stage of docker/Dockerfile is built with the package of a finished build ($VECTORIZER_BUILD_DIR, or the release in
$VECTORIZER_TEST_RELEASE): its first stage, which compiles, is not run here. Needs an engine, docker-compose, and the ports
15002 to 15007; debian:bookworm-slim must be there or be had.
"""

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import lab
from lab import call, fetch, say, until
import cluster_harness  # noqa: E402  (lab knows where)
import cluster_workload  # noqa: E402
import harness  # noqa: E402

IMAGE = "ghcr.io/hivellm/vectorizer:latest"
PORTS = {"vectorizer-node1": 15002, "vectorizer-node2": 15004, "vectorizer-node3": 15006}
LIMIT = 150  # MB
GREEN_SECONDS = 180
DOCKER = os.path.join(lab.ROOT, "docker")


def run(*command, check=True, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0 or not check, f"{' '.join(command)}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout.strip()


def package(directory):
    made = os.environ.get("VECTORIZER_TEST_RELEASE")
    if not made:
        made = os.path.join(directory, "release")
        run(os.path.join(lab.ROOT, "deploy", "debian", "make-release"), os.environ["VECTORIZER_BUILD_DIR"], made)
    tarball, = [name for name in os.listdir(made) if name.endswith(".tar.gz")]
    os.makedirs(os.path.join(directory, "packages"))
    run("tar", "-xzf", os.path.join(made, tarball), "-C", os.path.join(directory, "packages"))


def last_stage():
    """The Dockerfile without the stage that compiles."""
    with open(os.path.join(DOCKER, "Dockerfile"), encoding="utf-8") as file:
        text = file.read()
    last = text[text.rindex("\nFROM ") + 1:].replace("COPY --from=build /packages/*.deb", "COPY packages/*.deb")
    assert "--from" not in last
    return re.search(r"^ARG BASE=.*$", text, re.M)[0] + "\n" + last


def build():
    directory = tempfile.mkdtemp(prefix="vectorizer-image-")
    atexit.register(shutil.rmtree, directory, True)
    package(directory)
    os.makedirs(os.path.join(directory, "docker"))
    shutil.copy(os.path.join(DOCKER, "config.yml"), os.path.join(directory, "docker"))
    with open(os.path.join(directory, "Dockerfile"), "w", encoding="utf-8") as file:
        file.write(last_stage())
    run("docker", "build", "-t", IMAGE, directory, env={**os.environ, "DOCKER_BUILDKIT": "0"})
    size = int(run("docker", "image", "inspect", "-f", "{{.Size}}", IMAGE)) / 1e6
    assert size < LIMIT, f"{size:.0f} MB"
    say(f"the image: {size:.0f} MB")


class Compose:
    def __init__(self, file):
        self.command = ["docker-compose", "-f", os.path.join(DOCKER, file), "-p", "vectorizer-test"]
        atexit.register(self.down)

    def __call__(self, *arguments, check=True):
        return run(*self.command, *arguments, check=check)

    def up(self, *arguments):
        self("up", "-d", "--no-build", *arguments)

    def down(self):
        self("down", "-v", "--timeout", "30", check=False)

    def container(self, service):
        return self("ps", "-q", service)


def inspect(container, what):
    return run("docker", "inspect", "-f", what, container)


def healthy(container):
    return inspect(container, "{{.State.Health.Status}}") == "healthy"


def check_single():
    compose = Compose("docker-compose.single.yml")
    compose.up()
    url = "http://127.0.0.1:15002"
    until("the node is ready", lambda: call(url + "/health/ready", timeout=2)[0] == 200)
    fetch(url + "/collections", {"name": "docs", "dimension": 2})
    fetch(url + "/collections/docs/vectors", {"vectors": [{"id": 1, "vector": [1, 2]}]})
    node = compose.container("vectorizer")
    assert run("docker", "exec", node, "id", "-u") == "990"
    until("Docker calls it healthy", lambda: healthy(node))
    say("one node: one command, user 990, healthy by its own health check")
    compose("stop")
    assert inspect(node, "{{.State.ExitCode}}") == "0", run("docker", "logs", "--tail", "20", node)
    say("SIGTERM ends it in order")
    compose.up("--force-recreate")
    until("the node is ready", lambda: call(url + "/health/ready", timeout=2)[0] == 200)
    assert fetch(url + "/collections/docs/vectors/count", {})["count"] == 1
    say("another container has the data of the volume")
    compose.down()


class Container:
    """A node as the workload of the end-to-end tests sees one."""

    def __init__(self, compose, service, port):
        self.compose, self.service, self.port, self.id = compose, service, port, service.replace("vectorizer-node", "node-")

    def client(self):
        return harness.Client(self.port)

    def answers(self):
        return True

    def log(self, lines):
        return self.compose("logs", "--no-color", "--tail", str(lines), self.service, check=False)

    @property
    def container(self):
        return self.compose.container(self.service)

    def address(self):
        return inspect(self.container, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")


class Cluster(cluster_harness.Cluster):
    def __init__(self, compose):  # pylint: disable=super-init-not-called
        self.nodes = [Container(compose, service, port) for service, port in PORTS.items()]

    def green(self, *nodes):
        """All of these say that the cluster is whole, and serve what they hold."""
        return all(self.status(node)["status"] == "green" and self.ask("/health/ready", node).status == 200 for node in nodes)

    def wait_green(self, seconds=GREEN_SECONDS, nodes=None):
        return self.until("the cluster is green", lambda: self.green(*(nodes or self.nodes)), seconds)


class Faults:
    """Each hurts the second node while clients go on, and ends with the command that heals it, at `healed`."""

    def __init__(self, compose, cluster, workload):
        self.compose, self.cluster, self.workload = compose, cluster, workload
        self.node = cluster.nodes[1]
        self.network, = re.findall(r"\S*vectorizer-cluster", run("docker", "network", "ls", "--format", "{{.Name}}"))
        self.holders = []
        self.healed = 0.0
        atexit.register(self.release)

    def release(self):
        if self.holders:
            run("docker", "rm", "-f", *self.holders, check=False)
        self.holders = []

    def heal(self, command, *arguments):
        self.healed = time.monotonic()
        command(*arguments)

    def hold_addresses(self, count):
        """Whatever comes next gets other addresses."""
        self.holders += [run("docker", "run", "-d", "--network", self.network, "--entrypoint", "sleep", IMAGE, "900") for _ in range(count)]

    def kill(self):
        run("docker", "kill", self.node.container)
        self.workload.progress(200)
        self.heal(run, "docker", "start", self.node.container)

    def crash(self):
        """Not by Docker: the restart policy starts it again."""
        container = self.node.container
        self.heal(os.kill, int(inspect(container, "{{.State.Pid}}")), 9)
        until("Docker starts it again", lambda: inspect(container, "{{.State.Running}} {{.RestartCount}}") == "true 1")

    def pause(self):
        run("docker", "pause", self.node.container)
        self.workload.progress(200)
        self.heal(run, "docker", "unpause", self.node.container)

    def disconnect(self):
        run("docker", "network", "disconnect", self.network, self.node.container)
        self.workload.progress(200)
        run("docker", "network", "connect", "--alias", self.node.service, self.network, self.node.container)
        # Docker gives the published port of the container back only to a new one.
        took = self.cluster.wait_green(nodes=[self.cluster.nodes[0], self.cluster.nodes[2]])
        say(f"docker network connect: green {took:.1f} s later")
        self.heal(self.compose.up, "--force-recreate", "--no-deps", self.node.service)

    def move(self):
        """The second node becomes a new container with another address; the others go on."""
        before = self.node.address()
        self.compose("rm", "-s", "-f", self.node.service)
        self.hold_addresses(1)
        self.workload.progress(200)
        self.heal(self.compose.up, self.node.service)
        assert self.node.address() != before, before

    def recreate(self):
        """All at once, with other addresses."""
        before = [node.address() for node in self.cluster.nodes]
        self.compose("stop")
        # What Docker's proxy takes for nobody has an unknown outcome; the checker can decide only about so many.
        self.workload.running.clear()
        states = [inspect(node.container, "{{.State.ExitCode}}") for node in self.cluster.nodes]
        assert states == ["0"] * 3, states
        self.compose("rm", "-f")
        self.hold_addresses(3)  # the lowest free ones, which are those that were just given up
        self.heal(self.compose.up)
        self.workload.running.set()
        assert not set(before) & {node.address() for node in self.cluster.nodes}, before


FAULTS = {"kill": "docker kill and start", "crash": "kill -9 of the process; Docker starts it again", "pause": "docker pause",
          "disconnect": "docker network disconnect", "move": "one container made again, with another address",
          "recreate": "all stopped (status 0) and made again, with other addresses"}


def check_cluster():
    compose = Compose("docker-compose.yml")
    os.environ["VECTORIZER_CLUSTER_SECRET"] = "of this test only"
    begin = time.monotonic()
    compose.up()
    cluster = Cluster(compose)
    cluster.wait_green()
    nodes = cluster.ask("/api/v1/cluster/nodes").json["nodes"]
    assert [node["status"] for node in nodes] == ["active"] * 3, nodes
    say(f"three nodes: one command, a cluster after {time.monotonic() - begin:.0f} s")
    until("Docker calls all healthy", lambda: all(healthy(node.container) for node in cluster.nodes))
    say("Docker calls all three healthy")
    test = cluster_harness.ClusterTest()
    workload = cluster_workload.Workload(test, cluster, harness.seed(), keys=64, factor=2).start()
    faults = Faults(compose, cluster, workload)
    try:
        for name, what in FAULTS.items():
            workload.new_epoch()
            workload.progress(40)
            getattr(faults, name)()
            cluster.wait_green()
            took = time.monotonic() - faults.healed
            workload.progress(40)
            say(f"{what}: writes go on, green {took:.1f} s after it ended")
        workload.finish()
    except BaseException:
        workload.abandon()
        raise
    cluster_workload.check_copies(test, cluster, "registers", "unique")
    say(f"{len(FAULTS)} faults: {workload.summary()}; all copies are equal")
    faults.release()
    compose.down()


def main():
    lab.need("docker", "docker-compose")
    if not (os.environ.get("VECTORIZER_TEST_RELEASE") or os.environ.get("VECTORIZER_BUILD_DIR")):
        sys.exit("set VECTORIZER_BUILD_DIR to a finished build")
    build()
    check_single()
    check_cluster()
    lab.done()


if __name__ == "__main__":
    main()
