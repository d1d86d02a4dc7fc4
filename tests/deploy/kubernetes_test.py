#!/usr/bin/env python3
"""deploy/kubernetes asked of a real API server, and run as three pods: one is deleted, one moves to another address, all are restarted one
by one, while clients write and read, and tests/checker judges what they saw; a fourth comes and goes.

$KUBECONFIG names the cluster. Without $VECTORIZER_TEST_PODS=1 nothing is created (--dry-run=server); with it the machine must reach the
addresses of pods, and the image must be there. $VECTORIZER_TEST_PATCH is a further kustomize patch for the pods, such as for a kubelet
without seccomp.
"""

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

import lab
from lab import say, until
import cluster_harness  # noqa: E402  (lab knows where)
import cluster_workload  # noqa: E402
import harness  # noqa: E402

HERE = os.path.join(lab.ROOT, "deploy", "kubernetes")
NAMESPACE = "vectorizer-test"
IMAGE = "ghcr.io/hivellm/vectorizer:latest"
PODS = [f"vectorizer-cluster-{number}" for number in range(3)]
GREEN_SECONDS = 240


def kubectl(*arguments, check=True, text=None):
    done = subprocess.run(["kubectl", *arguments], capture_output=True, text=True, check=False, input=text, timeout=600)
    assert done.returncode == 0 or not check, f"kubectl {' '.join(arguments)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout.strip()


def rendered(folder):
    return kubectl("kustomize", os.path.join(HERE, folder))


def with_old_policy(folder):
    """The manifests of a folder for a server before 1.21."""
    work = tempfile.mkdtemp(prefix="kustomize-", dir=HERE)
    try:
        patch = os.environ.get("VECTORIZER_TEST_PATCH")
        with open(os.path.join(work, "kustomization.yaml"), "w", encoding="utf-8") as file:
            file.write(f"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../{folder}]\n")
            file.write("" if has_policy_v1() else "components: [../components/kubernetes-1.20]\n")
            file.write(f"patches: [{{path: {json.dumps(patch)}}}]\n" if patch else "")
        return kubectl("kustomize", "--load-restrictor=LoadRestrictionsNone", work)
    finally:
        shutil.rmtree(work)


def has_policy_v1():
    return "policy/v1" in kubectl("api-versions").split()


def check_one_file():
    with open(os.path.join(HERE, "vectorizer-cluster.yaml"), encoding="utf-8") as file:
        text = file.read()
    first, rest = text.split("\n", 1)
    assert rest.strip() == rendered("base"), f"vectorizer-cluster.yaml is stale: {first}"
    say("vectorizer-cluster.yaml is what kustomize makes of the base")


def check_accepted():
    until("an earlier test is gone", lambda: kubectl("create", "namespace", NAMESPACE, check=False), 180)
    for folder in ("base", "overlays/production"):
        said = kubectl("apply", "-n", NAMESPACE, "--dry-run=server", "-f", "-", text=with_old_policy(folder))
        assert all(line.endswith("(server dry run)") for line in said.splitlines()), said
        say(f"{folder}: the API server accepts {len(said.splitlines())} objects")
    if not has_policy_v1():
        kubectl("apply", "-n", NAMESPACE, "--dry-run=server", "-f", "-", text=rendered("overlays/kubernetes-1.20"))
        say("overlays/kubernetes-1.20: accepted as it is")
    wrong = with_old_policy("base").replace("podManagementPolicy: Parallel", "podManagementPolicy: Paralel")
    assert kubectl("apply", "-n", NAMESPACE, "--dry-run=server", "-f", "-", text=wrong, check=False).find("statefulset") < 0
    say("a wrong value is refused by the same server")


class Forward:
    """A port of this machine that leads to where `address()` is at the moment."""

    def __init__(self, address):
        self.address = address
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            with client, socket.create_connection((self.address(), 15002), timeout=5) as pod:
                pod.settimeout(None)
                back = threading.Thread(target=self.copy, args=(pod, client), daemon=True)
                back.start()
                self.copy(client, pod)
                back.join(120)
        except OSError:
            pass  # the client sees a connection that ends

    @staticmethod
    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass


class Pod:
    """A node as the workload of the end-to-end tests sees one."""

    def __init__(self, name):
        self.id = name
        self.seen = {"status": {}, "metadata": {}}
        self.port = Forward(lambda: self.seen["status"].get("podIP", "127.0.0.1")).port

    def client(self):
        return harness.Client(self.port)

    def answers(self):
        return True

    def log(self, lines):
        return kubectl("logs", "-n", NAMESPACE, "--tail", str(lines), self.id, check=False)

    @property
    def address(self):
        return self.seen["status"].get("podIP")

    @property
    def uid(self):
        return self.seen["metadata"].get("uid")

    def ready(self):
        return any(c["type"] == "Ready" and c["status"] == "True" for c in self.seen["status"].get("conditions", []))


class Cluster(cluster_harness.Cluster):
    def __init__(self):  # pylint: disable=super-init-not-called
        self.nodes = [Pod(name) for name in PODS]
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            text = kubectl("get", "pods", "-n", NAMESPACE, "-o", "json", check=False)
            by_name = {pod["metadata"]["name"]: pod for pod in json.loads(text)["items"]} if text.startswith("{") else {}
            for node in self.nodes:
                node.seen = by_name.get(node.id, {"status": {}, "metadata": {}})
            time.sleep(0.5)

    def wait_green(self, seconds=GREEN_SECONDS):
        return self.until("three pods are ready and the cluster is green", self.whole, seconds)

    def whole(self):
        return all(node.ready() and self.status(node)["status"] == "green" for node in self.nodes)


def clean():
    kubectl("delete", "namespace", NAMESPACE, "--wait=false", check=False)


def hold_address():
    """A pod that takes the address which has just been given up."""
    kubectl("run", "holder", "-n", NAMESPACE, f"--image={IMAGE}", "--image-pull-policy=IfNotPresent", "--restart=Never", "--command", "--",
            "sleep", "3600")
    until("the holder has an address", lambda: kubectl("get", "pod", "-n", NAMESPACE, "holder", "-o", "jsonpath={.status.podIP}"))


def move_pod(cluster):
    """The last pod goes, and comes back with its volume at another address."""
    node = cluster.nodes[2]
    before = node.address
    kubectl("scale", "statefulset", "-n", NAMESPACE, "vectorizer-cluster", "--replicas=2")
    until("the pod is gone", lambda: node.uid is None, 150)
    hold_address()
    kubectl("scale", "statefulset", "-n", NAMESPACE, "vectorizer-cluster", "--replicas=3")
    until("the pod has an address", lambda: node.address, 150)
    assert node.address != before, before
    return f"{before} -> {node.address}"


def delete_pod(cluster):
    """The same node comes back with its volume."""
    node = cluster.nodes[1]
    before, uid = node.address, node.uid
    kubectl("delete", "pod", "-n", NAMESPACE, node.id, "--wait=false")
    until("there is another pod", lambda: node.uid not in (None, uid) and node.address, 150)
    return f"{before} -> {node.address}"


def restart_all(cluster):
    before = {node.id: (node.uid, node.address) for node in cluster.nodes}
    kubectl("rollout", "restart", "statefulset", "-n", NAMESPACE, "vectorizer-cluster")
    kubectl("rollout", "status", "statefulset", "-n", NAMESPACE, "vectorizer-cluster", "--timeout=480s")
    until("all pods are new", lambda: all(node.uid not in (None, before[node.id][0]) for node in cluster.nodes))
    return ", ".join(f"{before[node.id][1]} -> {node.address}" for node in cluster.nodes)


def status_of(cluster, name):
    return {node["id"]: node["status"] for node in cluster.ask("/api/v1/cluster/nodes").json["nodes"]}.get(name)


def check_scaling(cluster):
    """A fourth pod joins; drained, it leaves, and only then its pod goes."""
    fourth = "vectorizer-cluster-3"
    kubectl("scale", "statefulset", "-n", NAMESPACE, "vectorizer-cluster", "--replicas=4")
    cluster.until("the fourth pod is a node", lambda: status_of(cluster, fourth) == "active", 120)
    lab.fetch(f"http://127.0.0.1:{cluster.nodes[0].port}/api/v1/cluster/rebalance", {}, "POST", (200, 202))
    cluster.until("it leads a shard", lambda: any(shard["primary"] == fourth for shard in cluster.shards()), 120)
    say("scaled up: the fourth pod joins, and a rebalance gives it shards")
    lab.fetch(f"http://127.0.0.1:{cluster.nodes[0].port}/api/v1/cluster/nodes/{fourth}", None, "DELETE", (200, 202))
    cluster.until("it has given everything away", lambda: status_of(cluster, fourth) == "removed", 180)
    kubectl("scale", "statefulset", "-n", NAMESPACE, "vectorizer-cluster", "--replicas=3")
    cluster.wait_green()
    say("scaled down: removed from the cluster first, then its pod")


def check_pods():
    atexit.register(clean)
    kubectl("create", "secret", "generic", "vectorizer-cluster", "-n", NAMESPACE, "--from-literal=secret=of this test only")
    begin = time.monotonic()
    kubectl("apply", "-n", NAMESPACE, "-f", "-", text=with_old_policy("base"))
    cluster = Cluster()
    cluster.wait_green()
    nodes = {node["id"]: node for node in cluster.ask("/api/v1/cluster/nodes").json["nodes"]}
    assert set(nodes) == set(PODS) and all(node["status"] == "active" for node in nodes.values()), nodes
    say(f"three pods: one command, 3/3 ready and a cluster after {time.monotonic() - begin:.0f} s, named after the pods")
    test = cluster_harness.ClusterTest()
    workload = cluster_workload.Workload(test, cluster, harness.seed(), factor=2).start()
    try:
        for what, fault in (("a pod is deleted", delete_pod), ("a pod goes and comes back at another address", move_pod),
                            ("rolling restart", restart_all)):
            workload.new_epoch()
            workload.progress(40)
            addresses = fault(cluster)
            took = cluster.wait_green()
            workload.progress(40)
            say(f"{what}: {addresses}; green {took:.1f} s later, and writes go on")
        workload.finish()
    except BaseException:
        workload.abandon()
        raise
    cluster_workload.check_copies(test, cluster, "registers", "unique")
    say(f"{workload.summary()}; all copies are equal")
    check_scaling(cluster)


def main():
    lab.need("kubectl")
    if not os.environ.get("KUBECONFIG"):
        sys.exit("set KUBECONFIG to the cluster to ask")
    check_one_file()
    check_accepted()
    if os.environ.get("VECTORIZER_TEST_PODS") == "1":
        check_pods()
    else:
        kubectl("delete", "namespace", NAMESPACE, "--wait=false", check=False)
    lab.done()


if __name__ == "__main__":
    main()
