"""Is the history of one key that of a register: is there an order of its operations that keeps real time and that every read agrees with?

The search walks through calls and returns in time (Wing and Gong, with the just-in-time order of Lowe). A configuration is the value
of the register and the calls under way that have taken effect already. An operation without an answer never returns: it may take
effect at any time after its call, or never.
"""

import history as h

MAX_CONFIGURATIONS = 50_000


class Undecided(Exception):
    """Too many calls without an answer at one key; says nothing about the history."""


def _relevant(operations):
    """Without what cannot matter: what was refused, reads without an answer, and unanswered values that nobody ever saw."""
    seen = {o.value for o in operations if o.kind == h.READ and o.outcome == h.OK}
    kept = []
    for o in operations:
        if o.outcome == h.FAILED or (o.kind == h.READ and o.outcome != h.OK):
            continue
        if o.outcome == h.UNKNOWN and o.value not in seen:
            continue
        kept.append(o)
    return sorted(kept, key=lambda o: o.call)


def _events(operations):
    """(time, is return, index), calls before returns at the same moment: that only allows more."""
    calls = [(o.call, 0, i) for i, o in enumerate(operations)]
    returns = [(o.returned, 1, i) for i, o in enumerate(operations) if o.outcome == h.OK]
    return sorted(calls + returns)


def _take_effect(operations, value, index):
    """The value afterwards, or `...` where a read disagrees."""
    if operations[index].kind == h.READ:
        return value if operations[index].value == value else ...
    return operations[index].value


def _closure(operations, start, pending):
    """Every configuration that calls under way can lead to."""
    found, work = set(start), list(start)
    while work:
        value, done = work.pop()
        for index in pending:
            if index in done:
                continue
            after = _take_effect(operations, value, index)
            if after is ...:
                continue
            configuration = (after, done | {index})
            if configuration not in found:
                found.add(configuration)
                work.append(configuration)
                if len(found) > MAX_CONFIGURATIONS:
                    raise Undecided(f"key {operations[0].key!r}: more than {MAX_CONFIGURATIONS} configurations")
    return found


def first_violation(operations, initial=None):
    """None if the operations of one key are linearizable, else the first that cannot be explained by those before it."""
    operations = _relevant(operations)
    configurations, pending = {(initial, frozenset())}, []
    for _, is_return, index in _events(operations):
        if not is_return:
            pending.append(index)
            continue
        reachable = _closure(operations, configurations, pending)
        configurations = {(value, done - {index}) for value, done in reachable if index in done}
        pending.remove(index)
        if not configurations:
            return operations[index]
    return None


def check(history):
    """What is wrong, in words; empty if every key is a register."""
    problems = []
    for key, operations in history.by_key().items():
        try:
            violation = first_violation(operations)
        except Undecided as undecided:
            problems.append(f"undecided: {undecided}")
            continue
        if violation is not None:
            around = [o for o in sorted(operations, key=lambda o: o.call) if o.call <= violation.returned]
            problems.append(f"key {key!r} is no register: nothing explains\n  {violation!r}\nafter\n" +
                            "".join(f"  {o!r}\n" for o in around[-25:]))
    return problems
