"""What clients saw, one JSON line per operation, so that a run can be judged again long after its cluster is gone.

An operation is a call at one key: `call` and `returned` are seconds of one monotonic clock; `outcome` is

    ok       it was acknowledged
    failed   the reply says that nothing was done
    unknown  anything may have happened, also later: no reply, a broken connection, or a reply that says so
"""

import json
import threading
import time

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"
WRITE, DELETE, READ, LIST = "write", "delete", "read", "list"


class Operation:
    """`value` is what was written or read; None means "not there". A LIST has the ids that it saw, in order."""

    __slots__ = ("kind", "key", "value", "call", "returned", "outcome", "client", "note")

    def __init__(self, kind, key, value, call, returned, outcome, client="", note=""):
        self.kind, self.key, self.value, self.call, self.returned = kind, key, value, call, returned
        self.outcome, self.client, self.note = outcome, client, note

    def to_json(self):
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self):
        end = "..." if self.outcome == UNKNOWN else f"{self.returned:.4f}"
        return f"[{self.call:.4f}, {end}] {self.kind} {self.key!r} {self.value!r} {self.outcome} by {self.client} {self.note}"


class History:
    """Safe to use from many threads."""

    def __init__(self, operations=(), seed=None):
        self.operations = list(operations)
        self.seed = seed
        self._lock = threading.Lock()

    def add(self, kind, key, value, call, outcome, client="", note=""):
        operation = Operation(kind, key, value, call, time.monotonic(), outcome, client, note)
        with self._lock:
            self.operations.append(operation)
        return operation

    def count(self, outcome, kinds=(WRITE, DELETE)):
        with self._lock:
            return sum(o.outcome == outcome and o.kind in kinds for o in self.operations)

    def by_key(self):
        found = {}
        with self._lock:
            for operation in self.operations:
                if operation.kind != LIST:
                    found.setdefault(operation.key, []).append(operation)
        return found

    def save(self, path):
        with self._lock, open(path, "w", encoding="utf-8") as file:
            file.write(json.dumps({"seed": self.seed}) + "\n")
            file.writelines(json.dumps(operation.to_json()) + "\n" for operation in self.operations)


def load(path):
    with open(path, encoding="utf-8") as file:
        head, *lines = [json.loads(line) for line in file]
    return History([Operation(**line) for line in lines], head["seed"])
