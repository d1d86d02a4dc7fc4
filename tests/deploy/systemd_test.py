#!/usr/bin/env python3
"""deploy/systemd under a real systemd: start, crash, a hang, restart, stop, journal, instances, hardening.

The binary is $VECTORIZER_BINARY; the libraries that it needs are copied beside it. See machine.py for what this needs.
"""

import json
import os
import re
import resource
import subprocess
import time
import time

import lab
from lab import call, say, until
from machine import Machine

PORT = 15002
URL = f"http://127.0.0.1:{PORT}"
LIMIT = 2.5  # of systemd-analyze security


def copy_program(machine):
    """The binary, stripped, and its libraries in a directory that only it looks into."""
    os.makedirs(machine.path("/usr/lib/vectorizer"))
    program = machine.path("/usr/bin/vectorizer")
    subprocess.run(["strip", "-o", program, lab.harness.binary()], check=True)
    listed = subprocess.run(["ldd", lab.harness.binary()], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"=> (/\S+)", listed):
        if not os.path.exists(machine.path(library)):
            machine.copy(library, "/usr/lib/vectorizer")
    with open(machine.path("/etc/ld.so.conf.d/vectorizer.conf"), "w", encoding="ascii") as file:
        file.write("/usr/lib/vectorizer\n")
    machine.run("ldconfig")


def install(machine):
    copy_program(machine)
    for unit in ("vectorizer.service", "vectorizer@.service"):
        machine.copy(os.path.join(lab.ROOT, "deploy", "systemd", unit), "/etc/systemd/system")
    machine.run("adduser", "--quiet", "--system", "--group", "--no-create-home", "--home", "/var/lib/vectorizer", "vectorizer")
    with open(os.path.join(lab.ROOT, "deploy", "debian", "config.yml"), encoding="utf-8") as file:
        machine.write("/etc/vectorizer/config.yml", file.read())
    machine.run("systemctl", "daemon-reload")


def state(machine, unit="vectorizer"):
    return machine.show(unit, "ActiveState", "SubState", "MainPID", "NRestarts", "Result", "ExecMainStatus", "StatusText")


def restarted(machine, before):
    now = state(machine)
    return now if now["SubState"] == "running" and now["MainPID"] not in ("0", before["MainPID"]) else None


def check_units(machine):
    for unit in ("vectorizer.service", "vectorizer@node1.service"):
        complaints = machine.run("systemd-analyze", "verify", unit, check=False)
        assert complaints == "", complaints
        report = machine.run("systemd-analyze", "security", "--no-pager", unit, check=False)
        exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", report)[1])
        assert exposure <= LIMIT, report
        say(f"{unit}: systemd-analyze verify says nothing, systemd-analyze security {exposure}")


def check_start(machine):
    machine.run("systemctl", "start", "vectorizer")
    assert call(URL + "/health/ready")[0] == 200, "started means that it serves"
    now = state(machine)
    assert (now["ActiveState"], now["SubState"]) == ("active", "running"), now
    assert now["StatusText"] == f"serves port {PORT}", now
    limits = machine.read(f"/proc/{now['MainPID']}/limits")
    descriptors = min(65536, resource.getrlimit(resource.RLIMIT_NOFILE)[1])  # a sandbox may allow fewer to everybody
    assert re.search(rf"Max open files +{descriptors} ", limits), limits
    assert machine.run("stat", "-c", "%U %a", "/var/lib/vectorizer/data") == "vectorizer 750"
    assert machine.run("ps", "-o", "user=", "-p", now["MainPID"]) == "vectorizer"
    lab.fetch(URL + "/collections", {"name": "docs", "dimension": 2})
    lab.fetch(URL + "/collections/docs/vectors", {"vectors": [{"id": n, "vector": [n, 1]} for n in range(1, 3001)]})
    say(f"start: it returns when requests are served; user vectorizer, {descriptors} descriptors, data in /var/lib/vectorizer/data")
    journal = machine.run("journalctl", "-u", "vectorizer", "-o", "json", "--no-pager")
    lines = [json.loads(line) for line in journal.splitlines()]
    assert any("serves http" in str(line["MESSAGE"]) and line["_PID"] == now["MainPID"] for line in lines), journal
    say("journal: it has what the server logs")


def count():
    return lab.fetch(URL + "/collections/docs/vectors/count", {})["count"]


def check_crash(machine):
    before = state(machine)
    machine.run("kill", "-KILL", before["MainPID"])
    after = until("started again", lambda: restarted(machine, before))
    assert int(after["NRestarts"]) == int(before["NRestarts"]) + 1
    until("ready", lambda: call(URL + "/health/ready")[0] == 200)
    assert count() == 3000
    say("crash: it is started again, with all data")


def check_hang(machine):
    machine.run("mkdir", "-p", "/run/systemd/system/vectorizer.service.d")
    machine.write("/run/systemd/system/vectorizer.service.d/test.conf", "[Service]\nWatchdogSec=6\nTimeoutAbortSec=2\nLimitCORE=0\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "vectorizer")
    before = state(machine)
    time.sleep(15)  # the watchdog would have ended it by now if there were no signs of life
    assert state(machine)["MainPID"] == before["MainPID"], "a server that is well was ended"
    say("watchdog: a server that is well goes on for longer than WatchdogSec")
    machine.run("kill", "-STOP", before["MainPID"])
    after = until("the hanging server was replaced", lambda: restarted(machine, before))
    assert "Watchdog timeout" in machine.run("journalctl", "-u", "vectorizer", "--no-pager")
    until("ready", lambda: call(URL + "/health/ready")[0] == 200)
    assert count() == 3000 and after["MainPID"] != before["MainPID"]
    say("watchdog: a server that hangs is ended and started again")
    machine.run("rm", "-r", "/run/systemd/system/vectorizer.service.d")
    machine.run("systemctl", "daemon-reload")


def check_restart_and_stop(machine):
    before = state(machine)
    machine.run("systemctl", "restart", "vectorizer")
    assert call(URL + "/health/ready")[0] == 200 and count() == 3000
    assert state(machine)["MainPID"] != before["MainPID"]
    say("restart: it returns when the new process serves, with all data")
    began = time.monotonic()
    machine.run("systemctl", "stop", "vectorizer")
    took = time.monotonic() - began
    now = state(machine)
    assert (now["ActiveState"], now["Result"], now["ExecMainStatus"]) == ("inactive", "success", "0"), now
    assert machine.run("journalctl", "-u", "vectorizer", "-o", "cat", "-n", "20", "--no-pager").find(" stopped") >= 0
    say(f"stop: in {took:.1f} s, in order, status 0")


def check_wrong_configuration(machine):
    kept = machine.read("/etc/vectorizer/config.yml")
    machine.write("/etc/vectorizer/config.yml", "server:\n  prot: 1\n")
    assert machine.fails("systemctl", "start", "vectorizer")
    time.sleep(5)  # longer than RestartSec
    now = state(machine)
    assert (now["ActiveState"], now["ExecMainStatus"]) == ("failed", "78"), now
    assert "did you mean server.port?" in machine.run("journalctl", "-u", "vectorizer", "-o", "cat", "-n", "30", "--no-pager")
    machine.write("/etc/vectorizer/config.yml", kept + "\n")
    machine.run("systemctl", "reset-failed", "vectorizer")
    say("a wrong configuration: it fails once, the journal says why")


def check_instances(machine):
    """The guide's three nodes on one machine: each reads its own file."""
    members = "".join(f'    - id: "node-{n}"\n      address: "127.0.0.1"\n      grpc_port: {PORT + 2 * n - 1}\n' for n in (1, 2, 3))
    for n in (1, 2, 3):
        machine.write(f"/etc/vectorizer/config-node{n}.yml",
                      f'server:\n  host: "127.0.0.1"\n  port: {PORT + 2 * n - 2}\nstorage:\n  data_dir: "data/node{n}"\ncluster:\n'
                      f'  enabled: true\n  node_id: "node-{n}"\n  insecure: true\n  servers:\n{members}')
        machine.run("systemctl", "start", f"vectorizer@node{n}")
    until("three nodes are ready", lambda: all(call(f"http://127.0.0.1:{PORT + 2 * n}/health/ready", timeout=3)[0] == 200 for n in range(3)))
    nodes = lab.fetch(URL + "/api/v1/cluster/nodes")["nodes"]
    assert [node["status"] for node in nodes] == ["active"] * 3, nodes
    say("vectorizer@node1, @node2, @node3 read their own files and are a cluster; each start returns before the next node is there")
    began = time.monotonic()
    machine.run("systemctl", "stop", "vectorizer@node1", "vectorizer@node2", "vectorizer@node3")
    took = time.monotonic() - began
    for n in (1, 2, 3):
        now = state(machine, f"vectorizer@node{n}")
        assert (now["ActiveState"], now["Result"]) == ("inactive", "success"), now
    say(f"all three stop at once, in order, in {took:.1f} s")


def main():
    lab.enter_network()
    machine = Machine("vectorizer-systemd").boot()
    say("a machine with systemd is up")
    install(machine)
    check_units(machine)
    check_start(machine)
    check_crash(machine)
    check_hang(machine)
    check_restart_and_stop(machine)
    check_wrong_configuration(machine)
    check_instances(machine)
    lab.done()


if __name__ == "__main__":
    main()
