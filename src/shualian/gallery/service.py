"""Use cases of the gallery: enrol, replace, delete, compare, identify, rebuild, rotate."""

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace as with_changes
from functools import partial

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import TemplateId, new_identifier
from shualian.core.refusals import Refused
from shualian.face.model import Embedding
from shualian.gallery import store
from shualian.gallery.index import IndexEntry, TemplateIndex
from shualian.gallery.model import (
    NOT_ENROLLED,
    NOT_READY,
    PEOPLE_MAX,
    RECORD_VERSION,
    TEMPLATE_UNKNOWN,
    TEMPLATE_UNREADABLE,
    Candidate,
    DeletionReceipt,
    EmbeddingPath,
    HalfVector,
    KeyRotation,
    Probe,
    Rebuilt,
    SubjectId,
    TemplateRecord,
    check_probe,
    check_quality,
    check_room,
    path_of,
)
from shualian.gallery.ports import ProtectionKeys, TemplateSealer
from shualian.gallery.protection import (
    Protection,
    new_protection,
    template_bytes,
    template_from_bytes,
)
from shualian.trust.model import SEAL_BROKEN

STORES = ("database", "search index")

_PAGE = 500


class Gallery:
    """Protected templates of one group of people (insured persons; doctors have their own).

    The database is the truth: each change is committed first and shown in the index before the
    call returns; a crash between the two, or a write that the database could not confirm, is
    healed by :meth:`rebuild`. One process owns a
    gallery. Changes go one after another, searches run beside them. Nothing here looks at a
    picture, and nothing here decides: a score becomes a decision in ``verification``.
    """

    def __init__(
        self,
        name: str,
        paths: Sequence[EmbeddingPath],
        *,
        database: Database,
        keys: ProtectionKeys,
        sealer: TemplateSealer,
        clock: Clock,
        people_max: int = PEOPLE_MAX,
    ) -> None:
        """Describe the gallery; :meth:`rebuild` must run before it answers.

        Args:
            name: Part of the transform, of every seal and of the sealing keys' purpose
                (``gallery.NAME.template``); never changes.
            paths: Operational paths whose vectors it takes.
            database: Holds ``store.metadata``'s tables.
            keys: Of the transform.
            sealer: Encryption at rest.
            clock: For the moment of enrolment.
            people_max: Limit; can only be lowered.
        """
        self._name = name
        self._paths = {path.path_id: path for path in paths}
        self._indexes = {path.path_id: TemplateIndex(path) for path in paths}
        self._database = database
        self._keys = keys
        self._sealer = sealer
        self._purpose = f"gallery.{name}.template"
        self._clock = clock
        self._people_max = min(people_max, PEOPLE_MAX)
        self._changing = threading.Lock()
        self._rotating = threading.Lock()

    @property
    def name(self) -> str:
        """By which its records are told from other galleries'."""
        return self._name

    def rebuild(self) -> Rebuilt:
        """Make the indexes again from the database; run on start.

        What an unfinished rotation left is deleted. The caller looks at what was unreadable: a
        few are altered records, all of them is a wrong folder of keys.

        Raises:
            Refused: When a key is missing.
        """
        with self._changing:
            return self._rebuild()

    def enrol(
        self, subject: SubjectId, embedding: Embedding, path_id: str, quality: int
    ) -> TemplateRecord:
        """Add a template of a subject; consent and identity are the caller's matter.

        Args:
            subject: Whose.
            embedding: Unit vector of the path's dimension.
            path_id: Of ``embedding``.
            quality: 0..100.

        Raises:
            Refused: ``gallery.full``, ``gallery.too_many_templates``, ``gallery.path_unknown``,
                ``gallery.embedding_invalid``, ``gallery.quality_invalid``, ``gallery.not_ready``.
        """
        self._check(embedding, path_id, quality)
        with self._changing:
            record, entry = self._new_template(subject, embedding, path_id, quality)

            def work(connection: Connection) -> None:
                self._check_live(connection, record.key_id)
                others = store.people_besides(connection, self._name, subject)
                owned = store.template_ids(connection, self._name, subject, path_id)
                check_room(others, len(owned), people_max=self._people_max)
                store.insert_records(connection, self._name, [record])

            self._database.write(work)
            self._indexes[path_id].insert(entry)
        return record

    def replace(
        self,
        subject: SubjectId,
        embedding: Embedding,
        path_id: str,
        quality: int,
        *,
        replaced: Collection[TemplateId] | None = None,
    ) -> TemplateRecord:
        """Put one new template in the place of a subject's templates under the path.

        Args:
            subject: Whose.
            embedding: Unit vector of the path's dimension.
            path_id: Of ``embedding``; templates of other paths stay.
            quality: 0..100.
            replaced: Which templates give way; all when not given.

        Raises:
            Refused: ``gallery.not_enrolled``, ``gallery.template_unknown``, and those of
                :meth:`enrol` except the limits.
        """
        self._check(embedding, path_id, quality)
        with self._changing:
            record, entry = self._new_template(subject, embedding, path_id, quality)

            def work(connection: Connection) -> set[TemplateId]:
                self._check_live(connection, record.key_id)
                owned = store.template_ids(connection, self._name, subject, path_id)
                gone = _chosen(owned, replaced)
                store.delete_templates(connection, gone)
                store.insert_records(connection, self._name, [record])
                return gone

            gone = self._database.write(work)
            self._indexes[path_id].replace(gone, entry)
        return record

    def delete_subject(self, subject: SubjectId) -> DeletionReceipt:
        """Delete every template of a subject, of every path and key; repeating it is harmless.

        When the receipt is given, the rows are deleted and the vectors overwritten in memory.
        """

        def work(connection: Connection) -> set[TemplateId]:
            owned = store.template_ids(connection, self._name, subject)
            store.delete_templates(connection, owned)
            return owned

        with self._changing:
            gone = self._database.write(work)
            for index in self._indexes.values():
                index.remove_subject(subject)
        return DeletionReceipt(subject, len(gone), STORES, self._clock.now())

    def compare(self, subject: SubjectId, probe: Probe) -> Candidate:
        """The best score of a subject's templates with the probe (1:1).

        Raises:
            Refused: ``gallery.not_enrolled``, ``gallery.path_unknown``,
                ``gallery.embedding_invalid``, ``gallery.not_ready``.
        """
        found = self.identify(probe, [subject], 1)
        if not found:
            raise Refused(NOT_ENROLLED)
        return found[0]

    def identify(
        self, probe: Probe, among: Collection[SubjectId] | None, limit: int
    ) -> list[Candidate]:
        """The nearest subjects, best first, each with its best template (1:N).

        Args:
            probe: Of one of the gallery's paths.
            among: Search only these people; everybody when ``None``.
            limit: At most so many candidates.

        Raises:
            Refused: ``gallery.path_unknown``, ``gallery.embedding_invalid``,
                ``gallery.not_ready``.
        """
        path = path_of(probe.path_id, self._paths)
        return self._indexes[path.path_id].search(probe, limit, among)

    def rotate_key(self) -> KeyRotation:
        """Put every template under the provider's current key.

        Rows under the new key are written beside the old ones in short transactions, while
        searches and changes go on; one last transaction makes them count and deletes the old. A
        crash before it leaves the old key in force (the next rebuild deletes what was begun),
        after it the new. Each rotation rounds to half precision again: scores drift with
        a standard deviation of 1.8e-5 (128 dimensions; 0.9e-5 at 512) times the square root of
        their number; the largest of a million after 100 rotations was 9e-4.

        Raises:
            Refused: ``gallery.template_unreadable`` when a record does not open: rotating would
                lose it; ``gallery.not_ready`` when another process changed the gallery
                meanwhile; or when a key is missing.
        """
        with self._rotating:
            old_key_id = self._opened_gallery()
            new_key_id = self._keys.current_key_id()
            if new_key_id == old_key_id:
                return KeyRotation(old_key_id, new_key_id, 0)
            self._move_all(old_key_id, new_key_id)
            with self._changing:
                self._move_all(old_key_id, new_key_id)
                moved = self._switch(old_key_id, new_key_id)
                self._rebuild()
        return KeyRotation(old_key_id, new_key_id, moved)

    def _check(self, embedding: Embedding, path_id: str, quality: int) -> None:
        check_probe(Probe(embedding, path_id), path_of(path_id, self._paths))
        check_quality(quality)

    def _check_live(self, connection: Connection, key_id: str) -> None:
        # Another process rotated: what this index would add must not mix with other keys.
        if store.live_key(connection, self._name) != key_id:
            raise Refused(NOT_READY)

    def _new_template(
        self, subject: SubjectId, embedding: Embedding, path_id: str, quality: int
    ) -> tuple[TemplateRecord, IndexEntry]:
        protection = self._indexes[path_id].protection
        vector = protection.protect_template(embedding)
        record = TemplateRecord(
            template_id=TemplateId(new_identifier()),
            subject=subject,
            path_id=path_id,
            key_id=protection.key_id,
            version=RECORD_VERSION,
            quality=quality,
            enrolled_at=self._clock.now(),
        )
        return self._sealed(record, vector), _entry(record, vector)

    def _sealed(self, record: TemplateRecord, vector: HalfVector) -> TemplateRecord:
        context = record.sealing_context(self._name)
        sealed = self._sealer.seal(template_bytes(vector), purpose=self._purpose, context=context)
        return with_changes(record, sealed=sealed)

    def _opened(self, record: TemplateRecord) -> HalfVector | None:
        if record.version != RECORD_VERSION:
            return None
        context = record.sealing_context(self._name)
        try:
            content = self._sealer.open(record.sealed, purpose=self._purpose, context=context)
        except Refused as refused:
            if refused.kind is not SEAL_BROKEN:
                raise
            return None
        return template_from_bytes(content)

    def _opened_gallery(self) -> str:
        current = self._keys.current_key_id()

        def work(connection: Connection) -> str:
            live = store.open_gallery(connection, self._name, current)
            store.delete_other_keys(connection, self._name, live)
            return live

        return self._database.write(work)

    def _rebuild(self) -> Rebuilt:
        key_id = self._opened_gallery()
        entries: dict[str, list[IndexEntry]] = {path_id: [] for path_id in self._paths}
        unreadable: list[TemplateRecord] = []
        other_paths = 0
        for record in self._records(key_id):
            vector = self._opened(record)
            if vector is None:
                unreadable.append(record)
            elif record.path_id not in entries:
                other_paths += 1
            else:
                entries[record.path_id].append(_entry(record, vector))
        for path_id, index in self._indexes.items():
            protection = self._protection(self._paths[path_id], key_id)
            index.rebuild(protection, entries[path_id])
        found = [entry for of_path in entries.values() for entry in of_path]
        people = len({entry.subject for entry in found})
        return Rebuilt(people, len(found), tuple(unreadable), other_paths)

    def _records(self, key_id: str) -> Iterator[TemplateRecord]:
        page = partial(store.records_after, gallery=self._name, key_id=key_id)
        for records in self._pages(page):
            yield from records

    def _pages(self, page: Callable[..., list[TemplateRecord]]) -> Iterator[list[TemplateRecord]]:
        last = ""
        while records := self._database.read(partial(page, template_id=last, records_max=_PAGE)):
            yield records
            last = records[-1].template_id

    def _protection(self, path: EmbeddingPath, key_id: str) -> Protection:
        secret = self._keys.secret(key_id)
        return new_protection(secret, key_id=key_id, gallery=self._name, path=path)

    def _move_all(self, old_key_id: str, new_key_id: str) -> None:
        moves: dict[EmbeddingPath, tuple[Protection, Protection]] = {}
        key_ids = old_key_id, new_key_id
        page = partial(store.unmoved_after, gallery=self._name, key_ids=key_ids)
        for records in self._pages(page):
            staged = [self._moved(record, new_key_id, moves) for record in records]
            self._database.write(
                partial(_stage, gallery=self._name, records=staged, old=old_key_id)
            )

    def _moved(
        self,
        record: TemplateRecord,
        new_key_id: str,
        moves: dict[EmbeddingPath, tuple[Protection, Protection]],
    ) -> TemplateRecord:
        vector = self._opened(record)
        if vector is None:
            raise Refused(TEMPLATE_UNREADABLE, template_id=record.template_id)
        path = EmbeddingPath(record.path_id, len(vector))
        if path not in moves:
            old = self._protection(path, record.key_id)
            moves[path] = old, self._protection(path, new_key_id)
        old, new = moves[path]
        moved = with_changes(record, key_id=new_key_id)
        return self._sealed(moved, new.protect_template(old.recover(vector)))

    def _switch(self, old_key_id: str, new_key_id: str) -> int:
        def work(connection: Connection) -> int:
            self._check_live(connection, old_key_id)
            old, new = (
                store.count_of_key(connection, self._name, key_id)
                for key_id in (old_key_id, new_key_id)
            )
            # What another process changed meanwhile would be lost or brought back to life.
            if old != new:
                raise Refused(NOT_READY)
            store.switch_key(connection, self._name, new_key_id)
            return new

        return self._database.write(work)


def _entry(record: TemplateRecord, vector: HalfVector) -> IndexEntry:
    return IndexEntry(record.template_id, record.subject, record.key_id, vector)


def _chosen(owned: set[TemplateId], replaced: Collection[TemplateId] | None) -> set[TemplateId]:
    if not owned:
        raise Refused(NOT_ENROLLED)
    chosen = owned if replaced is None else set(replaced)
    if not chosen or not chosen <= owned:
        raise Refused(TEMPLATE_UNKNOWN)
    return chosen


def _stage(
    connection: Connection, *, gallery: str, records: list[TemplateRecord], old: str
) -> None:
    # Those that were deleted or replaced since they were read must not come back.
    ids = [record.template_id for record in records]
    standing = store.standing(connection, old, ids)
    records = [record for record in records if record.template_id in standing]
    store.insert_records(connection, gallery, records)
