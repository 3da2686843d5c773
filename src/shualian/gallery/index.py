"""Exact search over protected templates in memory.

A room of its own because it is derived state: everything here can be made again from the
database, and nothing here is the truth.

All templates of one operational path under one protection key stand in one half-precision matrix,
and every search compares the probe with every template asked for: no graph, no clusters, nothing
to miss. Measured, milliseconds p50 of one search on one thread of a two-core machine with AVX2:

==================================  =====  =====  =====  =====  =====  =====
templates                              1k    10k    50k     1k    10k    50k
dimension                             128    128    128    512    512    512
==================================  =====  =====  =====  =====  =====  =====
faiss scan of binary16, best 10     0.018  0.094   0.49  0.036   0.41    2.0
numpy product of binary32           0.011   0.17   0.90  0.037   0.64    3.3
numpy product of binary16 (blocks)   0.25    1.6    7.1   0.53    5.3     28
==================================  =====  =====  =====  =====  =====  =====

So faiss scans, at half the memory and half the time of single precision from 10,000 templates
on. A search among named people gathers their rows and multiplies in numpy (300 people 0.06 ms,
5,000 people 1 ms at 128); a selector inside faiss reads the whole matrix's identifiers and wins
only for thousands of people.

Either way the scan only proposes. The best few are scored again in double precision, each row by
itself, so that a score depends on the template and the probe alone: not on who else is searched,
on the row's place or on the processor's vector width. Equal scores are ordered by subject.
"""

import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import faiss
import numpy as np
from numpy.typing import NDArray

from shualian.core.identifiers import TemplateId
from shualian.core.refusals import Refused
from shualian.gallery.model import (
    DIMENSION_MAX,
    NOT_READY,
    Candidate,
    EmbeddingPath,
    HalfVector,
    Probe,
    SubjectId,
    check_probe,
)
from shualian.gallery.protection import Protection

_SINGLE_PRECISION_SLACK = 2 * DIMENSION_MAX * 2**-24
"""More than two inner products of unit vectors can lose in single precision, in any order.

N. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, eq. 3.5: each at most
``d u / (1 - d u)`` with ``u`` = 2**-24.
"""
_ROWS_AT_FIRST = 64


@dataclass(frozen=True, slots=True, eq=False)
class IndexEntry:
    """One protected template on its way into the index."""

    template_id: TemplateId
    subject: SubjectId
    key_id: str
    vector: HalfVector = field(repr=False)


class TemplateIndex:
    """Templates of one operational path under one key; any number of readers, one writer.

    Readers share the matrix; a writer waits for those at work, holds back new ones and works
    alone, so that no search sees half a change. When a removal returns, the vector's bytes are
    overwritten in memory.
    """

    def __init__(self, path: EmbeddingPath) -> None:
        self._path = path
        self._gate = _Gate()
        self._content: _Content | None = None

    @property
    def people(self) -> int:
        """Subjects with at least one template."""
        return len(self._ready.templates_of)

    @property
    def templates(self) -> int:
        """Templates that can be found."""
        return len(self._ready.row_of)

    @property
    def protection(self) -> Protection:
        """The transform under which the templates stand.

        Raises:
            Refused: ``gallery.not_ready`` before the first :meth:`rebuild`.
        """
        return self._ready.protection

    def rebuild(self, protection: Protection, entries: Iterable[IndexEntry]) -> None:
        """Take ``entries`` under ``protection`` in place of everything, in one step for readers.

        Raises:
            ValueError: For an entry of another key or an identifier that stands twice.
        """
        fresh = _Content(protection)
        for entry in entries:
            fresh.insert(entry)
        with self._gate.write():
            old, self._content = self._content, fresh
            if old is not None:
                old.rows.wipe()

    def insert(self, entry: IndexEntry) -> None:
        """Add one template.

        Raises:
            ValueError: When it is there already or stands under another key.
        """
        self.replace((), entry)

    def replace(self, removed: Iterable[TemplateId], entry: IndexEntry) -> None:
        """Remove some templates and add one, in one step for readers."""
        with self._gate.write():
            self._remove(removed)
            self._ready.insert(entry)

    def remove_subject(self, subject: SubjectId) -> None:
        """Remove every template of ``subject``, if any, overwriting the vectors."""
        with self._gate.write():
            if self._content is not None:
                self._remove(tuple(self._content.templates_of.get(subject, ())))

    def search(
        self, probe: Probe, k: int, among: Collection[SubjectId] | None = None
    ) -> list[Candidate]:
        """The ``k`` subjects whose best template is nearest to the probe, best first.

        Args:
            probe: Unprotected, of this index's path.
            k: At most so many subjects; below 1 gives none.
            among: Search only these subjects; those without a template are passed by.

        Raises:
            Refused: ``gallery.not_ready``, ``gallery.path_unknown``,
                ``gallery.embedding_invalid``.
        """
        check_probe(probe, self._path)
        with self._gate.read():
            content = self._ready
            if k < 1:
                return []
            vector = content.protection.protect(probe.embedding)
            if among is None:
                rows = content.proposed_of_all(vector, k)
            else:
                rows = content.proposed_of(content.rows_of(among), vector, k)
            return content.ranked(rows, vector)[:k]

    @property
    def _ready(self) -> "_Content":
        if self._content is None:
            raise Refused(NOT_READY)
        return self._content

    def _remove(self, template_ids: Iterable[TemplateId]) -> None:
        for template_id in template_ids:
            self._ready.remove(template_id)


class _Content:
    """The templates of an index and who owns them; knows nothing of threads."""

    def __init__(self, protection: Protection) -> None:
        self.protection = protection
        self.rows = _Rows(protection.path.dimension)
        self.owners: list[tuple[SubjectId, TemplateId]] = []
        self.row_of: dict[TemplateId, int] = {}
        self.templates_of: dict[SubjectId, list[TemplateId]] = {}

    def insert(self, entry: IndexEntry) -> None:
        if entry.key_id != self.protection.key_id or entry.template_id in self.row_of:
            raise ValueError("an index holds each template once, all under one key")
        self.row_of[entry.template_id] = self.rows.append(entry.vector)
        self.owners.append((entry.subject, entry.template_id))
        self.templates_of.setdefault(entry.subject, []).append(entry.template_id)

    def remove(self, template_id: TemplateId) -> None:
        row = self.row_of.pop(template_id, None)
        if row is None:
            return
        subject, _ = self.owners[row]
        self.rows.drop(row)
        moved = self.owners.pop()
        if row < len(self.owners):
            self.owners[row] = moved
            self.row_of[moved[1]] = row
        self.templates_of[subject].remove(template_id)
        if not self.templates_of[subject]:
            del self.templates_of[subject]

    def rows_of(self, among: Collection[SubjectId]) -> NDArray[np.int64]:
        rows = [
            self.row_of[template_id]
            for subject in set(among)
            for template_id in self.templates_of.get(subject, ())
        ]
        return np.array(rows, dtype=np.int64)

    def proposed_of(
        self, rows: NDArray[np.int64], vector: NDArray[np.float32], k: int
    ) -> NDArray[np.int64]:
        scores = self.rows.gather(rows) @ vector
        falling = np.argsort(-scores)
        return rows[scores >= self._least_score(scores[falling], rows[falling], k)]

    def proposed_of_all(self, vector: NDArray[np.float32], k: int) -> NDArray[np.int64]:
        wanted = 4 * k + 16
        while True:
            scores, rows = self.rows.scan(vector, min(wanted, self.rows.count))
            least = self._least_score(scores, rows, k)
            if wanted >= self.rows.count or scores[-1] < least:
                return rows[scores >= least]
            wanted *= 4

    def ranked(self, rows: NDArray[np.int64], vector: NDArray[np.float32]) -> list[Candidate]:
        """Every subject of ``rows`` with its best template, best first, scored exactly."""
        products = self.rows.gather(rows).astype(np.float64) * vector
        falling = sorted(
            (-score, *self.owners[row])
            for score, row in zip(products.sum(axis=1).tolist(), rows, strict=True)
        )
        best: dict[SubjectId, Candidate] = {}
        for negated, subject, template_id in falling:
            best.setdefault(subject, Candidate(subject, template_id, -negated))
        return list(best.values())

    def _least_score(self, scores: NDArray[np.float32], rows: NDArray[np.int64], k: int) -> float:
        """The score below which no row can belong to the best ``k`` subjects; scores fall."""
        subjects = set[SubjectId]()
        for score, row in zip(scores, rows, strict=True):
            subjects.add(self.owners[row][0])
            if len(subjects) >= k:
                return float(score) - _SINGLE_PRECISION_SLACK
        return -np.inf


class _Rows:
    """A growing half-precision matrix that faiss scans; unused and dropped rows are zero bytes."""

    def __init__(self, dimension: int) -> None:
        self.count = 0
        self._dimension = dimension
        self._allocate(_ROWS_AT_FIRST)

    def append(self, vector: HalfVector) -> int:
        """Add a row and give its number."""
        if self.count == len(self._matrix):
            self._grow()
        self._matrix[self.count] = vector
        self._set_count(self.count + 1)
        return self.count - 1

    def drop(self, row: int) -> None:
        """Overwrite ``row`` with the last one and the last one with zeros."""
        last = self.count - 1
        self._matrix[row] = self._matrix[last]
        self._matrix[last] = 0
        self._set_count(last)

    def gather(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The named rows in single precision (every binary16 number is one of binary32)."""
        return self._matrix[rows].astype(np.float32)

    def scan(
        self, vector: NDArray[np.float32], best: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The ``best`` highest inner products, falling, and their rows."""
        if best == 0:
            return np.empty(0, np.float32), np.empty(0, np.int64)
        scores, rows = self._scanner.search(vector[np.newaxis], best)
        return scores[0], rows[0]

    def wipe(self) -> None:
        """Overwrite everything with zeros."""
        self._matrix.fill(0)

    def _grow(self) -> None:
        # faiss would free the old buffer as it is; the old bytes are overwritten first.
        old, old_scanner = self._matrix, self._scanner
        self._allocate(2 * len(old))
        self._matrix[: len(old)] = old
        old.fill(0)
        del old, old_scanner
        self._set_count(self.count)

    def _allocate(self, capacity: int) -> None:
        scalar = faiss.ScalarQuantizer.QT_fp16
        scanner = faiss.IndexScalarQuantizer(self._dimension, scalar, faiss.METRIC_INNER_PRODUCT)
        size = capacity * scanner.code_size
        scanner.codes.resize(size)
        # The view lives in the scanner's memory: both are kept and let go together.
        codes = faiss.rev_swig_ptr(scanner.codes.data(), size)
        self._scanner = scanner
        self._matrix: HalfVector = codes.view(np.float16).reshape(capacity, self._dimension)

    def _set_count(self, count: int) -> None:
        self.count = count
        self._scanner.ntotal = count


class _Gate:
    """Lets readers in together and one writer alone; a waiting writer goes before new readers."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._readers = 0
        self._writing = False
        self._writers_waiting = 0

    @contextmanager
    def read(self) -> Iterator[None]:
        with self._condition:
            self._condition.wait_for(lambda: not self._writing and not self._writers_waiting)
            self._readers += 1
        try:
            yield
        finally:
            with self._condition:
                self._readers -= 1
                self._condition.notify_all()

    @contextmanager
    def write(self) -> Iterator[None]:
        with self._condition:
            self._writers_waiting += 1
            try:
                self._condition.wait_for(lambda: not self._writing and not self._readers)
            finally:
                self._writers_waiting -= 1
            self._writing = True
        try:
            yield
        finally:
            with self._condition:
                self._writing = False
                self._condition.notify_all()
