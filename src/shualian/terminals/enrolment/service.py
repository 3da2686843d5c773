"""Use cases of enrolment: places and codes, enrol, approve, suspend, resume, revoke, rotate."""

import hmac
from collections.abc import Sequence

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import StaffId, TerminalId, new_identifier
from shualian.core.mode import Mode
from shualian.core.refusals import RefusalKind, Refused
from shualian.terminals.enrolment import store
from shualian.terminals.enrolment.model import (
    CODE_ATTEMPTS_MAX,
    CODE_EXPIRED,
    CODE_LIFE,
    CODE_LOCKED,
    CODE_USED,
    CODE_WRONG,
    FINGERPRINT_DIFFERS,
    KEY_TAKEN,
    PLACE_TAKEN,
    ROTATION_UNPROVEN,
    STATE_DIFFERS,
    Enrolment,
    EnrolmentCode,
    EnrolmentRequest,
    Invitation,
    KeyId,
    RotationRequest,
    check_algorithm,
    check_approver,
    check_move,
    key_id_of,
    new_code,
    verify_possession,
    verify_rotation,
)
from shualian.terminals.model import (
    TERMINAL_NOT_FOUND,
    Actor,
    InstitutionStaff,
    InsurerStaff,
    TerminalChange,
    TerminalEvent,
    TerminalState,
    check_mode,
    sees,
)
from shualian.terminals.ports import CodeHasher
from shualian.terminals.register import store as register_store
from shualian.terminals.register.model import (
    MODEL_UNKNOWN,
    PLACE_INVALID,
    PLACE_NOT_FOUND,
    CertifiedModel,
    PlaceId,
    PlaceSpec,
    RegisteredPlace,
    check_model,
    check_place_spec,
    check_software,
    parse_place_list,
)
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record

_CODE_PURPOSE = "terminals.enrolment_code"


class Enrolments:
    """The life of every terminal; each change is one transaction and stands in the audit."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        hasher: CodeHasher,
        mode: Mode,
    ) -> None:
        self._database = database
        self._clock = clock
        self._hasher = hasher
        self._mode = mode

    def create_place(self, *, actor: InstitutionStaff, spec: PlaceSpec) -> Invitation:
        """Make a place of the actor's institution and a one-time code for its terminal.

        Raises:
            Refused: ``terminals.place_invalid``, ``terminals.simulated_outside_sandbox``.
        """
        return self.create_places(actor=actor, specs=[spec])[0]

    def create_places(
        self, *, actor: InstitutionStaff, specs: Sequence[PlaceSpec]
    ) -> Sequence[Invitation]:
        """Make several places, all or none.

        Raises:
            Refused: As :meth:`create_place`.
        """
        for spec in specs:
            check_place_spec(spec)
            check_mode(spec.terminal_class, mode=self._mode)
        invitations = [self._new_invitation(PlaceId(new_identifier())) for _ in specs]

        def work(connection: Connection) -> None:
            for spec, invitation in zip(specs, invitations, strict=True):
                self._add_place(connection, actor, spec, invitation)

        self._database.write(work)
        return invitations

    def create_places_from_list(
        self, *, actor: InstitutionStaff, content: bytes
    ) -> Sequence[Invitation]:
        """Make the places of a CSV list (:func:`parse_place_list`), all or none, in its order.

        Raises:
            Refused: ``terminals.place_invalid`` with the line.
        """
        return self.create_places(actor=actor, specs=parse_place_list(content))

    def invite(self, *, actor: InstitutionStaff, place_id: PlaceId) -> Invitation:
        """A new code for a place whose terminal was revoked or has not enrolled yet.

        The code before it ends at once.

        Raises:
            Refused: ``terminals.place_not_found``, ``terminals.place_taken``.
        """
        invitation = self._new_invitation(place_id)

        def work(connection: Connection) -> Invitation:
            place = register_store.place_by_id(connection, place_id)
            if place is None or not sees(actor, place.institution):
                raise Refused(PLACE_NOT_FOUND)
            return self._invite(connection, actor, invitation)

        return self._database.write(work)

    def enrol(self, request: EnrolmentRequest) -> Enrolment:
        """Take in the key of a terminal that knows the code; it then waits for approval.

        The same code with the same key again gives the same answer, for a terminal that did not
        receive it.

        Raises:
            Refused: ``terminals.possession_unproven``, ``terminals.code_wrong``,
                ``terminals.code_locked``, ``terminals.code_expired``, ``terminals.code_used``,
                ``terminals.model_unknown``, ``terminals.model_expired``,
                ``terminals.model_withdrawn``, ``terminals.software_outdated``,
                ``terminals.class_differs``, ``terminals.algorithm_not_allowed``,
                ``terminals.key_taken``.
        """
        verify_possession(request)
        secret_hash = self._hash(request.code)

        def work(connection: Connection) -> Enrolment | RefusalKind:
            code = store.code_by_handle(connection, request.code.handle)
            if code is None:
                return CODE_WRONG
            if code.attempts >= CODE_ATTEMPTS_MAX:
                return CODE_LOCKED
            if not hmac.compare_digest(code.secret_hash, secret_hash):
                store.count_attempt(connection, request.code.handle)
                return CODE_WRONG
            return self._enrol(connection, code, request)

        answer = self._database.write(work)
        # A wrong code is refused out here, so that the attempt stays counted.
        if isinstance(answer, RefusalKind):
            raise Refused(answer)
        return answer

    def approve(
        self, *, actor: InsurerStaff, terminal_id: TerminalId, expected_key_id: KeyId
    ) -> None:
        """Believe a terminal from now on.

        Args:
            actor: A supervisor who made neither the place nor the code.
            terminal_id: A pending terminal.
            expected_key_id: The fingerprint that the supervisor saw.

        Raises:
            Refused: ``terminals.terminal_not_found``, ``terminals.state_differs``,
                ``terminals.creator_is_approver``, ``terminals.fingerprint_differs``, and those
                about the model.
        """

        def work(connection: Connection) -> None:
            enrolment = self._find(connection, actor, terminal_id)
            if enrolment.state is not TerminalState.PENDING:
                raise Refused(STATE_DIFFERS, found=enrolment.state.value)
            check_approver(enrolment, actor.staff)
            if not hmac.compare_digest(enrolment.key_id or "", expected_key_id):
                raise Refused(FINGERPRINT_DIFFERS)
            check_model(
                _model(connection, enrolment.certificate or ""),
                on=business_date(self._clock.now()),
            )
            self._move(
                connection, enrolment, TerminalState.ACTIVE, TerminalChange.APPROVED, actor.staff
            )

        self._database.write(work)

    def suspend(self, *, actor: Actor, terminal_id: TerminalId) -> None:
        """Stop believing an active terminal for now; holds from its next request.

        Raises:
            Refused: ``terminals.terminal_not_found``, ``terminals.state_differs``.
        """

        def work(connection: Connection) -> None:
            enrolment = self._find(connection, actor, terminal_id)
            self._move(
                connection,
                enrolment,
                TerminalState.SUSPENDED,
                TerminalChange.SUSPENDED,
                actor.staff,
            )

        self._database.write(work)

    def resume(self, *, actor: InsurerStaff, terminal_id: TerminalId) -> None:
        """Believe a suspended terminal again; approving anew, so the same rule holds.

        Raises:
            Refused: ``terminals.terminal_not_found``, ``terminals.state_differs``,
                ``terminals.creator_is_approver``.
        """

        def work(connection: Connection) -> None:
            enrolment = self._find(connection, actor, terminal_id)
            if enrolment.state is not TerminalState.SUSPENDED:
                raise Refused(STATE_DIFFERS, found=enrolment.state.value)
            check_approver(enrolment, actor.staff)
            self._move(
                connection, enrolment, TerminalState.ACTIVE, TerminalChange.RESUMED, actor.staff
            )

        self._database.write(work)

    def revoke(self, *, actor: Actor, terminal_id: TerminalId) -> None:
        """End a terminal for good, whatever its state; also how a pending one is turned down.

        Raises:
            Refused: ``terminals.terminal_not_found``, ``terminals.state_differs`` when it is
                revoked already.
        """

        def work(connection: Connection) -> None:
            enrolment = self._find(connection, actor, terminal_id)
            self._move(
                connection, enrolment, TerminalState.REVOKED, TerminalChange.REVOKED, actor.staff
            )

        self._database.write(work)

    def rotate_key(self, request: RotationRequest) -> Enrolment:
        """Put a new key in the place of an active terminal's present one, which ends at once.

        Repeating the request after it was done gives the same answer, as long as the new key is
        still the present one.

        Raises:
            Refused: ``terminals.rotation_unproven``, ``terminals.algorithm_not_allowed``,
                ``terminals.key_taken``, ``terminals.state_differs``.
        """
        found = self._database.read(lambda each: store.key_by_id(each, request.key_id))
        if found is None:
            raise Refused(ROTATION_UNPROVEN)
        terminal_id, present_key = found
        verify_rotation(request, expected_present_key=present_key)
        return self._database.write(lambda each: self._rotate(each, terminal_id, request))

    def enrolments(self, *, actor: Actor) -> Sequence[Enrolment]:
        """Every terminal that the actor may see, revoked ones too."""
        institution = actor.institution if isinstance(actor, InstitutionStaff) else None
        return self._database.read(lambda each: store.enrolments_of(each, institution))

    def enrolment(self, *, actor: Actor, terminal_id: TerminalId) -> Enrolment:
        """How one terminal stands.

        Raises:
            Refused: ``terminals.terminal_not_found``.
        """
        return self._database.read(lambda each: self._find(each, actor, terminal_id))

    def _new_invitation(self, place_id: PlaceId) -> Invitation:
        expires_at = self._clock.now() + CODE_LIFE
        return Invitation(TerminalId(new_identifier()), place_id, new_code(), expires_at)

    def _add_place(
        self,
        connection: Connection,
        actor: InstitutionStaff,
        spec: PlaceSpec,
        invitation: Invitation,
    ) -> None:
        if register_store.has_place_named(connection, actor.institution, spec.place):
            raise Refused(PLACE_INVALID, item="name", found="registered already")
        place = RegisteredPlace(invitation.place_id, actor.institution, actor.staff, spec)
        register_store.add_place(connection, place)
        self._record(connection, TerminalChange.PLACE_CREATED, actor.staff, invitation.place_id)
        self._invite(connection, actor, invitation)

    def _invite(
        self, connection: Connection, actor: InstitutionStaff, invitation: Invitation
    ) -> Invitation:
        living = store.living_at(connection, invitation.place_id)
        terminal_id = invitation.terminal_id
        if living is None:
            store.add_terminal(
                connection,
                terminal_id,
                place_id=invitation.place_id,
                invited_by=actor.staff,
                at=self._clock.now(),
            )
        elif living.state is TerminalState.INVITED:
            terminal_id = living.terminal_id
            store.set_inviter(connection, terminal_id, actor.staff)
        else:
            raise Refused(PLACE_TAKEN, state=living.state.value)
        code = store.StoredCode(terminal_id, self._hash(invitation.code), invitation.expires_at, 0)
        store.put_code(connection, invitation.code.handle, code)
        self._record(connection, TerminalChange.INVITED, actor.staff, terminal_id)
        return Invitation(terminal_id, invitation.place_id, invitation.code, invitation.expires_at)

    def _enrol(
        self, connection: Connection, code: store.StoredCode, request: EnrolmentRequest
    ) -> Enrolment:
        enrolment = _enrolment(connection, code.terminal_id)
        key_id = key_id_of(request.public_key)
        if enrolment.state is not TerminalState.INVITED:
            if enrolment.state is TerminalState.PENDING and enrolment.key_id == key_id:
                return enrolment
            raise Refused(CODE_USED)
        if self._clock.now() >= code.expires_at:
            raise Refused(CODE_EXPIRED)
        self._check_device(connection, enrolment, request)
        if store.has_key(connection, key_id):
            raise Refused(KEY_TAKEN)
        store.set_device(connection, code.terminal_id, request.certificate, request.software)
        store.add_key(connection, code.terminal_id, request.public_key, at=self._clock.now())
        self._move(connection, enrolment, TerminalState.PENDING, TerminalChange.ENROLLED, None)
        return _enrolment(connection, code.terminal_id)

    def _check_device(
        self, connection: Connection, enrolment: Enrolment, request: EnrolmentRequest
    ) -> None:
        model = _model(connection, request.certificate)
        check_model(model, on=business_date(self._clock.now()))
        check_software(model, request.software)
        place = register_store.place_by_id(connection, enrolment.place_id)
        if place is None:
            raise Refused(PLACE_NOT_FOUND)
        check_algorithm(
            place.spec.terminal_class,
            request.public_key.algorithm,
            model_class=model.terminal_class,
            mode=self._mode,
        )

    def _rotate(
        self, connection: Connection, terminal_id: TerminalId, request: RotationRequest
    ) -> Enrolment:
        enrolment = _enrolment(connection, terminal_id)
        new_key_id = key_id_of(request.public_key)
        if enrolment.state is not TerminalState.ACTIVE:
            raise Refused(STATE_DIFFERS, found=enrolment.state.value)
        if enrolment.key_id == new_key_id != request.key_id:
            return enrolment
        # Only the present key can name its successor, a retired one no more.
        if enrolment.key_id != request.key_id:
            raise Refused(ROTATION_UNPROVEN)
        if store.has_key(connection, new_key_id):
            raise Refused(KEY_TAKEN)
        now = self._clock.now()
        store.retire_key(connection, request.key_id, at=now)
        store.add_key(connection, terminal_id, request.public_key, at=now)
        self._record(connection, TerminalChange.KEY_ROTATED, None, terminal_id)
        return _enrolment(connection, terminal_id)

    def _move(
        self,
        connection: Connection,
        enrolment: Enrolment,
        state: TerminalState,
        change: TerminalChange,
        actor: StaffId | None,
    ) -> None:
        check_move(enrolment.state, state)
        approver = actor if state is TerminalState.ACTIVE else None
        store.set_state(
            connection,
            enrolment.terminal_id,
            state,
            at=self._clock.now(),
            approved_by=approver,
        )
        self._record(connection, change, actor, enrolment.terminal_id)

    def _find(self, connection: Connection, actor: Actor, terminal_id: TerminalId) -> Enrolment:
        enrolment = _enrolment(connection, terminal_id)
        if not sees(actor, enrolment.institution):
            raise Refused(TERMINAL_NOT_FOUND)
        return enrolment

    def _record(
        self, connection: Connection, change: TerminalChange, actor: StaffId | None, subject: str
    ) -> None:
        payload = TerminalEvent(change=change, subject=Reference(subject), actor=actor)
        record(connection, payload, at=self._clock.now())

    def _hash(self, code: EnrolmentCode) -> bytes:
        return self._hasher.keyed_hash(code.secret.encode("ascii"), purpose=_CODE_PURPOSE)


def _enrolment(connection: Connection, terminal_id: TerminalId) -> Enrolment:
    found = store.enrolment_by_id(connection, terminal_id)
    if found is None:
        raise Refused(TERMINAL_NOT_FOUND)
    return found


def _model(connection: Connection, certificate: str) -> CertifiedModel:
    model = register_store.model_by_certificate(connection, certificate)
    if model is None:
        raise Refused(MODEL_UNKNOWN)
    return model
