"""What the scripts of this folder share: three nodes of scripts/cluster-local.sh, requests with a bound, waiting for a condition."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import harness  # noqa: E402
from cluster_harness import free_ports  # noqa: E402

passed = []


def say(what):
    """Something was seen to hold."""
    passed.append(what)
    print(f"passed: {what}", flush=True)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            sys.exit(f"this test needs {program}")


def done():
    print(f"{len(passed)} passed, 0 failed", flush=True)


def enter_network():
    """Runs this script again in a network of its own: all ports are free, and packets can be dropped. Needs root."""
    if os.environ.get("VECTORIZER_TEST_NETWORK") != "own":
        os.environ["VECTORIZER_TEST_NETWORK"] = "own"
        command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-B", *sys.argv]
        os.execvp(command[0], command)


def call(url, body=None, method=None, timeout=10):
    """(status, headers, text); status 0 when there was no answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return reply.status, reply.headers, reply.read().decode()
    except urllib.error.HTTPError as problem:
        return problem.code, problem.headers, problem.read().decode()
    except OSError as problem:
        return 0, {}, repr(problem)


def fetch(url, body=None, method=None, expected=(200, 201)):
    status, _, text = call(url, body, method, timeout=60)
    assert status in expected, f"{url}: {status} {text}"
    return json.loads(text) if text[:1] in "{[" else text


def until(what, condition, seconds=90):
    """The first true value of `condition`, asked every 0.2 s. `what` is a text, or gives one when time is over."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.2)


class Cluster:
    """scripts/cluster-local.sh on free ports, in a directory of its own; stopped and removed at exit."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="vectorizer-deploy-")
        first = self._six_ports()
        self.ports = [first, first + 2, first + 4]
        self.environment = harness.clean_environment(VECTORIZER_BINARY=harness.binary(), VECTORIZER_LOCAL_DIR=self.home,
                                                     VECTORIZER_LOCAL_PORT=str(first))
        atexit.register(self.discard)
        self.script("up")

    @staticmethod
    def _six_ports():
        for first in range(23002, 30000, 20):
            if all(call(f"http://127.0.0.1:{first + n}/", timeout=1)[0] == 0 for n in range(6)):
                return first
        raise AssertionError("no six free ports in a row")

    def script(self, *arguments, check=True):
        command = [os.path.join(ROOT, "scripts", "cluster-local.sh"), *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout

    def url(self, number, path=""):
        return f"http://127.0.0.1:{self.ports[number - 1]}{path}"

    def green(self, asked=1):
        return call(self.url(asked, "/api/v1/cluster/status"), timeout=2)[2].find('"status":"green"') >= 0

    def discard(self):
        for number in "123":
            self.script("resume", number, check=False)
        self.script("down", "--wipe", check=False)
        shutil.rmtree(self.home, ignore_errors=True)
