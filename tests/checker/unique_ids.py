"""A set of ids that are written once and deleted at most once, and lists of it.

Nothing acknowledged may be missing, nothing deleted may return, nothing refused may appear, nothing may be there twice. A list is
judged by what had ended before it began and by what began before it ended.
"""

import history as h


class _Life:
    """When an id must be there, and when it must not."""

    def __init__(self):
        self.written_from = None   # call of the write, whatever became of it
        self.surely_from = None    # it was acknowledged
        self.doubtful_from = None  # call of a delete that may have happened
        self.gone_from = None      # a delete was acknowledged

    def add(self, operation):
        if operation.outcome == h.FAILED:
            return
        if operation.kind == h.WRITE:
            self.written_from = operation.call
            if operation.outcome == h.OK:
                self.surely_from = operation.returned
        elif operation.kind == h.DELETE:
            self.doubtful_from = min(operation.call, self.doubtful_from or operation.call)
            if operation.outcome == h.OK:
                self.gone_from = min(operation.returned, self.gone_from or operation.returned)

    def must_be_in(self, listing):
        return (self.surely_from is not None and self.surely_from < listing.call
                and (self.doubtful_from is None or self.doubtful_from > listing.returned))

    def must_not_be_in(self, listing):
        if self.written_from is None or self.written_from > listing.returned:
            return True
        # A delete ends an id for ever only if its write had been acknowledged before: else the write may come after it.
        return (self.gone_from is not None and self.gone_from < listing.call
                and self.surely_from is not None and self.surely_from <= self.doubtful_from)


def check(history):
    """What is wrong, in words. Only lists with outcome ok are judged."""
    lives, problems = {}, []
    for operation in history.operations:
        if operation.kind in (h.WRITE, h.DELETE):
            lives.setdefault(operation.key, _Life()).add(operation)
    for listing in history.operations:
        if listing.kind != h.LIST or listing.outcome != h.OK:
            continue
        problems += _check_list(lives, listing)
    return problems


def _check_list(lives, listing):
    where = f"list by {listing.client} at {listing.call:.4f} ({listing.note})"
    found = set(listing.value)
    problems = []
    if len(found) != len(listing.value):
        twice = sorted({repr(id_) for id_ in listing.value if listing.value.count(id_) > 1})
        problems.append(f"{where}: twice: {', '.join(twice[:20])}")
    lost = [id_ for id_, life in lives.items() if id_ not in found and life.must_be_in(listing)]
    if lost:
        problems.append(f"{where}: {len(lost)} acknowledged and lost: {lost[:20]}")
    returned = [id_ for id_ in found if id_ in lives and lives[id_].must_not_be_in(listing)]
    if returned:
        problems.append(f"{where}: {len(returned)} deleted or refused and there: {returned[:20]}")
    strange = [id_ for id_ in found if id_ not in lives]
    if strange:
        problems.append(f"{where}: {len(strange)} never written: {strange[:20]}")
    return problems
