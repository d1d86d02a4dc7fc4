"""Machines with a real systemd as process 1: systemd-nspawn on an overlay of a small Debian, which mmdebstrap makes once.

Needs root, systemd-container and mmdebstrap. The machines share the network of this one; so only one server at a time.
$VECTORIZER_TEST_ROOT (default /var/tmp/vectorizer-deploy/root) is the Debian; it stays, for the next test.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time

import lab
from lab import until

BASE = os.environ.get("VECTORIZER_TEST_ROOT", "/var/tmp/vectorizer-deploy/root")
PACKAGES = "systemd,systemd-sysv,dbus,ca-certificates,curl,iproute2,procps,adduser,python3-minimal"
MIRROR = os.environ.get("VECTORIZER_TEST_MIRROR", "http://deb.debian.org/debian")
CLEAN = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb", "LANG=C.UTF-8", "SYSTEMD_PAGER=",
         "DEBIAN_FRONTEND=noninteractive"]
# Where process 1 is no systemd, the machine gets control groups of its own here, else all machines would share one.
HIERARCHIES = ("systemd", "unified", "memory", "cpu", "cpuacct", "pids")


def make_base():
    lab.need("mmdebstrap", "systemd-nspawn", "nsenter")
    if os.geteuid() != 0:
        sys.exit("this test needs root")
    if not os.path.isdir(BASE):
        os.makedirs(os.path.dirname(BASE), exist_ok=True)
        partial = BASE + ".partial"
        shutil.rmtree(partial, ignore_errors=True)
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", "bookworm", partial, MIRROR], check=True)
        os.rename(partial, BASE)


class Machine:
    def __init__(self, name):
        make_base()
        self.name = f"{name}{os.getpid()}"
        self.home = tempfile.mkdtemp(prefix="vectorizer-machine-", dir="/var/tmp")
        self.root = os.path.join(self.home, "root")
        self.process = self.leader = None
        for part in ("upper", "work", "root"):
            os.mkdir(os.path.join(self.home, part))
        options = f"lowerdir={BASE},upperdir={self.home}/upper,workdir={self.home}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], check=True)
        atexit.register(self.discard)

    def boot(self):
        groups = [f"/sys/fs/cgroup/{hierarchy}/{self.name}" for hierarchy in HIERARCHIES if os.path.isdir(f"/sys/fs/cgroup/{hierarchy}")]

        def enter():
            for group in groups:
                os.makedirs(group, exist_ok=True)
                with open(group + "/cgroup.procs", "w", encoding="ascii") as file:
                    file.write(str(os.getpid()))

        with open(os.path.join(self.home, "log"), "wb") as log:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "-D", self.root, "-M", self.name, "--boot", "--register=no", "--keep-unit",
                 "--link-journal=no", "--resolv-conf=copy-host", "--console=read-only"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=enter if groups else None, start_new_session=True)
        until("the machine is up", self._is_up, 180)
        return self

    def _is_up(self):
        assert self.process.poll() is None, open(os.path.join(self.home, "log"), encoding="utf-8", errors="replace").read()[-2000:]
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False).stdout.split()
        if not children:
            return False
        self.leader = children[0]
        state = self.run("systemctl", "is-system-running", check=False)
        return "running" in state or "degraded" in state

    def run(self, *command, check=True, text=None):
        """stdout and stderr of a command inside."""
        done = subprocess.run(["nsenter", "-t", self.leader, "-a", *CLEAN, *command], input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False, stdin=None if text is not None else subprocess.DEVNULL)
        assert done.returncode == 0 or not check, f"{' '.join(command)}: status {done.returncode}\n{done.stdout}"
        return done.stdout.strip()

    def fails(self, *command):
        return subprocess.run(["nsenter", "-t", self.leader, "-a", *CLEAN, *command], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0

    def path(self, inside):
        return os.path.join(self.root, inside.lstrip("/"))

    def write(self, inside, text, mode=0o644):
        """From inside, so that the file belongs to the machine's root."""
        self.run("sh", "-c", f"mkdir -p $(dirname {inside}) && cat > {inside} && chmod {mode:o} {inside}", text=text)

    def copy(self, outside, inside):
        shutil.copy(outside, self.path(inside))

    def read(self, inside):
        return self.run("cat", inside)

    def show(self, unit, *properties):
        lines = self.run("systemctl", "show", unit, *(f"-p{name}" for name in properties)).splitlines()
        return dict(line.split("=", 1) for line in lines)

    def discard(self):
        if self.process is not None and self.process.poll() is None:
            if self.leader:
                subprocess.run(["kill", "-s", "RTMIN+4", self.leader], check=False)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                if self.leader:
                    subprocess.run(["kill", "-KILL", self.leader], check=False)
                self.process.kill()
                self.process.wait()
        for _ in range(50):
            if subprocess.run(["umount", self.root], stderr=subprocess.DEVNULL, check=False).returncode == 0 or not os.path.ismount(self.root):
                break
            time.sleep(0.1)
        if not os.path.ismount(self.root):
            shutil.rmtree(self.home, ignore_errors=True)
        for hierarchy in HIERARCHIES:
            for folder, _, _ in os.walk(f"/sys/fs/cgroup/{hierarchy}/{self.name}", topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass
