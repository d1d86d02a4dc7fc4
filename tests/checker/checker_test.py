"""The checkers accept what may happen and catch what is planted."""

import os
import random
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import history as h  # pylint: disable=wrong-import-position
import register_check
import unique_ids
from shard_copies import copies_problem


def op(kind, value, call, returned, outcome=h.OK, key="k"):
    return h.Operation(kind, key, value, call, returned, outcome, "test")


def write(value, call, returned, outcome=h.OK, key="k"):
    return op(h.WRITE, value, call, returned, outcome, key)


def read(value, call, returned, key="k"):
    return op(h.READ, value, call, returned, key=key)


def delete(call, returned, outcome=h.OK, key="k"):
    return op(h.DELETE, None, call, returned, outcome, key)


class RegisterTest(unittest.TestCase):
    def accepts(self, *operations):
        self.assertEqual(register_check.check(h.History(operations)), [])

    def refuses(self, *operations):
        problems = register_check.check(h.History(operations))
        self.assertEqual(len(problems), 1, problems)
        self.assertIn("no register", problems[0])

    def test_a_key_begins_absent(self):
        self.accepts(read(None, 0, 1), write(1, 2, 3), read(1, 4, 5))
        self.refuses(read(1, 0, 1), write(1, 2, 3))

    def test_an_acknowledged_write_is_not_lost(self):
        self.refuses(write(1, 0, 1), read(None, 2, 3))
        self.refuses(write(1, 0, 1), write(2, 2, 3), read(1, 4, 5))

    def test_a_deleted_key_does_not_return(self):
        self.accepts(write(1, 0, 1), delete(2, 3), read(None, 4, 5))
        self.refuses(write(1, 0, 1), delete(2, 3), read(1, 4, 5))

    def test_reads_beside_a_write_see_it_or_not_but_never_go_back(self):
        self.accepts(write(1, 0, 10), read(None, 1, 2), read(1, 3, 4), read(1, 5, 6))
        self.refuses(write(1, 0, 10), read(None, 1, 2), read(1, 3, 4), read(None, 5, 6))

    def test_concurrent_writes_have_one_order(self):
        self.accepts(write(1, 0, 10), write(2, 0, 10), read(1, 1, 2), read(2, 3, 4))
        self.refuses(write(1, 0, 10), write(2, 0, 10), read(1, 1, 2), read(2, 3, 4), read(1, 5, 6))

    def test_an_unknown_write_may_happen_late_or_never(self):
        self.accepts(write(1, 0, 1), write(2, 2, 3, h.UNKNOWN), read(1, 4, 5), read(2, 6, 7))
        self.accepts(write(1, 0, 1), write(2, 2, 3, h.UNKNOWN), read(1, 4, 5), read(1, 6, 7))

    def test_an_unknown_write_happens_once(self):
        self.refuses(write(2, 0, 1, h.UNKNOWN), read(2, 2, 3), write(3, 4, 5), read(3, 6, 7), read(2, 8, 9))

    def test_an_unknown_write_does_not_happen_before_its_call(self):
        self.refuses(read(2, 0, 1), write(2, 2, 3, h.UNKNOWN))

    def test_an_unknown_delete_happens_once(self):
        self.accepts(write(1, 0, 1), delete(2, 3, h.UNKNOWN), read(1, 4, 5), read(None, 6, 7))
        self.refuses(write(1, 0, 1), delete(2, 3, h.UNKNOWN), read(None, 4, 5), write(2, 6, 7), read(None, 8, 9))

    def test_a_refused_write_never_happens(self):
        self.refuses(write(1, 0, 1), write(2, 2, 3, h.FAILED), read(2, 4, 5))

    def test_keys_are_apart(self):
        self.accepts(write(1, 0, 1, key="a"), read(None, 2, 3, key="b"), read(1, 2, 3, key="a"))

    def test_too_many_unknown_calls_are_undecided_and_not_passed(self):
        unknown = [write(i, 0, 1, h.UNKNOWN) for i in range(30)]
        late = [read(i, 2 + i, 2.5 + i) for i in range(30)]
        problems = register_check.check(h.History(unknown + late))
        self.assertEqual(len(problems), 1)
        self.assertIn("undecided", problems[0])

    def test_random_histories_of_a_real_register_pass_and_a_planted_lie_does_not(self):
        rng = random.Random(20)
        for _ in range(60):
            operations = self.simulate(rng)
            self.accepts(*operations)
            reads = [o for o in operations if o.kind == h.READ]
            rng.choice(reads).value = "never written"
            self.refuses(*operations)

    def simulate(self, rng):
        """Calls take effect at one moment between call and return; some answers get lost, some of these before the effect."""
        plans = []
        for number in range(40):
            call = rng.uniform(0, 20)
            effect, returned = sorted((call + rng.uniform(0.01, 2), call + rng.uniform(0.01, 2)))
            kind = h.READ if number == 0 else rng.choice((h.WRITE, h.READ, h.DELETE))
            lost = kind != h.READ and rng.random() < 0.15
            if lost and rng.random() < 0.3:
                effect = 100  # never, or after all
            plans.append((effect, call, returned, kind, number, h.UNKNOWN if lost else h.OK))
        value, operations = None, []
        for _, call, returned, kind, number, outcome in sorted(plans):
            if kind != h.READ:
                value = number if kind == h.WRITE else None
            operations.append(op(kind, value, call, returned, outcome))
        return operations


class UniqueIdsTest(unittest.TestCase):
    def problems(self, *operations):
        return unique_ids.check(h.History(operations))

    def listing(self, ids, call, returned):
        return h.Operation(h.LIST, None, ids, call, returned, h.OK)

    def test_what_was_acknowledged_is_there(self):
        self.assertEqual(self.problems(write(1, 0, 1, key=1), self.listing([1], 2, 3)), [])
        self.assertIn("lost", self.problems(write(1, 0, 1, key=1), self.listing([], 2, 3))[0])

    def test_what_was_deleted_is_gone(self):
        gone = [write(1, 0, 1, key=1), delete(2, 3, key=1)]
        self.assertEqual(self.problems(*gone, self.listing([], 4, 5)), [])
        self.assertIn("deleted", self.problems(*gone, self.listing([1], 4, 5))[0])

    def test_what_was_refused_is_not_there(self):
        self.assertIn("refused", self.problems(write(1, 0, 1, h.FAILED, key=1), self.listing([1], 2, 3))[0])

    def test_nothing_is_there_twice(self):
        self.assertIn("twice", self.problems(write(1, 0, 1, key=1), self.listing([1, 1], 2, 3))[0])

    def test_nothing_comes_from_nowhere(self):
        self.assertIn("never written", self.problems(self.listing([7], 2, 3))[0])
        self.assertIn("refused", self.problems(write(1, 4, 5, key=1), self.listing([1], 2, 3))[0])

    def test_what_is_unknown_or_under_way_may_be_there_or_not(self):
        for ids in ([1], []):
            self.assertEqual(self.problems(write(1, 0, 1, h.UNKNOWN, key=1), self.listing(ids, 2, 3)), [])
            self.assertEqual(self.problems(write(1, 0, 1, key=1), self.listing(ids, 0.5, 3)), [])
            self.assertEqual(self.problems(write(1, 0, 1, key=1), delete(2, 3, h.UNKNOWN, key=1), self.listing(ids, 4, 5)), [])
            self.assertEqual(self.problems(write(1, 0, 1, h.UNKNOWN, key=1), delete(2, 3, key=1), self.listing(ids, 4, 5)), [])


class HistoryTest(unittest.TestCase):
    def test_a_saved_history_is_judged_the_same(self):
        saved = h.History([write(1, 0, 1), read(None, 2, 3)], seed=7)
        with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
            saved.save(file.name)
            loaded = h.load(file.name)
        self.assertEqual(loaded.seed, 7)
        self.assertEqual(register_check.check(loaded), register_check.check(saved))
        self.assertEqual(len(register_check.check(loaded)), 1)


def shard_detail(**of_second):
    first = {"node": "node-1", "in_sync": True, "digest": "0123456789abcdef" * 2, "digest_sequence": 7}
    return {"copies": [first, {**first, "node": "node-2", **of_second}], "copies_equal": True}


class ShardCopiesTest(unittest.TestCase):
    def test_equal_copies_pass(self):
        self.assertIsNone(copies_problem(shard_detail()))
        self.assertIsNone(copies_problem(shard_detail(digest_sequence=8)), "an entry without changes")

    def test_what_is_not_shown_is_a_problem(self):
        for problem in ({"digest": None, "digest_problem": "away"}, {"digest": ""}, {"digest_sequence": None}, {"in_sync": False},
                        {"digest": "f" * 32}):
            self.assertIsNotNone(copies_problem(shard_detail(**problem)), problem)
        unshown = shard_detail()
        del unshown["copies"][1]["digest"]
        self.assertIn("no digest", copies_problem(unshown))
        for detail in ({}, {"copies": []}, {**shard_detail(), "copies_equal": None}, {"copies": shard_detail()["copies"]}):
            self.assertIsNotNone(copies_problem(detail), detail)


if __name__ == "__main__":
    unittest.main(verbosity=2)
