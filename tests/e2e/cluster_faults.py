"""Faults of a cluster with a workload: each hurts it, shows what must hold meanwhile, and heals it."""

import http.client
import threading
import time

import harness

LEASE_SECONDS = 3
WRITE_SECONDS = {"VECTORIZER_SERVER_WRITE_TIMEOUT_MS": "10000"}  # longer than a failover; what cannot succeed is told sooner
PROBES = 20  # collections that are created until one has its primary where it is wanted


class Probe:
    """A collection of one shard: when does it take writes again?"""

    def __init__(self, test, cluster, primary):
        """`primary` says which node the primary may be on."""
        self.cluster = cluster
        for number in range(PROBES):
            name = f"probe-{time.monotonic_ns()}"
            test.create(cluster, name, 1, sharding={"shard_count": 1, "replication_factor": 3})
            self.path, self.name = f"/collections/{name}", name
            self.primary = cluster.primary_of(name)
            if primary(self.primary):
                cluster.wait_green()
                cluster.until("the probe takes writes", self.takes_writes)
                return
            cluster.some().client().delete(self.path)
        raise AssertionError(f"no probe of {number + 1} has its primary where it is wanted")

    def takes_writes(self):
        client = harness.Client(self.cluster.some().port)
        reply = client.put(f"{self.path}/vectors/1", {"vector": [1]})
        client.close()
        assert reply.status == 200, repr(reply)
        return True

    def seconds_until_acknowledged(self, begin, seconds=60):
        """Writes through every node that answers, until the first is acknowledged; seconds since `begin`."""
        done, first = threading.Event(), []

        def write(node):
            client = harness.Client(node.port, timeout=seconds)
            while not done.is_set():
                try:
                    if client.put(f"{self.path}/vectors/1", {"vector": [2]}).status == 200:
                        first.append(time.monotonic() - begin)
                        done.set()
                except (OSError, http.client.HTTPException):
                    pass
                done.wait(0.05)
            client.close()

        threads = [threading.Thread(target=write, args=(node,), daemon=True) for node in self.cluster.nodes if node.answers()]
        for thread in threads:
            thread.start()
        if not done.wait(seconds):
            done.set()
            raise AssertionError(f"{self.name} takes no write {seconds} s after its primary {self.primary.id} failed\n" + "".join(
                f"--- {node.id}\n{node.log(40)}" for node in self.cluster.nodes))
        for thread in threads:  # what they have sent may be done later, over what is written next
            thread.join(seconds)
        return min(first)

    def drop(self):
        client = self.cluster.some().client()
        client.delete(self.path)
        client.close()


def ask_stale(node, path, method="GET", body=None):
    """What a node that was just resumed or is cut off answers; None if nothing in time."""
    client = harness.Client(node.port, timeout=45)
    try:
        return client.request(method, path, body)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        client.close()


class Faults:
    """Needs a cluster of three. Failover times go to `self.times`: kind -> seconds."""

    def __init__(self, test, cluster, rng):
        self.test, self.cluster, self.rng = test, cluster, rng
        self.times = {}

    def note(self, kind, seconds):
        self.times.setdefault(kind, []).append(seconds)

    def kill_random(self):
        victim = self.rng.choice(self.cluster.nodes)
        victim.kill()
        self.cluster.until("the others serve", lambda: self.cluster.leader() is not victim)
        self.cluster.restart(victim)

    def kill_primary(self):
        """A primary that does not lead the metadata."""
        self.fail_over("primary", lambda node: node is not self.cluster.leader(), lambda node: node.kill())

    def kill_primary_and_leader(self):
        self.fail_over("primary+leader", lambda node: node is self.cluster.leader(), lambda node: node.kill())

    def fail_over(self, kind, which, hurt):
        probe = Probe(self.test, self.cluster, which)
        begin = time.monotonic()
        hurt(probe.primary)
        self.note(kind, probe.seconds_until_acknowledged(begin))
        self.cluster.restart(probe.primary)
        probe.drop()

    def kill_leader(self):
        leader = self.cluster.leader()
        leader.kill()
        self.cluster.until("another leads", lambda: self.cluster.leader() is not leader)
        self.cluster.restart(leader)

    def kill_two(self):
        """The last one acknowledges nothing; all heals when they return."""
        alone = self.rng.choice(self.cluster.nodes)
        dead = self.cluster.others(alone)
        for node in dead:
            node.kill()
        self.check_alone(alone)
        self.cluster.restart(*dead)

    def check_alone(self, alone):
        """Whatever it is asked to change, the answer is no. The lease may be a moment old."""
        def refuses():
            reply = ask_stale(alone, "/collections", "POST", {"name": "minority", "dimension": 1})
            self.test.assertIsNotNone(reply)
            return reply.status == 503 and reply.json["error_type"] == "no_leader"
        self.cluster.until(f"{alone.id} alone refuses changes", refuses)
        time.sleep(LEASE_SECONDS)  # its last lease runs out: nothing may be acknowledged from here on
        reply = ask_stale(alone, "/collections/registers/vectors", "POST", {"vectors": [
            {"id": f"alone-{n}", "vector": [0, 0, 0, 1]} for n in range(20)]})
        self.test.assertIsNotNone(reply)
        self.test.assertEqual(reply.status // 100, 5, f"{alone.id} alone acknowledged a write: {reply!r}")
        if reply.json["error_type"] == "partial_write":
            self.test.assertEqual(reply.json["details"]["applied"], 0, repr(reply))

    def kill_all(self):
        for node in self.cluster.nodes:
            node.kill()
        order = list(self.cluster.nodes)
        self.rng.shuffle(order)
        self.cluster.restart(*order)

    def restart_storm(self):
        """Nodes die while they recover."""
        for _ in range(6):
            victim = self.rng.choice(self.cluster.nodes)
            if victim.running():
                victim.kill()
            victim.start(wait=False)
            time.sleep(self.rng.uniform(0, 0.7))  # the random moment, not a synchronisation
        self.cluster.tell_pids()
        self.cluster.wait_ready()

    def pause_primary(self):
        self.pause("paused primary", lambda node: node is not self.cluster.leader())

    def pause_leader(self):
        self.pause("paused primary+leader", lambda node: node is self.cluster.leader())

    def pause(self, kind, which):
        """Longer than the lease. What it answers when it goes on must not be of before."""
        probe = Probe(self.test, self.cluster, which)
        stale = probe.primary
        begin = time.monotonic()
        stale.pause()
        self.note(kind, probe.seconds_until_acknowledged(begin))
        time.sleep(max(0.0, self.rng.uniform(5, 8) - (time.monotonic() - begin)))
        self.test.assertEqual(self.cluster.some().client().put(f"{probe.path}/vectors/1", {"vector": [3]}).status, 200)
        stale.resume()
        self.check_not_stale(stale, probe, 3)
        probe.drop()

    def check_not_stale(self, node, probe, value):
        """The first answers of a node that was superseded: the new value, or a refusal; never the old one."""
        for _ in range(20):
            reply = ask_stale(node, f"{probe.path}/vectors/1")
            if reply is not None and reply.status == 200:
                self.test.assertEqual(reply.json["vector"], [value], f"{node.id} answered a primary read from before its pause")
            else:
                self.test.assertTrue(reply is None or reply.status >= 500, repr(reply))

    def wipe_one(self):
        """Only while everything is fully replicated: the promise counts one failure at a time."""
        self.cluster.wait_green()
        victim = self.rng.choice(self.cluster.nodes)
        victim.kill()
        victim.wipe()
        self.cluster.until("the others serve", lambda: self.cluster.leader() is not victim)
        self.cluster.restart(victim)

    def partition_primary(self):
        """The primary sees nobody, its clients do; the others see each other."""
        probe = Probe(self.test, self.cluster, lambda node: node is not self.cluster.leader())
        self.cut_off("partitioned primary", probe, lambda lonely, others: self.cluster.links.partition(
            [lonely.number], [node.number for node in others]))

    def isolate_leader(self):
        probe = Probe(self.test, self.cluster, lambda node: node is self.cluster.leader())
        self.cut_off("isolated primary+leader", probe, lambda lonely, others: self.cluster.links.partition(
            [lonely.number], [node.number for node in others]))

    def deafen_primary(self):
        """Nothing reaches the primary any more. What it sends arrives, and so do its beats: it seems to be alive."""
        probe = Probe(self.test, self.cluster, lambda node: node is not self.cluster.leader())
        self.cut_off("deaf primary", probe, lambda lonely, others: self.cluster.links.tell(
            cut=[[node.number, lonely.number] for node in others]))

    def cut_off(self, kind, probe, cut):
        lonely, others = probe.primary, self.cluster.others(probe.primary)
        begin = time.monotonic()
        cut(lonely, others)
        self.note(kind, self.acknowledged_by(others, probe, begin))
        reply = ask_stale(lonely, f"{probe.path}/vectors/1", "PUT", {"vector": [9]})
        self.test.assertTrue(reply is None or reply.status >= 500, f"{lonely.id} is cut off and acknowledged: {reply!r}")
        self.check_not_stale(lonely, probe, 2)
        self.cluster.links.heal()
        probe.drop()

    def acknowledged_by(self, nodes, probe, begin):
        for node in self.cluster.others(*nodes):
            node.paused = True  # it answers clients, but is not asked here
        try:
            return probe.seconds_until_acknowledged(begin)
        finally:
            for node in self.cluster.others(*nodes):
                node.paused = False

    def one_way_cut(self):
        """One direction of one pair: nobody may be wrong, and it heals."""
        first, second = self.rng.sample(self.cluster.nodes, 2)
        self.cluster.links.one_way(first.number, second.number)
        time.sleep(self.rng.uniform(3, 8))  # how long it lasts
        self.cluster.links.heal()

    def split_pair(self):
        """Two nodes do not see each other, the third sees both."""
        first, second = self.rng.sample(self.cluster.nodes, 2)
        self.cluster.links.partition([first.number], [second.number])
        time.sleep(self.rng.uniform(3, 8))  # how long it lasts
        self.cluster.links.heal()

    def slow_link(self):
        first, second = self.rng.sample(self.cluster.nodes, 2)
        self.cluster.links.tell(delay=[[first.number, second.number, 0.08], [second.number, first.number, 0.08]])
        time.sleep(3)  # how long it lasts
        self.cluster.links.heal()


PROCESS_FAULTS = ("kill_primary", "pause_primary", "kill_all", "wipe_one", "kill_primary_and_leader", "kill_two", "pause_leader",
                  "restart_storm", "kill_random", "kill_leader")
LINK_FAULTS = ("partition_primary", "deafen_primary", "one_way_cut", "isolate_leader", "split_pair", "slow_link")
