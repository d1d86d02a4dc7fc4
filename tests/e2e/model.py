"""What a collection should hold and answer, in the plainest Python: the reference that model_test compares with.

Filters follow the contract's words; keys split at dots and go through arrays element by element.
"""

import copy
import math


def id_order(id_):
    """Integers by number, then strings by bytes."""
    return (0, id_, b"") if isinstance(id_, int) else (1, 0, id_.encode())


def merge_patch(target, patch):
    """RFC 7396."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def values_at(value, path):
    """Every value that the path reaches; arrays on the way are entered."""
    if not path:
        return [value]
    if isinstance(value, list):
        return [found for element in value for found in values_at(element, path)]
    if isinstance(value, dict) and path[0] in value:
        return values_at(value[path[0]], path[1:])
    return []


def _scalars(found):
    """An array at the end of a path holds if some element does."""
    return [x for value in found for x in (value if isinstance(value, list) else [value])]


def _equal(a, b):
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return a == b


def _in_range(value, bounds):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    compare = {"gt": lambda b: value > b, "gte": lambda b: value >= b, "lt": lambda b: value < b, "lte": lambda b: value <= b}
    return all(compare[name](bound) for name, bound in bounds.items())


def condition_holds(condition, id_, payload):
    if "has_id" in condition:
        return any(type(id_) is type(x) and id_ == x for x in condition["has_id"])
    if "nested" in condition:
        nested = condition["nested"]
        elements = _scalars(values_at(payload, nested["key"].split(".")))
        return any(isinstance(x, dict) and filter_holds(nested["filter"], id_, x) for x in elements)
    if "key" not in condition:
        return filter_holds(condition, id_, payload)
    found = values_at(payload, condition["key"].split("."))
    if "match" in condition:
        match, scalars = condition["match"], _scalars(found)
        if "value" in match:
            return any(_equal(x, match["value"]) for x in scalars)
        if "any" in match:
            return any(_equal(x, wanted) for x in scalars for wanted in match["any"])
        return any(not any(_equal(x, excluded) for excluded in match["except"]) for x in scalars)
    if "range" in condition:
        return any(_in_range(x, condition["range"]) for x in _scalars(found))
    if "exists" in condition:
        return bool(found) == condition["exists"]
    if "is_null" in condition:
        return (None in _scalars(found)) == condition["is_null"]
    if "is_empty" in condition:
        return all(x is None or x == [] for x in found) == condition["is_empty"]
    if "values_count" in condition:
        count = sum(len(x) if isinstance(x, list) else 1 for x in found)
        return _in_range(count, condition["values_count"])
    raise AssertionError(f"unknown condition {condition}")


def filter_holds(filter_, id_, payload):
    holds = lambda condition: condition_holds(condition, id_, payload)
    if not all(map(holds, filter_.get("must", []))) or any(map(holds, filter_.get("must_not", []))):
        return False
    if filter_.get("should") and not any(map(holds, filter_["should"])):
        return False
    if "min_should" in filter_:
        wanted = filter_["min_should"]
        return sum(map(holds, wanted["conditions"])) >= wanted["count"]
    return True


class Model:
    """id -> (vector, payload)."""

    def __init__(self, metric):
        self.metric = metric
        self.points = {}

    def upsert(self, id_, vector, payload):
        self.points[id_] = (list(vector), copy.deepcopy(payload or {}))

    def patch(self, id_, vector, payload):
        old_vector, old_payload = self.points[id_]
        merged = old_payload if payload is None else merge_patch(old_payload, payload)
        self.points[id_] = (list(vector) if vector else old_vector, merged)

    def edit(self, id_, mode, payload, keys):
        vector, old = self.points[id_]
        if mode == "merge":
            new = merge_patch(old, payload)
        elif mode == "set":
            new = {**old, **copy.deepcopy(payload)}
        elif mode == "replace":
            new = copy.deepcopy(payload)
        elif mode == "delete_keys":
            new = {key: value for key, value in old.items() if key not in keys}
        else:
            new = {}
        self.points[id_] = (vector, new)

    def matching(self, filter_):
        return sorted((id_ for id_, (_, payload) in self.points.items() if filter_ is None or filter_holds(filter_, id_, payload)),
                      key=id_order)

    def score(self, id_, query):
        vector = self.points[id_][0]
        if self.metric == "euclidean":
            return math.dist(vector, query)
        dot = sum(x * y for x, y in zip(vector, query))
        if self.metric == "dot":
            return dot
        norms = math.sqrt(sum(x * x for x in vector) * sum(x * x for x in query))
        return dot / norms if norms else 0.0

    def ranking(self, query, filter_):
        """[(score, id)], best first, ties by id."""
        sign = 1 if self.metric == "euclidean" else -1
        scored = [(self.score(id_, query), id_) for id_ in self.matching(filter_)]
        return sorted(scored, key=lambda pair: (sign * pair[0], id_order(pair[1])))
