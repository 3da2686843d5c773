"""What verification needs from outside: people, templates, proven error rates, liveness, limits."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shualian.core.id_number import IdNumber
from shualian.core.identifiers import InstitutionCode, PersonNo, TerminalId
from shualian.face.calibration import OperatingPoint as ProvenPoint
from shualian.face.model import Embedding, Profile, Quality
from shualian.gallery.model import Candidate, Probe
from shualian.verification.model import Identity, Relation, Relative, Standing
from shualian.verification.sessions.model import CaptureSession


class Gallery(Protocol):
    """Where the templates of insured people are compared."""

    def identify(
        self, probe: Probe, among: Collection[PersonNo], limit: int
    ) -> Sequence[Candidate]:
        """The nearest ``limit`` people of ``among``, each with the best of their templates.

        Never anybody else; people without a template are left out.

        Raises:
            Refused: When the probe is no valid vector or the gallery is not ready.
        """
        ...


class ErrorRates(Protocol):
    """What the calibration in use has proven."""

    def at(self, fmr: float, *, population: str | None) -> ProvenPoint:
        """The operating point for a false match rate of ``fmr`` per comparison, 0..1.

        Args:
            fmr: At most so many false matches.
            population: The group of the calibration's data that stands for the people served.

        Raises:
            Refused: When the calibration's data cannot prove so low a rate.
        """
        ...


class InsuredPeople(Protocol):
    """The insurer's register, consents and vouchers, as far as a decision needs them."""

    def by_number(self, id_number: IdNumber) -> PersonNo | None:
        """Who has this ID number, if an insured person has."""
        ...

    def by_last_digits(self, digits: str) -> Collection[PersonNo]:
        """Everybody in the register whose ID number ends so (four to eight characters)."""
        ...

    def identity(self, subject: PersonNo) -> Identity:
        """Name, number and region of somebody in the register.

        Raises:
            Refused: When there is no such person.
        """
        ...

    def standing(self, subject: PersonNo, *, now: datetime) -> Standing:
        """What decides what a face may do for this person, as it stands now.

        Raises:
            Refused: When there is no such person.
        """
        ...


class Expectations(Protocol):
    """Who is expected where."""

    def expected(self, institution: InstitutionCode, *, now: datetime) -> Collection[PersonNo]:
        """The people expected at an institution today."""
        ...

    def called(self, terminal_id: TerminalId, *, now: datetime) -> PersonNo | None:
        """The patient called at this terminal now."""
        ...


class Pins(Protocol):
    """People's PINs."""

    def check(self, subject: PersonNo, pin: str) -> None:
        """Accept the right PIN; failures are counted and lock.

        Raises:
            Refused: When it is wrong, not set or locked.
        """
        ...


class Relations(Protocol):
    """Who may act for whom."""

    def check(
        self, *, subject: PersonNo, beneficiary: PersonNo, relation: Relation, at: datetime
    ) -> None:
        """Accept a relation that is proven and in force.

        Raises:
            Refused: When it is not.
        """
        ...

    def relatives(self, subject: PersonNo, *, at: datetime) -> Collection[Relative]:
        """For whom a person may act, for the screen that asks."""
        ...


class Pauses(Protocol):
    """Growing pauses after failures, per terminal and per claimed person."""

    def check(self, *, terminal_id: TerminalId, claimed: PersonNo | None) -> None:
        """Let pass when neither is pausing.

        Raises:
            Refused: During a pause.
        """
        ...

    def failed(self, *, terminal_id: TerminalId, claimed: PersonNo | None) -> None:
        """Count a failure."""
        ...

    def succeeded(self, *, terminal_id: TerminalId, claimed: PersonNo | None) -> None:
        """Count a success."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class NewTemplate:
    """What may become a person's template.

    Attributes:
        embedding: Unit vector.
        path_id: The operational path that made it.
        quality: 0..100 (ISO/IEC 29794-1).
    """

    embedding: Embedding = field(repr=False)
    path_id: str
    quality: int


class Aftermath(Protocol):
    """What follows from a verified person: activation, waking, enrolment."""

    def verified(self, session: CaptureSession, new_template: NewTemplate | None) -> bool:
        """Do what follows; the same session again changes nothing more.

        Args:
            session: Verified.
            new_template: Given only when active liveness was passed, the registry matched, the
                person agreed in this session and was claimed by number or document.

        Returns:
            Whether this session activated or woke the e-voucher, in this call or an earlier one.

        Raises:
            Refused: When it cannot be done.
        """
        ...


class LivenessDecision(Protocol):
    """The answer of presentation attack detection over the whole capture (ISO/IEC 30107-3)."""

    @property
    def live(self) -> bool:
        """Whether a live person was in front of the camera."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """What the face engine made of one capture; the picture must not outlive the decision.

    Attributes:
        probe: The one vector to compare, made of the frames by the rule that was calibrated.
        qualities: Of the frames from which the probe was made, at least one.
        liveness: The decision over the capture.
        picture: JPEG of the best frame, for the registry; without one it cannot be asked.
        enrolment: What could become a template, measured for enrolment.
        active: Whether a challenge was asked and passed.
        profile: How the person was in front of the camera. The calibrations are of people who
            stand: of every other profile no error rate is proven.
    """

    probe: Probe
    qualities: Sequence[Quality]
    liveness: LivenessDecision
    picture: bytes | None = field(default=None, repr=False)
    enrolment: NewTemplate | None = field(default=None, repr=False)
    active: bool = False
    profile: Profile = Profile.STANDING
