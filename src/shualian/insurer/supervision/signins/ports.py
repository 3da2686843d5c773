"""What doctors' sign-ins need from outside: their own gallery, a seal, a terminal's captures."""

from collections.abc import Collection, Sequence
from typing import Protocol

from shualian.face.model import Embedding
from shualian.gallery.model import Candidate, DeletionReceipt, Probe, TemplateRecord
from shualian.insurer.supervision.captures.model import CapturePurpose
from shualian.terminals.requests.model import VerifiedRequest
from shualian.verification.model import ConsentPurpose
from shualian.verification.sessions.model import OpenedSession


class DoctorGallery(Protocol):
    """The doctors' own gallery, under a key of its own; ``gallery.service.Gallery`` is one."""

    def enrol(
        self, subject: str, embedding: Embedding, path_id: str, quality: int
    ) -> TemplateRecord:
        """Add a template."""
        ...

    def delete_subject(self, subject: str) -> DeletionReceipt:
        """Delete every template of a doctor; repeating it is harmless."""
        ...

    def identify(
        self, probe: Probe, among: Collection[str] | None, limit: int
    ) -> Sequence[Candidate]:
        """The nearest of ``among``."""
        ...


class FieldSealer(Protocol):
    """Authenticated encryption at rest."""

    def seal(self, plain: bytes, *, purpose: str, context: bytes) -> bytes:
        """Encrypt ``plain``, bound to ``purpose`` and ``context``."""
        ...

    def open(self, sealed: bytes, *, purpose: str, context: bytes) -> bytes:
        """Decrypt what :meth:`seal` gave for the same purpose and context.

        Raises:
            Refused: When the content, the purpose or the context is another.
        """
        ...


class Openings(Protocol):
    """Opens captures of a known person; ``captures.service.KnownCaptures`` is one."""

    def open(
        self,
        sender: VerifiedRequest,
        *,
        purpose: CapturePurpose,
        subject: str,
        reference: str = "",
        notice_version: str,
        consents: Collection[ConsentPurpose],
    ) -> OpenedSession:
        """Open a capture at a terminal that is fit for it."""
        ...
