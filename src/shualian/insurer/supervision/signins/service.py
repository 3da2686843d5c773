"""Use cases of doctors: register, enrol and withdraw a template, sign in, sign out, look back."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from sqlalchemy import Connection

from shualian.core.clock import CHINA, Clock
from shualian.core.database import Database
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import (
    CommandId,
    InstitutionCode,
    SessionId,
    StaffId,
    TerminalId,
    new_identifier,
)
from shualian.core.refusals import Refused
from shualian.gallery.model import DeletionReceipt
from shualian.insurer.settlement.model import Ordered
from shualian.insurer.supervision.alerts.model import AlertKind
from shualian.insurer.supervision.alerts.service import raise_within
from shualian.insurer.supervision.captures.model import (
    CapturePurpose,
    KnownCapture,
    KnownPerson,
)
from shualian.insurer.supervision.captures.service import use_within
from shualian.insurer.supervision.signins import store
from shualian.insurer.supervision.signins.model import (
    DOCTOR_IN_REGISTRY,
    DOCTOR_NO_TEMPLATE_CONSENT,
    DOCTOR_UNKNOWN,
    NOT_SIGNED_IN,
    ConfirmationReason,
    Doctor,
    DoctorCode,
    DoctorConsent,
    DoctorEvent,
    SignIn,
    SignInChange,
    SignInId,
    SignInMeans,
    SignInPolicy,
    check_covered,
    check_free,
    check_may_sign_in,
    check_same_sign_in,
    needing_doctor,
    signed_out,
)
from shualian.insurer.supervision.signins.ports import DoctorGallery, FieldSealer, Openings
from shualian.insurer.supervision.signins.store import SealedDoctor
from shualian.terminals.model import Actor, InstitutionStaff, InsurerStaff
from shualian.terminals.requests.model import VerifiedRequest
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record
from shualian.verification.model import ConsentPurpose
from shualian.verification.ports import NewTemplate
from shualian.verification.sessions.model import OpenedSession

_NAME = "insurer.doctor.name"
_ID_NUMBER = "insurer.doctor.id_number"
_OF_SIGN_IN = {
    CapturePurpose.DOCTOR_SIGN_IN,
    CapturePurpose.DOCTOR_SIGN_OUT,
    CapturePurpose.DOCTOR_ENROLMENT,
}


class Doctors:
    """The registry of doctors and their templates; names and numbers are clear only in memory.

    For captures it is who doctors are (:class:`~...captures.ports.Subjects`): what follows from a
    matched enrolment is that the template is kept.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        sealer: FieldSealer,
        gallery: DoctorGallery,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._gallery = gallery

    @property
    def templates(self) -> DoctorGallery:
        """The doctors' own gallery."""
        return self._gallery

    def register(self, actor: InsurerStaff, doctor: Doctor) -> Doctor:
        """List a doctor, or say anew where a listed one may work.

        Raises:
            Refused: ``insurer.doctor_differs`` when the code belongs to another ID number.
        """
        sealed, now = self._sealed(doctor), self._clock.now()

        def work(connection: Connection) -> None:
            earlier = store.find_doctor(connection, doctor.code)
            if earlier is None:
                store.add_doctor(connection, sealed, at=now)
            elif self._opened(earlier).id_number != doctor.id_number:
                raise Refused(DOCTOR_IN_REGISTRY)
            else:
                store.put_practices(connection, doctor.code, doctor.practices)
            _record(connection, SignInChange.REGISTERED, doctor.code, now, actor=actor.staff)

        self._database.write(work)
        return self.get(doctor.code)

    def suspend(self, actor: InsurerStaff, code: DoctorCode, *, suspended: bool = True) -> Doctor:
        """Let a doctor sign in no more, or again; sign-ins in force end.

        Raises:
            Refused: ``insurer.doctor_unknown``.
        """
        now = self._clock.now()
        change = SignInChange.SUSPENDED if suspended else SignInChange.RESUMED

        def work(connection: Connection) -> None:
            _found(connection, code)
            store.put_suspended(connection, code, suspended=suspended)
            for sign_in in store.open_of_doctor(connection, code, now=now) if suspended else ():
                store.put_sign_out(connection, signed_out(sign_in, now=now))
            _record(connection, change, code, now, actor=actor.staff)

        self._database.write(work)
        return self.get(code)

    def get(self, code: DoctorCode) -> Doctor:
        """The doctor with this code.

        Raises:
            Refused: ``insurer.doctor_unknown``.
        """
        return self._opened(self._database.read(lambda connection: _found(connection, code)))

    def at(self, institution: InstitutionCode) -> Sequence[Doctor]:
        """The doctors who may work at an institution."""

        def work(connection: Connection) -> list[SealedDoctor]:
            codes = store.doctors_at(connection, institution)
            return [_found(connection, code) for code in codes]

        return [self._opened(each) for each in self._database.read(work)]

    def known(self, subject: str) -> KnownPerson:
        """A doctor, as a capture needs to know one.

        Raises:
            Refused: ``insurer.doctor_unknown``.
        """
        code = DoctorCode(subject)

        def work(connection: Connection) -> tuple[SealedDoctor, DoctorConsent | None]:
            return _found(connection, code), store.consent_of(connection, code)

        sealed, consent = self._database.read(work)
        doctor = self._opened(sealed)
        return KnownPerson(subject, doctor.name, doctor.id_number, consent is not None)

    def matched(self, capture: KnownCapture, new_template: NewTemplate | None) -> None:
        """Keep the template of an enrolment whose face the police registry knows.

        The consent is written down first; a withdrawal that comes meanwhile takes the template
        back.

        Raises:
            Refused: ``insurer.doctor_no_template_consent``; what the gallery refuses.
        """
        if capture.purpose is not CapturePurpose.DOCTOR_ENROLMENT:
            return
        code = DoctorCode(capture.subject)
        agreed = ConsentPurpose.TEMPLATE in capture.consents
        if not agreed or new_template is None:
            raise Refused(DOCTOR_NO_TEMPLATE_CONSENT)
        # One template, and the newest: an older one may be of a face that changed.
        self._gallery.delete_subject(code)
        self._database.write(lambda connection: self._agree(connection, code, capture))
        self._gallery.enrol(
            code, new_template.embedding, new_template.path_id, new_template.quality
        )
        consent = self._database.read(lambda connection: store.consent_of(connection, code))
        if consent is None:
            self._gallery.delete_subject(code)
            raise Refused(DOCTOR_NO_TEMPLATE_CONSENT)

    def differed(self, connection: Connection, capture: KnownCapture) -> None:
        """Tell the supervisor, in the transaction that refuses it, that it was somebody else."""
        raise_within(
            connection,
            AlertKind.DOCTOR_FACE_DIFFERS,
            institution=capture.institution,
            reference=capture.session_id,
            at=self._clock.now(),
        )

    def withdraw(self, code: DoctorCode, *, actor: Actor | None = None) -> DeletionReceipt:
        """End a doctor's consent and delete the template; signing in goes on by confirmation.

        Raises:
            Refused: ``insurer.doctor_unknown``.
        """
        now = self._clock.now()
        staff = None if actor is None else actor.staff

        def work(connection: Connection) -> None:
            _found(connection, code)
            if store.withdraw_consent(connection, code, at=now):
                _record(connection, SignInChange.CONSENT_WITHDRAWN, code, now, actor=staff)

        self._database.write(work)
        return self._gallery.delete_subject(code)

    def _agree(self, connection: Connection, code: DoctorCode, capture: KnownCapture) -> None:
        now = self._clock.now()
        store.withdraw_consent(connection, code, at=now)
        store.add_consent(connection, DoctorConsent(code, capture.notice_version, now))
        _record(connection, SignInChange.CONSENT_GIVEN, code, now, terminal=capture.terminal_id)

    def _sealed(self, doctor: Doctor) -> SealedDoctor:
        context = doctor.code.encode()
        return SealedDoctor(
            code=doctor.code,
            name_sealed=self._sealer.seal(doctor.name.encode(), purpose=_NAME, context=context),
            id_number_sealed=self._sealer.seal(
                doctor.id_number.value.encode(), purpose=_ID_NUMBER, context=context
            ),
            practices=doctor.practices,
            suspended=doctor.suspended,
        )

    def _opened(self, sealed: SealedDoctor) -> Doctor:
        context = sealed.code.encode()
        name = self._sealer.open(sealed.name_sealed, purpose=_NAME, context=context)
        number = self._sealer.open(sealed.id_number_sealed, purpose=_ID_NUMBER, context=context)
        return Doctor(
            code=sealed.code,
            name=name.decode(),
            id_number=IdNumber(number.decode()),
            practices=sealed.practices,
            suspended=sealed.suspended,
        )


class SignIns:
    """Where doctors are signed in; each at one institution at a time."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        doctors: Doctors,
        captures: Openings,
        policy: SignInPolicy,
    ) -> None:
        self._database = database
        self._clock = clock
        self._doctors = doctors
        self._captures = captures
        self._policy = policy

    def open_capture(
        self,
        sender: VerifiedRequest,
        *,
        doctor: DoctorCode,
        purpose: CapturePurpose,
        notice_version: str,
        consents: Collection[ConsentPurpose],
    ) -> OpenedSession:
        """Open a capture of a doctor at a terminal of an institution where they may work.

        Raises:
            Refused: ``insurer.doctor_unknown``, ``doctor_suspended``; as
                :meth:`~...captures.service.KnownCaptures.open`.
            ValueError: For a purpose that is no doctor's.
        """
        if purpose not in _OF_SIGN_IN:
            raise ValueError(f"{purpose} is not a doctor's")
        found = self._doctors.get(doctor)
        check_may_sign_in(
            found.practices, suspended=found.suspended, institution=sender.terminal.institution
        )
        return self._captures.open(
            sender,
            purpose=purpose,
            subject=doctor,
            notice_version=notice_version,
            consents=consents,
        )

    def sign_in(
        self,
        sender: VerifiedRequest,
        *,
        command_id: CommandId,
        doctor: DoctorCode,
        dept_code: str,
        session_id: SessionId,
    ) -> SignIn:
        """Sign a doctor in by the face that was just matched at this terminal.

        At the same institution it takes the place of the one in force, and holds anew.

        Raises:
            Refused: ``insurer.doctor_unknown``, ``doctor_suspended``, ``signed_in_elsewhere``,
                ``sign_in_differs``, ``capture_not_fitting``.
        """
        terminal = sender.terminal

        def work(connection: Connection) -> SignIn:
            earlier = self._earlier(connection, command_id, doctor, terminal.institution)
            if earlier is not None:
                return earlier
            _check_registered(connection, doctor, terminal.institution, dept_code)
            now = self._clock.now()
            use_within(
                connection,
                session_id,
                expected_purpose=CapturePurpose.DOCTOR_SIGN_IN,
                expected_subject=doctor,
                expected_terminal=terminal.terminal_id,
                now=now,
            )
            wanted = self._new(command_id, doctor, terminal.institution, dept_code, now)
            return self._begin(connection, replace(wanted, terminal_id=terminal.terminal_id))

        return self._database.write(work)

    def confirm(
        self,
        actor: InstitutionStaff,
        *,
        command_id: CommandId,
        doctor: DoctorCode,
        dept_code: str,
        reason: ConfirmationReason,
    ) -> SignIn:
        """Sign a doctor in on the word of a named person in charge; valid, and marked so.

        Args:
            actor: Signed in and in charge there; it is not known here whether it is the doctor.
            command_id: Made by the caller.
            doctor: Who is there.
            dept_code: In which department.
            reason: Why without the face.

        Raises:
            Refused: ``insurer.doctor_unknown``, ``doctor_suspended``, ``signed_in_elsewhere``,
                ``sign_in_differs``.
        """

        def work(connection: Connection) -> SignIn:
            earlier = self._earlier(connection, command_id, doctor, actor.institution)
            if earlier is not None:
                return earlier
            _check_registered(connection, doctor, actor.institution, dept_code)
            now = self._clock.now()
            wanted = self._new(command_id, doctor, actor.institution, dept_code, now)
            by_word = replace(
                wanted,
                means=SignInMeans.CONFIRMED,
                confirmed_by=actor.staff,
                reason=reason,
            )
            return self._begin(connection, by_word)

        return self._database.write(work)

    def sign_out(
        self, sender: VerifiedRequest, *, doctor: DoctorCode, session_id: SessionId
    ) -> SignIn:
        """Sign a doctor out by face, at any terminal of the institution.

        Raises:
            Refused: ``insurer.not_signed_in``, ``capture_not_fitting``.
        """
        terminal = sender.terminal

        def work(connection: Connection) -> SignIn:
            now = self._clock.now()
            use_within(
                connection,
                session_id,
                expected_purpose=CapturePurpose.DOCTOR_SIGN_OUT,
                expected_subject=doctor,
                expected_terminal=terminal.terminal_id,
                now=now,
            )
            return self._end(connection, doctor, terminal.institution, terminal.terminal_id, None)

        return self._database.write(work)

    def confirm_sign_out(self, actor: InstitutionStaff, *, doctor: DoctorCode) -> SignIn:
        """Sign a doctor out on the word of a named person in charge.

        Raises:
            Refused: ``insurer.not_signed_in``.
        """
        return self._database.write(
            lambda connection: self._end(connection, doctor, actor.institution, None, actor.staff)
        )

    def current(self, doctor: DoctorCode) -> SignIn | None:
        """Where a doctor is signed in now."""
        now = self._clock.now()
        found = self._database.read(
            lambda connection: store.open_of_doctor(connection, doctor, now=now)
        )
        return found[0] if found else None

    def valid(self, dr_code: str, *, institution: InstitutionCode, at: datetime) -> bool:
        """Whether a doctor was signed in at an institution at a moment, UTC."""
        return self.at_work(dr_code, institution=institution, at=at) is not None

    def at_work(self, dr_code: str, *, institution: InstitutionCode, at: datetime) -> SignIn | None:
        """The sign-in at an institution that covers a moment, UTC."""
        found = self._database.read(
            lambda connection: store.overlapping(
                connection, institution, {DoctorCode(dr_code)}, since=at, until=at
            )
        )
        return next((sign_in for sign_in in found if sign_in.covers(at)), None)

    def listed(
        self, actor: Actor, *, day: date, institution: InstitutionCode | None = None
    ) -> Sequence[SignIn]:
        """The sign-ins of a business day, the newest first; an institution sees its own."""
        own = actor.institution if isinstance(actor, InstitutionStaff) else institution
        since = datetime.combine(day, time(0), CHINA)
        return self._database.read(
            lambda connection: store.listed(
                connection, institution=own, since=since, until=since + timedelta(days=1)
            )
        )

    def _earlier(
        self,
        connection: Connection,
        command_id: CommandId,
        doctor: DoctorCode,
        institution: InstitutionCode,
    ) -> SignIn | None:
        store.lock_doctor(connection, doctor)
        earlier = store.by_command(connection, command_id)
        if earlier is not None:
            check_same_sign_in(earlier, doctor=doctor, institution=institution)
        return earlier

    def _new(
        self,
        command_id: CommandId,
        doctor: DoctorCode,
        institution: InstitutionCode,
        dept_code: str,
        now: datetime,
    ) -> SignIn:
        return SignIn(
            sign_in_id=SignInId(new_identifier()),
            command_id=command_id,
            doctor=doctor,
            institution=institution,
            dept_code=dept_code,
            means=SignInMeans.FACE,
            terminal_id=None,
            confirmed_by=None,
            reason=None,
            signed_in_at=now,
            valid_until=self._policy.valid_until(now),
        )

    def _begin(self, connection: Connection, wanted: SignIn) -> SignIn:
        now = wanted.signed_in_at
        current = store.open_of_doctor(connection, wanted.doctor, now=now)
        here = check_free(current, wanted.institution, now=now)
        if here is not None:
            store.put_sign_out(connection, signed_out(here, now=now))
        store.add_sign_in(connection, wanted)
        _record(
            connection,
            SignInChange.SIGNED_IN,
            wanted.doctor,
            now,
            institution=wanted.institution,
            terminal=wanted.terminal_id,
            means=wanted.means,
            actor=wanted.confirmed_by,
            reason=wanted.reason,
        )
        return wanted

    def _end(
        self,
        connection: Connection,
        doctor: DoctorCode,
        institution: InstitutionCode,
        terminal_id: TerminalId | None,
        actor: StaffId | None,
    ) -> SignIn:
        now = self._clock.now()
        store.lock_doctor(connection, doctor)
        for sign_in in store.open_of_doctor(connection, doctor, now=now):
            if sign_in.institution == institution:
                after = signed_out(sign_in, now=now)
                store.put_sign_out(connection, after)
                _record(
                    connection,
                    SignInChange.SIGNED_OUT,
                    doctor,
                    now,
                    institution=institution,
                    terminal=terminal_id,
                    actor=actor,
                )
                return after
        raise Refused(NOT_SIGNED_IN)


class OrderingDoctors:
    """Whether the doctors who ordered something were signed in then; settlement asks it.

    It reads inside the transaction that takes the charge items (2204, 2301), two short questions
    for all of them; what was taken is not asked again when it is settled.
    """

    def __init__(self, policy: SignInPolicy) -> None:
        self._policy = policy

    def check(
        self,
        connection: Connection,
        *,
        institution: InstitutionCode,
        region: str,
        ordered: Sequence[Ordered],
    ) -> None:
        """Check that every order was made by a doctor who was signed in at the institution then.

        Raises:
            Refused: ``insurer.doctor_not_signed_in``; a doctor whom the registry does not list
                was never signed in.
        """
        wanted = needing_doctor(ordered)
        if not wanted or not self._required(connection, region):
            return
        moments = [each.at for each in wanted]
        found = store.overlapping(
            connection,
            institution,
            {DoctorCode(each.doctor) for each in wanted},
            since=min(moments),
            until=max(moments),
        )
        check_covered(wanted, found)

    def _required(self, connection: Connection, region: str) -> bool:
        regions = self._policy.regions
        return store.has_doctors(connection, region) if regions is None else region in regions


def _check_registered(
    connection: Connection, doctor: DoctorCode, institution: InstitutionCode, dept_code: str
) -> None:
    found = _found(connection, doctor)
    check_may_sign_in(
        found.practices, suspended=found.suspended, institution=institution, dept_code=dept_code
    )


def _found(connection: Connection, code: DoctorCode) -> SealedDoctor:
    found = store.find_doctor(connection, code)
    if found is None:
        raise Refused(DOCTOR_UNKNOWN)
    return found


def _record(
    connection: Connection,
    change: SignInChange,
    doctor: DoctorCode,
    at: datetime,
    *,
    institution: InstitutionCode | None = None,
    terminal: TerminalId | None = None,
    means: SignInMeans | None = None,
    actor: StaffId | None = None,
    reason: ConfirmationReason | None = None,
) -> None:
    event = DoctorEvent(
        change=change,
        doctor=Reference(doctor),
        institution=institution,
        terminal=terminal,
        means=means,
        actor=actor,
        reason=reason,
    )
    record(connection, event, at=at)
