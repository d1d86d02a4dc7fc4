"""Readers of the vector files that the end-to-end tests import, and where to find them.

A directory with the files is $VECTORIZER_TEST_DATA, else ../shared/data beside the source tree. Without either, a seeded
generated set of the same shape stands in, and says so: it checks the machinery, not the real distribution.
"""

import array
import gzip
import json
import math
import os
import random
import sys

from harness import SOURCE_DIR


def directory():
    """The directory of real data, or None."""
    for candidate in (os.environ.get("VECTORIZER_TEST_DATA"), os.path.join(os.path.dirname(SOURCE_DIR), "shared", "data")):
        if candidate and os.path.isdir(candidate):
            return candidate
    return None


def _bytes(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        return file.read()


def _rows(path, typecode):
    """Rows of int32 dimension followed by that many values."""
    data = _bytes(path)
    width = array.array(typecode).itemsize
    rows, at = [], 0
    while at < len(data):
        dimension = int.from_bytes(data[at:at + 4], "little", signed=True)
        end = at + 4 + dimension * width
        if not 0 < dimension <= 65536 or end > len(data):
            raise ValueError(f"{path}: row {len(rows)} at byte {at} is damaged (dimension {dimension})")
        row = array.array(typecode, data[at + 4:end])
        if sys.byteorder == "big" and width > 1:
            row.byteswap()
        rows.append(row)
        at = end
    return rows


def read_fvecs(path):
    return _rows(path, "f")


def read_bvecs(path):
    return _rows(path, "B")


def read_ivecs(path):
    return _rows(path, "i")


def read_jsonl(path):
    return [json.loads(line) for line in _bytes(path).decode("utf-8").splitlines() if line.strip()]


class Dataset:
    """Base vectors (row i has id i), queries, and per metric the ids of the exact nearest, best first."""

    def __init__(self, name, base, queries, truth, payload, generated):
        self.name = name
        self.base = base
        self.queries = queries
        self.truth = truth
        self.payload = payload
        self.generated = generated

    @property
    def dimension(self):
        return len(self.base[0])


def _real(folder, name, suffix, reader, packed):
    zipped = ".gz" if packed else ""
    path = lambda part: os.path.join(folder, f"{name}.{part}{zipped}")
    return Dataset(name, reader(path(f"base.{suffix}")), reader(path(f"query.{suffix}")),
                   {"cosine": read_ivecs(path("gt_cos.ivecs")), "euclidean": read_ivecs(path("gt_l2.ivecs"))},
                   read_jsonl(path("payload.jsonl")), generated=False)


def exact_nearest(base, query, metric, count):
    """Ids of the nearest rows in double precision, ties by smaller id."""
    if metric == "euclidean":
        key = lambda row: math.dist(row, query)
    else:
        norm = lambda row: math.sqrt(sum(x * x for x in row)) or 1.0
        query_norm = norm(query)
        key = lambda row: -sum(x * y for x, y in zip(row, query)) / (norm(row) * query_norm)
    return [i for _, i in sorted((key(row), i) for i, row in enumerate(base))[:count]]


def _generated(name, rows, queries, dimension, seed):
    rng = random.Random(seed)
    centres = [[rng.gauss(0, 1) for _ in range(dimension)] for _ in range(40)]
    point = lambda: [x + rng.gauss(0, 0.4) for x in rng.choice(centres)]
    base = [array.array("f", point()) for _ in range(rows)]
    asked = [array.array("f", point()) for _ in range(queries)]
    truth = {metric: [exact_nearest(base, query, metric, 10) for query in asked] for metric in ("cosine", "euclidean")}
    payload = [{"label": rng.randrange(10)} for _ in range(rows)]
    print(f"{name}: no real data (set VECTORIZER_TEST_DATA): using generated vectors, seed {seed}", flush=True)
    return Dataset(name, base, asked, truth, payload, generated=True)


def emoji2vec():
    folder = directory()
    if folder and os.path.exists(os.path.join(folder, "emoji2vec.base.fvecs")):
        return _real(folder, "emoji2vec", "fvecs", read_fvecs, packed=False)
    return _generated("emoji2vec", 1500, 30, 64, seed=1)


def fashion3k():
    folder = directory()
    if folder and os.path.exists(os.path.join(folder, "fashion3k.base.bvecs.gz")):
        return _real(folder, "fashion3k", "bvecs", read_bvecs, packed=True)
    return _generated("fashion3k", 3400, 30, 64, seed=2)
