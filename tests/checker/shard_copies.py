"""Whether the copies of a shard are shown to be equal. What is not shown is a problem, not a pass."""

import re

DIGEST = re.compile(r"[0-9a-f]{32}")


def copies_problem(detail):
    """Of an answer of GET /api/v1/cluster/shards/{id}: what keeps its copies from being equal, or None."""
    copies = detail.get("copies") or []
    if not copies:
        return "there are no copies"
    for copy in copies:
        if copy.get("in_sync") is not True:
            return f"the copy on {copy.get('node')} is not in sync: {copy.get('state')}"
        if not isinstance(copy.get("digest"), str) or not DIGEST.fullmatch(copy["digest"]):
            return f"the copy on {copy.get('node')} has no digest: {copy.get('digest_problem')}"
        if copy.get("digest_sequence") is None:
            return f"the copy on {copy.get('node')} does not say of which sequence its digest is"
    # An entry of the log without changes leaves no trace in the points: equal contents may be of different sequences.
    if len({copy["digest"] for copy in copies}) != 1:
        return f"the copies differ: {copies}"
    if detail.get("copies_equal") is not True:
        return f"copies_equal is {detail.get('copies_equal')}"
    return None
