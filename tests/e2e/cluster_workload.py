"""Clients that write and read through every node of a cluster while it is being hurt, and note everything for tests/checker.

Two collections: `registers`, where few ids are written, deleted and read (get by id is answered by the primary), and `unique`, where
each id is written once and deleted at most once, and whole lists are taken.
"""

import http.client
import os
import random
import sys
import tempfile
import threading
import time

import harness

sys.path.insert(0, os.path.join(harness.SOURCE_DIR, "tests", "checker"))
import history as h  # pylint: disable=wrong-import-position
import register_check
import unique_ids
from shard_copies import copies_problem

DIMENSION = 4
REGISTERS = "/collections/registers"
UNIQUE = "/collections/unique"
REPLY_SECONDS = 45  # longer than the server's own deadline of a write


def vector_of(value):
    """A vector that names its value: half of one write and half of another shows."""
    return [value % 1024, value // 1024 % 1024, value // 1024**2, 1]


def outcomes(reply, ids):
    """id -> outcome of a write, by what the contract says about errors."""
    if reply.status == 200:
        return {id_: h.OK for id_ in ids}
    error = reply.json
    if error["error_type"] == "partial_write":
        found = {id_: h.OK for id_ in ids}
        for failure in error["details"]["failed"]:
            found[failure["id"]] = h.UNKNOWN if failure["outcome"] == "unknown" else h.FAILED
        return found
    unknown = error["error_type"] == "internal_error" or (error.get("details") or {}).get("outcome") == "unknown"
    return {id_: h.UNKNOWN if unknown else h.FAILED for id_ in ids}


class Worker:
    """One client. Talks to one node at a time and goes to another when that does not answer."""

    def __init__(self, workload, number, rng):
        self.workload, self.number, self.rng = workload, number, rng
        self.name = f"client-{number}"
        self.values = 0
        self.mine = []  # own unique ids that were acknowledged and are not deleted
        self.client, self.node = None, None
        self.problem = None

    def run(self):
        try:
            while not self.workload.stopping.is_set():
                self.workload.running.wait()
                self.step()
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = f"{self.name}: {problem!r}"
        finally:
            if self.client:
                self.client.close()

    def step(self):
        self.choose_node()
        kind = self.rng.random()
        if kind < 0.30:
            self.put()
        elif kind < 0.40:
            self.delete_register()
        elif kind < 0.70:
            self.read()
        elif kind < 0.90:
            self.insert()
        elif kind < 0.97:
            self.delete_unique()
        else:
            self.list()

    def choose_node(self):
        if self.client is not None and self.rng.random() < 0.9:
            return
        if self.client is not None:
            self.client.close()
        self.node = self.rng.choice(self.workload.cluster.nodes)
        self.client = harness.Client(self.node.port, timeout=REPLY_SECONDS)

    def send(self, method, path, body=None):
        """The reply, or the outcome of a request without one."""
        try:
            return self.client.request(method, path, body), None
        except ConnectionRefusedError:
            outcome = h.FAILED
        except (OSError, http.client.HTTPException):
            outcome = h.UNKNOWN
        self.client.close()
        self.client = None
        self.workload.stopping.wait(0.02)  # a dead node would be asked in a busy loop
        return None, outcome

    def note(self, kind, values, call, reply, outcome):
        """One operation for each id of a write."""
        by_id = outcomes(reply, values) if reply is not None else {id_: outcome for id_ in values}
        text = self.node.id + ("" if reply is None else f" {reply.status}")
        if reply is not None and reply.status != 200:
            text += f" {reply.json['error_type']}"
        for id_, value in values.items():
            self.workload.history_of(kind, id_).add(kind, id_, value, call, by_id[id_], self.name, text)
        return by_id

    def next_value(self):
        self.values += 1
        return self.values * 64 + self.number

    def body(self, values):
        return {"vectors": [{"id": id_, "vector": vector_of(v), "payload": {"v": v}} for id_, v in values.items()]}

    def register(self):
        return f"r{self.rng.randrange(self.workload.keys)}-{self.workload.epoch}"

    def put(self):
        values = {self.register(): self.next_value() for _ in range(self.rng.choice((1, 1, 1, 4)))}
        call = time.monotonic()
        reply, outcome = self.send("POST", f"{REGISTERS}/vectors", self.body(values))
        self.note(h.WRITE, values, call, reply, outcome)

    def delete_register(self):
        values = {self.register(): None}
        call = time.monotonic()
        reply, outcome = self.send("POST", f"{REGISTERS}/vectors/delete", {"ids": list(values)})
        self.note(h.DELETE, values, call, reply, outcome)

    def read(self):
        id_ = self.register()
        call = time.monotonic()
        reply, _ = self.send("GET", f"{REGISTERS}/vectors/{id_}")
        if reply is None or reply.status not in (200, 404):
            return
        value = None
        if reply.status == 200:
            value = reply.json["payload"]["v"]
            assert reply.json["vector"] == vector_of(value), f"torn: {reply!r}"
        else:
            assert reply.json["error_type"] == "vector_not_found", repr(reply)
        self.workload.registers.add(h.READ, id_, value, call, h.OK, self.name, self.node.id)

    def insert(self):
        values = {}
        for _ in range(self.rng.choice((1, 4, 20))):
            value = self.next_value()
            values[value] = value
        call = time.monotonic()
        reply, outcome = self.send("POST", f"{UNIQUE}/vectors", self.body(values))
        by_id = self.note(h.WRITE, values, call, reply, outcome)
        self.mine += [id_ for id_, what in by_id.items() if what == h.OK]

    def delete_unique(self):
        if not self.mine:
            return
        values = {self.mine.pop(self.rng.randrange(len(self.mine))): None}
        call = time.monotonic()
        reply, outcome = self.send("POST", f"{UNIQUE}/vectors/delete", {"ids": list(values)})
        self.note(h.DELETE, values, call, reply, outcome)

    def list(self):
        call = time.monotonic()
        seen = self.scroll()
        if seen is not None:
            self.workload.unique.add(h.LIST, None, seen, call, h.OK, self.name, self.node.id if self.node else "")

    def scroll(self):
        seen, cursor = [], None
        while True:
            body = {"limit": 1000, "with_payload": False}
            if cursor is not None:
                body["cursor"] = cursor
            reply, _ = self.send("POST", f"{UNIQUE}/vectors/scroll", body)
            if reply is None or reply.status != 200:
                return None
            seen += [vector["id"] for vector in reply.json["vectors"]]
            cursor = reply.json["next_cursor"]
            if cursor is None:
                return seen


class Workload:
    """Runs `workers` clients until `finish`; `new_epoch` gives the registers fresh ids, so that histories of a key stay short."""

    def __init__(self, test, cluster, seed, workers=4, keys=8, factor=3):
        self.test, self.cluster, self.seed, self.keys = test, cluster, seed, keys
        self.registers, self.unique = h.History(seed=seed), h.History(seed=seed)
        self.epoch = 0
        self.running, self.stopping = threading.Event(), threading.Event()
        rng = random.Random(seed)
        self.workers = [Worker(self, n, random.Random(rng.randrange(2**32))) for n in range(workers)]
        for name in ("registers", "unique"):
            test.create(cluster, name, DIMENSION, sharding={"shard_count": 6, "replication_factor": factor})
        self.threads = [threading.Thread(target=worker.run, daemon=True) for worker in self.workers]

    def history_of(self, _, id_):
        return self.registers if isinstance(id_, str) else self.unique

    def start(self):
        self.running.set()
        for thread in self.threads:
            thread.start()
        return self

    def acknowledged(self):
        return self.registers.count(h.OK) + self.unique.count(h.OK)

    def progress(self, writes, seconds=60):
        """Waits until so many more writes were acknowledged: faults hit a cluster that works."""
        wanted = self.acknowledged() + writes
        self.cluster.until(f"{writes} more writes are acknowledged", lambda: self.acknowledged() >= wanted, seconds)

    def new_epoch(self):
        self.epoch += 1

    def abandon(self):
        """After a failure: keeps what was seen, because the fault may be in it."""
        self.stopping.set()
        self.running.set()
        print(f"histories of a run that failed: {self.save()}", flush=True)

    def save(self):
        folder = os.environ.get("VECTORIZER_HISTORY_DIR") or tempfile.mkdtemp(prefix="vectorizer-history-")
        for name, seen in (("registers", self.registers), ("unique", self.unique)):
            seen.save(os.path.join(folder, f"{name}-{self.seed}.jsonl"))
        return folder

    def finish(self):
        """Stops the clients, looks at everything once more through every node, and judges. The cluster must be whole."""
        self.stopping.set()
        self.running.set()
        for thread in self.threads:
            thread.join(2 * REPLY_SECONDS)
        self.test.assertEqual([worker.problem for worker in self.workers if worker.problem], [])
        for node in self.cluster.nodes:
            self.read_all_through(node)
        self.judge()

    def read_all_through(self, node):
        reader = Worker(self, 63, random.Random(0))
        reader.name, reader.node, reader.client = f"last look through {node.id}", node, harness.Client(node.port, timeout=REPLY_SECONDS)
        call = time.monotonic()
        seen = reader.scroll()
        self.test.assertIsNotNone(seen, f"{node.id} does not list a whole cluster\n{node.log(40)}")
        self.unique.add(h.LIST, None, seen, call, h.OK, reader.name, node.id)
        ids = sorted(self.registers.by_key())
        call = time.monotonic()
        reply = self.test.expect(reader.client.post(f"{REGISTERS}/vectors/get", {"ids": ids, "with_payload": True}))
        found = {vector["id"]: vector["payload"]["v"] for vector in reply["vectors"]}
        self.test.assertEqual(len(found) + len(reply["missing"]), len(ids))
        for id_ in ids:
            self.registers.add(h.READ, id_, found.get(id_), call, h.OK, reader.name, node.id)
        reader.client.close()

    def judge(self):
        problems = register_check.check(self.registers) + unique_ids.check(self.unique)
        if problems:
            self.test.fail(f"seed {self.seed}, histories in {self.save()}:\n" + "\n".join(problems[:10]))

    def summary(self):
        both = (self.registers, self.unique)
        return (f"{sum(s.count(h.OK) for s in both)} acknowledged, {sum(s.count(h.UNKNOWN) for s in both)} unknown, "
                f"{sum(s.count(h.FAILED) for s in both)} refused, {self.registers.count(h.OK, (h.READ,))} reads, "
                f"{self.unique.count(h.OK, (h.LIST,))} lists; lost 0")


MAX_COMPARED = 10_000  # the largest limit of a search


def copies_through(test, cluster, collection):
    """node id -> everything that it answers from the copies it holds: an exact search of `any` asks the local copy first."""
    answers = {}
    for node in cluster.nodes:
        client = harness.Client(node.port)
        reply = test.expect(client.post(f"/collections/{collection}/search", {
            "vector": [1] * DIMENSION, "limit": MAX_COMPARED, "with_payload": True, "with_vector": True, "consistency": "any",
            "params": {"exact": True}, "timeout_ms": 30000}))
        client.close()
        answers[node.id] = reply["results"]
    return answers


def check_copies(test, cluster, *collections):
    """All copies of a quiet, whole cluster are equal. Followers apply a little later than the primary answers: that is waited for."""
    for collection in collections:
        def equal(name=collection):
            answers = list(copies_through(test, cluster, name).values())
            assert all(answer == answers[0] for answer in answers), "copies differ"
            return True
        cluster.until(f"all copies of {collection} are equal", equal, 30)
        check_digests(test, cluster, collection)


def check_digests(test, cluster, collection):
    """GET /shards/{id}: every copy is in sync and has a digest, all of the same sequence and equal. All get there in time."""
    shards = [s["shard_id"] for s in cluster.shards() if s["collection"] == collection]
    assert shards, f"{collection} has no shards"
    for shard in shards:
        def equal(id_=shard):
            unequal = copies_problem(test.expect(cluster.ask(f"/api/v1/cluster/shards/{id_}")))
            assert unequal is None, f"shard {id_}: {unequal}"
            return True
        cluster.until(f"the digests of shard {shard} are equal", equal, 30)
