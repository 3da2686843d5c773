"""What templates need from outside: the gallery, and a person's old channel."""

from collections.abc import Collection
from typing import Protocol

from shualian.core.identifiers import PersonNo, SessionId
from shualian.face.model import Embedding
from shualian.gallery.model import Candidate, DeletionReceipt, Probe, TemplateRecord
from shualian.insurer.templates.model import Told
from shualian.verification.model import VerifiedPerson


class EnrolmentSession(Protocol):
    """A capture session that verified somebody; verification's own session is one."""

    @property
    def session_id(self) -> SessionId:
        """Its identifier; a repeat changes nothing."""
        ...

    @property
    def person(self) -> VerifiedPerson | None:
        """Who was verified, and how."""
        ...


class TemplateGallery(Protocol):
    """The gallery of insured people; ``gallery.service.Gallery`` is one."""

    def enrol(
        self, subject: str, embedding: Embedding, path_id: str, quality: int
    ) -> TemplateRecord:
        """Add a template."""
        ...

    def delete_subject(self, subject: str) -> DeletionReceipt:
        """Delete every template of a subject, rows and index; repeating it is harmless."""
        ...

    def identify(self, probe: Probe, among: Collection[str] | None, limit: int) -> list[Candidate]:
        """The nearest people of ``among``."""
        ...


class Notices(Protocol):
    """How a person is told by a channel that they had before (a phone, a paired app, a letter)."""

    def tell(self, psn_no: PersonNo, what: Told) -> None:
        """Tell the person; may be called twice for one matter.

        Network I/O: never inside a transaction.

        Raises:
            Refused: When it did not work; it is tried again.
        """
        ...
