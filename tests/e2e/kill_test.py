"""Durability: concurrent writers, kill -9 at random moments, and a look at everything after each restart.

Each writer owns a range of ids and notes, per id, the last acknowledged state and what an operation without an answer may
have left. $VECTORIZER_KILL_ROUNDS rounds (4 by default; scripts/kill-test runs 50), $VECTORIZER_KILL_WRITERS writers (6).
"""

import http.client
import os
import random
import threading
import time

import harness

ROUNDS = int(os.environ.get("VECTORIZER_KILL_ROUNDS", "4"))
WRITERS = int(os.environ.get("VECTORIZER_KILL_WRITERS", "6"))
IDS_PER_WRITER = 160
DIMENSION = 8
COLLECTION = "/collections/killed"
ABSENT = None


class Writer:
    """Writes its own ids until the connection breaks. `state` is what was acknowledged; `open` what may also be there."""

    def __init__(self, number, seed):
        self.number = number
        self.rng = random.Random(seed)
        first = number * IDS_PER_WRITER
        self.ids = [i if i % 3 else f"writer-{number}/ü{i}" for i in range(first, first + IDS_PER_WRITER)]
        self.state = {id_: ABSENT for id_ in self.ids}
        self.graves = {}  # id -> the vector it had when its delete was acknowledged
        self.open = {}
        self.version = 0
        self.acknowledged = 0
        self.problem = None

    def value(self):
        """A vector and a payload that name the same version: half of one and half of another shows."""
        self.version += 1
        payload = {"writer": self.number, "version": self.version, "pad": "x" * self.rng.choice((0, 10, 2000))}
        vector = harness.random_vector(self.rng, DIMENSION - 2) + [self.number, self.version % 4096]
        return vector, payload

    def operation(self):
        """(wanted state by id, method, path, body)."""
        kind = self.rng.random()
        ids = self.rng.sample(self.ids, self.rng.choice((1, 1, 2, 8, 32)))
        if kind < 0.65:
            wanted = {id_: self.value() for id_ in ids}
            body = {"vectors": [{"id": id_, "vector": v, "payload": p} for id_, (v, p) in wanted.items()]}
            return wanted, "POST", f"{COLLECTION}/vectors", body
        if kind < 0.8:
            number = self.rng.choice([id_ for id_ in self.ids if isinstance(id_, int)])
            wanted = {number: self.value()}
            vector, payload = wanted[number]
            return wanted, "PUT", f"{COLLECTION}/vectors/{number}", {"vector": vector, "payload": payload}
        return {id_: ABSENT for id_ in ids}, "POST", f"{COLLECTION}/vectors/delete", {"ids": ids}

    def run(self, port):
        client = harness.Client(port, timeout=30)
        try:
            while True:
                wanted, method, path, body = self.operation()
                self.open = wanted
                reply = client.request(method, path, body)
                if reply.status == 429:  # refused before anything was applied
                    self.open = {}
                    continue
                if reply.status != 200:
                    self.problem = f"writer {self.number}: {method} {path}: {reply!r}"
                    return
                self.acknowledge()
        except (OSError, http.client.HTTPException):
            pass  # killed: `open` says what is undecided
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = f"writer {self.number}: {problem!r}"
        finally:
            client.close()

    def acknowledge(self):
        for id_, value in self.open.items():
            self.settle(id_, value)
        self.open = {}
        self.acknowledged += 1

    def settle(self, id_, value):
        if value is ABSENT and self.state[id_] is not ABSENT:
            self.graves[id_] = self.state[id_][0]
        elif value is not ABSENT:
            self.graves.pop(id_, None)
        self.state[id_] = value


class CollectionChurn:
    """Creates and drops collections beside the writers; the same bookkeeping for their existence."""

    def __init__(self):
        self.state = {}
        self.open = None
        self.next = 0
        self.problem = None

    def run(self, port):
        client = harness.Client(port, timeout=30)
        try:
            while True:
                name, drop = f"churn-{self.next}", self.next % 3 == 2
                if drop:
                    name = f"churn-{self.next - 1}"
                self.open = (name, not drop)
                if drop:
                    reply = client.delete(f"/collections/{name}")
                else:
                    reply = client.post("/collections", {"name": name, "dimension": 4})
                if reply.status != (200 if drop else 201):
                    self.problem = f"{'drop' if drop else 'create'} {name}: {reply!r}"
                    return
                self.state[name] = not drop
                self.open = None
                self.next += 1
        except (OSError, http.client.HTTPException):
            self.next = (self.next // 3 + 1) * 3
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = f"collections: {problem!r}"
        finally:
            client.close()


class KillTest(harness.ServerTest):
    def test_acknowledged_writes_survive_kill_9(self):
        rng = random.Random(harness.seed())
        # A low threshold puts the graph, its saved file and its replay into the game.
        server = self.start_server(environment={"VECTORIZER_INDEX_GRAPH_THRESHOLD": "200"})
        client = server.client()
        self.expect(client.post("/collections", {"name": "killed", "dimension": DIMENSION, "metric": "euclidean",
                                                 "sharding": {"shard_count": 3}}), 201)
        client.close()
        writers = [Writer(n, rng.randrange(2**32)) for n in range(WRITERS)]
        churn = CollectionChurn()

        for round_number in range(ROUNDS):
            with self.subTest(round=round_number):
                self.write_until_killed(server, writers, churn, rng.uniform(0.1, 1.5))
                if rng.random() < 0.3:  # a recovery that is interrupted is recovered from as well
                    server.start(wait=False)
                    time.sleep(rng.uniform(0, 0.4))
                    server.kill()
                server.start()
                self.check_everything(server, writers, churn)
            if self._failed():
                break
        total = sum(writer.acknowledged for writer in writers)
        print(f"{ROUNDS} kills, {total} acknowledged writes", flush=True)
        self.assertGreater(total, ROUNDS, "hardly anything was written: the test shows nothing")
        self.assertEqual(server.terminate(), 0)

    def write_until_killed(self, server, writers, churn, seconds):
        threads = [threading.Thread(target=w.run, args=(server.port,)) for w in [*writers, churn]]
        for thread in threads:
            thread.start()
        time.sleep(seconds)  # the random moment, not a synchronisation
        server.kill()
        for thread in threads:
            thread.join()
        self.assertEqual([w.problem for w in [*writers, churn] if w.problem], [])

    def check_everything(self, server, writers, churn):
        client = server.client()
        present = {}
        for writer in writers:
            self.check_state(client, writer)
            present.update({id_: value for id_, value in writer.state.items() if value is not ABSENT})
        self.check_scroll_and_count(client, present)
        self.check_search(client, present, writers)
        self.check_collections(client, churn)
        client.close()

    def check_state(self, client, writer):
        reply = self.expect(client.post(f"{COLLECTION}/vectors/get",
                                        {"ids": writer.ids, "with_vector": True, "with_payload": True}))
        found = {v["id"]: (v["vector"], v.get("payload") or {}) for v in reply["vectors"]}
        self.assertEqual(len(found) + len(reply["missing"]), len(writer.ids))
        for id_ in writer.ids:
            is_there, acknowledged = found.get(id_, ABSENT), writer.state[id_]
            if id_ in writer.open:
                self.assertIn(is_there, (acknowledged, writer.open[id_]), f"{id_!r}: neither before nor after, whole")
                writer.settle(id_, is_there)
            else:
                self.assertEqual(is_there, acknowledged, f"{id_!r}: not what was acknowledged")
        writer.open = {}

    def check_scroll_and_count(self, client, present):
        self.assertEqual(self.expect(client.post(f"{COLLECTION}/vectors/count", {}))["count"], len(present))
        self.assertEqual(self.expect(client.get(COLLECTION))["vector_count"], len(present))
        for writer in {payload["writer"] for _, payload in present.values()}:
            wanted = sum(payload["writer"] == writer for _, payload in present.values())
            where = {"must": [{"key": "writer", "match": {"value": writer}}]}
            self.assertEqual(self.expect(client.post(f"{COLLECTION}/vectors/count", {"filter": where}))["count"], wanted)
        scrolled, cursor = [], None
        while True:
            body = {"limit": 1000} if cursor is None else {"limit": 1000, "cursor": cursor}
            page = self.expect(client.post(f"{COLLECTION}/vectors/scroll", body))
            scrolled += [vector["id"] for vector in page["vectors"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        numbers = sorted(id_ for id_ in present if isinstance(id_, int))
        texts = sorted((id_ for id_ in present if isinstance(id_, str)), key=str.encode)
        self.assertEqual(scrolled, numbers + texts)

    def search_all(self, client, vectors):
        for first in range(0, len(vectors), 200):
            searches = [{"vector": v, "limit": 5, "with_payload": False, "params": {"exact": True}}
                        for v in vectors[first:first + 200]]
            yield from self.expect(client.post(f"{COLLECTION}/search/batch", {"searches": searches}))["results"]

    def check_search(self, client, present, writers):
        ids = list(present)
        for id_, answer in zip(ids, self.search_all(client, [present[id_][0] for id_ in ids])):
            at_zero = [hit["id"] for hit in answer["results"] if hit["score"] == 0]
            self.assertIn(id_, at_zero, f"{id_!r} is not found by its own vector")
        graves = {id_: vector for writer in writers for id_, vector in writer.graves.items()}
        ids = list(graves)
        for id_, answer in zip(ids, self.search_all(client, [graves[id_] for id_ in ids])):
            self.assertNotIn(id_, [hit["id"] for hit in answer["results"]], f"{id_!r} was deleted and is found")

    def check_collections(self, client, churn):
        listed = self.expect(client.get("/collections"))
        names = {collection["name"] for collection in listed["collections"]}
        self.assertEqual(listed["total_collections"], len(names))
        for name, alive in churn.state.items():
            if churn.open is None or churn.open[0] != name:
                self.assertEqual(name in names, alive, f"collection {name}")
        if churn.open is not None:
            churn.state[churn.open[0]] = churn.open[0] in names
            churn.open = None
        self.assertEqual(names, {"killed"} | {name for name, alive in churn.state.items() if alive})


if __name__ == "__main__":
    harness.main()
