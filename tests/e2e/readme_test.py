"""The README's commands, as a reader would type them: the first minutes with one node, and three nodes.

Every ```sh block of the section "First minutes" runs, in order, in one directory, against one fresh server. A line
`# → text` is what the output of the block must contain (spaces do not count). Only two things are replaced: the address, by
that of this server, and `../shared/data/`, by where the real data is; without it, a small generated file stands in. The
first command of all, scripts/start, is a ```bash block: it is what started the server. The section "Three nodes" runs with
real nodes on other ports.
"""

import os
import random
import re
import shutil
import socket
import struct
import subprocess
import tempfile

import datasets
import harness

README = os.path.join(harness.SOURCE_DIR, "README.md")
EXPECTED = re.compile(r"^# → (.*)$", re.M)


def section(title):
    with open(README, encoding="utf-8") as file:
        found = re.search(rf"^## {title}$(.*?)(?=^## |\Z)", file.read(), re.M | re.S)
    if not found:
        raise AssertionError(f"README.md has no section '{title}'")
    return found[1]


def blocks(text):
    return re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)


def six_free_ports():
    """The first of six ports in a row that nobody listens on now."""
    for _ in range(100):
        first = random.SystemRandom().randrange(20000, 30000)
        probes = [socket.socket() for _ in range(6)]
        try:
            for i, probe in enumerate(probes):
                probe.bind(("127.0.0.1", first + i))
            return first
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
    raise RuntimeError("no six free ports in a row")


class ReadmeTest(harness.ServerTest):
    def data_directory(self):
        """Real data, or generated files under the names that the README uses."""
        if datasets.directory():
            return datasets.directory()
        folder = os.path.join(self.server.home, "generated")
        os.makedirs(folder)
        stand_in = datasets.emoji2vec()
        with open(os.path.join(folder, "emoji2vec.base.fvecs"), "wb") as file:
            for row in stand_in.base:
                row = (row * 5)[:300]  # the README shows the dimension of the real file
                file.write(struct.pack("<i", len(row)) + row.tobytes())
        with open(os.path.join(folder, "emoji2vec.payload.jsonl"), "w", encoding="utf-8") as file:
            file.write("".join('{"codepoint": 128049}\n' for _ in stand_in.base))
        return folder

    def test_first_minutes(self):
        commands = blocks(section("First minutes"))
        self.assertGreaterEqual(len(commands), 6, "the section has hardly any commands")
        self.server = self.start_server()
        data = self.data_directory()
        environment = harness.clean_environment(PATH=os.path.dirname(harness.binary()) + ":" + os.environ["PATH"])
        for block in commands:
            script = block.replace("localhost:15002", f"127.0.0.1:{self.server.port}")
            script = script.replace("build/release/src/app/vectorizer", harness.binary())
            script = script.replace("../shared/data/", data + "/")
            if " import " in script or " export " in script:
                script = script.replace(" --collection", f" --url http://127.0.0.1:{self.server.port} --collection")
            self.run_block(block, script, self.server.home, environment)

    def run_block(self, block, script, directory, environment):
        """Runs `script`, which is `block` with this machine's addresses, and compares its output with what the block says."""
        with self.subTest(block=block.strip().splitlines()[0]):
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=directory, capture_output=True, text=True,
                                  timeout=120, stdin=subprocess.DEVNULL, env=environment, check=False)
            self.assertEqual(done.returncode, 0, f"{script}\n{done.stdout}\n{done.stderr}")
            output = re.sub(r"\s", "", done.stdout + done.stderr)
            for fragment in EXPECTED.findall(block):
                self.assertIn(re.sub(r"\s", "", fragment), output, f"{script}\n{done.stdout}\n{done.stderr}")

    def test_three_nodes(self):
        commands = blocks(section("Three nodes"))
        self.assertGreaterEqual(len(commands), 7, "the section has hardly any commands")
        home = tempfile.mkdtemp(prefix="vectorizer-readme-")
        self.addCleanup(shutil.rmtree, home, ignore_errors=True)
        first = six_free_ports()
        environment = harness.clean_environment(VECTORIZER_BINARY=harness.binary(), VECTORIZER_LOCAL_DIR=os.path.join(home, "nodes"),
                                                VECTORIZER_LOCAL_PORT=str(first))
        script = os.path.join(harness.SOURCE_DIR, "scripts", "cluster-local.sh")
        self.addCleanup(subprocess.run, [script, "down", "--wipe"], env=environment, capture_output=True, check=False)
        for block in commands:
            text = re.sub(r"127\.0\.0\.1:1500([246])", lambda m: f"127.0.0.1:{first + int(m[1]) - 2}", block)
            self.run_block(block, text.replace("scripts/cluster-local.sh", script), home, environment)

    def test_the_set_up_commands_exist(self):
        text = section("Set-up")
        for command in ("scripts/start", "scripts/test"):
            self.assertIn(command, text)
            self.assertTrue(os.access(os.path.join(harness.SOURCE_DIR, command), os.X_OK), command)

    def test_links_lead_somewhere(self):
        with open(README, encoding="utf-8") as file:
            targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", file.read())
        for target in targets:
            if "://" not in target:
                self.assertTrue(os.path.exists(os.path.join(harness.SOURCE_DIR, target)), target)


if __name__ == "__main__":
    harness.main()
