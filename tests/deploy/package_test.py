#!/usr/bin/env python3
"""The Debian package and scripts/install.sh on a machine with systemd: piped into bash with a release tarball, in an unpacked one,
as a user with sudo, from a checkout, again, upgraded, with a damaged download, removed, purged.

$VECTORIZER_BUILD_DIR is a finished build; packages are made of it, nothing is compiled. See machine.py for what this needs;
the machine installs libraries from the Debian archive.
"""

import functools
import glob
import http.server
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading

import lab
from lab import call, fetch, say, until
from machine import Machine

CONFIG = "/etc/vectorizer/config.yml"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Packages:
    """Release tarballs of the build, of two versions, on a web server."""

    def __init__(self, build):
        self.home = tempfile.mkdtemp(prefix="vectorizer-release-")
        lab.atexit.register(shutil.rmtree, self.home, True)
        self.build = build
        self.port = lab.free_ports(1)[0]
        server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), functools.partial(Quiet, directory=self.home))
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def release(self, folder):
        """Made by the script for releases; $VECTORIZER_TEST_RELEASE has one that it made before."""
        made = os.environ.get("VECTORIZER_TEST_RELEASE")
        path = os.path.join(self.home, folder)
        if made:
            shutil.copytree(made, path, ignore=lambda _, names: [name for name in names if ".tar.gz" not in name])
        else:
            script = os.path.join(lab.ROOT, "deploy", "debian", "make-release")
            done = subprocess.run([script, self.build, path], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        name, = [name for name in os.listdir(path) if name.endswith(".tar.gz")]
        return f"http://127.0.0.1:{self.port}/{folder}/{name}"

    def newer(self, release, folder):
        """The same package with a higher version and another default configuration."""
        shutil.copytree(os.path.join(self.home, release.split("/")[-2]), os.path.join(self.home, folder))
        url = f"http://127.0.0.1:{self.port}/{folder}/{os.path.basename(release)}"
        path = os.path.join(self.home, folder, os.path.basename(url))
        work = os.path.join(self.home, "work")
        os.mkdir(work)
        script = f"""set -e; cd {work}; tar xzf {path}; dpkg-deb -R vectorizer_*.deb tree; rm vectorizer_*.deb
            sed -i 's/^Version: .*/Version: 9.9.9/' tree/DEBIAN/control; echo '# of 9.9.9' >> tree/etc/vectorizer/config.yml
            rm -f tree/DEBIAN/md5sums
            dpkg-deb -Zgzip -z1 --root-owner-group -b tree vectorizer_9.9.9.deb; rm -r tree; sha256sum vectorizer_*.deb > SHA256SUMS
            tar czf {path} .; cd {os.path.dirname(path)}; sha256sum {os.path.basename(path)} > {path}.sha256"""
        subprocess.run(["bash", "-c", script], check=True, stdout=subprocess.DEVNULL)
        return url


def install(machine, *arguments, check=True):
    """As curl | bash does."""
    with open(os.path.join(lab.ROOT, "scripts", "install.sh"), encoding="utf-8") as file:
        return machine.run("bash", "-s", "--", *arguments, text=file.read(), check=check)


def version(machine):
    return machine.run("dpkg-query", "-W", "-f", "${Status} ${Version}", "vectorizer", check=False)


def check_damaged(machine, packages, url):
    path = os.path.join(packages.home, url.split("/", 3)[3])
    for what, damage in (("tarball", path), ("checksum", path + ".sha256")):
        kept = open(damage, "rb").read()
        with open(damage, "wb") as file:
            file.write(bytes([kept[0] ^ 1]) + kept[1:])
        text = install(machine, "--from", url, check=False)
        assert "the checksum of" in text and "nothing was installed" in text, text
        assert machine.fails("which", "vectorizer")
        with open(damage, "wb") as file:
            file.write(kept)
    say("install.sh: a tarball or a checksum that was changed is refused, nothing is installed")


def check_installed(machine, url):
    text = install(machine, "--from", url)
    assert re.search(r"^vectorizer \d+\.\d+\.\d+ \(", text, re.M), text
    assert machine.run("stat", "-c", "%U:%G %a", CONFIG, "/etc/vectorizer", "/var/lib/vectorizer", "/var/lib/vectorizer/data").split("\n") == [
        "root:vectorizer 640", "root:vectorizer 750", "vectorizer:vectorizer 750", "vectorizer:vectorizer 750"]
    assert machine.run("systemctl", "is-active", "vectorizer", check=False) == "inactive"
    assert int(machine.run("stat", "-c", "%s", "/usr/bin/vectorizer")) < 20 << 20, "the program is not stripped"
    say("install.sh piped into bash installs a release: program, user, directories, units; nothing is started")


def start(machine):
    """With a changed configuration: a free port."""
    port = lab.free_ports(1)[0]
    machine.run("sed", "-i", f"s/port: .*/port: {port}/", CONFIG)
    machine.run("systemctl", "enable", "--now", "--quiet", "vectorizer")
    url = f"http://127.0.0.1:{port}"
    assert call(url + "/health/ready")[0] == 200
    assert machine.run("vectorizer", "health", "--url", url).strip() == f"{url}: ready"
    fetch(url + "/collections", {"name": "docs", "dimension": 2})
    fetch(url + "/collections/docs/vectors", {"vectors": [{"id": 1, "vector": [1, 2]}]})
    say("the unit starts with the changed configuration; `vectorizer health` agrees")
    return url


def pid(machine):
    return machine.show("vectorizer", "MainPID")["MainPID"]


def vectors(url):
    until("ready", lambda: call(url + "/health/ready")[0] == 200)
    return fetch(url + "/collections/docs/vectors/count", {})["count"]


def check_again(machine, release, url):
    config = machine.read(CONFIG)
    install(machine, "--from", release)
    assert machine.read(CONFIG) == config and vectors(url) == 1
    say("install.sh again: configuration and data are as they were, the server runs")


def check_unpacked(machine, packages, release, url):
    """By a user with sudo, who unpacked the release in a home that nobody else can read."""
    machine.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "sudo")
    machine.run("adduser", "--quiet", "--disabled-password", "--gecos", "", "visitor")
    machine.write("/etc/sudoers.d/visitor", "visitor ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    machine.run("install", "-d", "-m", "0700", "-o", "visitor", "/home/visitor/release")
    machine.copy(os.path.join(packages.home, release.split("/", 3)[3]), "/home/visitor/release/release.tar.gz")
    script = "cd /home/visitor/release && tar xzf release.tar.gz && ./install.sh"
    config = machine.read(CONFIG)
    machine.run("su", "visitor", "-c", script)
    assert machine.read(CONFIG) == config and vectors(url) == 1
    damage = "cd /home/visitor/release && printf x | dd of=$(ls vectorizer_*.deb) bs=1 seek=1000 conv=notrunc status=none && ./install.sh"
    text = machine.run("su", "visitor", "-c", damage, check=False)
    assert "is damaged; nothing was installed" in text, text
    say("install.sh of an unpacked release, by a user with sudo: the same; a package that was changed is refused")


def check_upgrade(machine, newer, url):
    config, before = machine.read(CONFIG), pid(machine)
    install(machine, "--from", newer)
    assert version(machine) == "install ok installed 9.9.9"
    assert machine.read(CONFIG) == config and "9.9.9" not in config
    assert pid(machine) not in (before, "0") and vectors(url) == 1
    say("an upgrade keeps the changed configuration and the data, and restarts what ran")


def check_removal(machine, release, url):
    install(machine, "--uninstall")
    assert machine.fails("which", "vectorizer") and call(url + "/health", timeout=2)[0] == 0
    assert machine.fails("test", "-e", "/usr/lib/systemd/system/vectorizer.service")
    assert not machine.fails("test", "-d", "/var/lib/vectorizer/data/db") and not machine.fails("test", "-f", CONFIG)
    say("--uninstall stops and removes the program; configuration and data stay")
    install(machine, "--from", release)
    machine.run("systemctl", "enable", "--now", "--quiet", "vectorizer")
    assert vectors(url) == 1
    say("installed again, it goes on with them")
    install(machine, "--uninstall", "--purge")
    for path in ("/var/lib/vectorizer", "/etc/vectorizer"):
        assert machine.fails("test", "-e", path), path
    assert machine.fails("id", "vectorizer")
    assert "not installed" in install(machine, "--uninstall")
    say("--purge removes configuration, data and user; another --uninstall says that there is nothing")


class FromCheckout:
    """The package that install.sh makes in a checkout, of a finished build; begun early, because it takes a while."""

    def __init__(self, build):
        self.work = tempfile.mkdtemp(prefix="vectorizer-checkout-")
        lab.atexit.register(shutil.rmtree, self.work, True)
        script = os.path.join(lab.ROOT, "scripts", "install.sh")
        # The functions of the script without its last line, which would install on this machine.
        command = f"set -e; . <(sed '$d' {script}); package_of_checkout {lab.ROOT} {self.work}"
        self.process = subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "VECTORIZER_BUILD_DIR": build})

    def check(self, machine):
        package, problems = self.process.communicate()
        assert self.process.returncode == 0, problems
        machine.copy(package.strip(), "/root/vectorizer.deb")
        machine.run("apt-get", "install", "-y", "-qq", "/root/vectorizer.deb")
        assert version(machine).startswith("install ok installed"), version(machine)
        machine.run("apt-get", "purge", "-y", "-qq", "vectorizer")
        say("the package that install.sh makes in a checkout installs, and purges")


def main():
    build = os.environ.get("VECTORIZER_BUILD_DIR") or os.path.join(lab.ROOT, "build", "release")
    if not os.path.exists(os.path.join(build, "CPackConfig.cmake")):
        sys.exit(f"no finished build in {build}; set VECTORIZER_BUILD_DIR")
    packages = Packages(build)
    of_checkout = FromCheckout(build)
    release = packages.release("first")
    newer = packages.newer(release, "second")
    machine = Machine("vectorizer-package").boot()
    machine.write("/etc/apt/sources.list", "deb http://deb.debian.org/debian bookworm main\n")
    machine.write("/etc/dpkg/dpkg.cfg.d/test", "force-unsafe-io\n")
    for path in glob.glob("/var/lib/apt/lists/deb.debian.org_debian_dists_bookworm_*"):  # saves fetching them again
        machine.copy(path, "/var/lib/apt/lists")
    check_damaged(machine, packages, release)
    check_installed(machine, release)
    url = start(machine)
    check_again(machine, release, url)
    check_unpacked(machine, packages, release, url)
    check_upgrade(machine, newer, url)
    check_removal(machine, release, url)
    of_checkout.check(machine)
    lab.done()


if __name__ == "__main__":
    main()
