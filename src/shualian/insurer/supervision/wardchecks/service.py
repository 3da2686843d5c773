"""Use cases of ward checks: plan, draw, tell, answer, excuse, miss, publish, look back."""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from shualian.core.clock import Clock, business_date
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, PersonNo, SessionId, new_identifier
from shualian.core.refusals import Refused
from shualian.insurer.supervision.alerts.model import AlertKind
from shualian.insurer.supervision.alerts.service import raise_within
from shualian.insurer.supervision.captures import store as captures_store
from shualian.insurer.supervision.captures.model import (
    CapturePurpose,
    KnownCapture,
    KnownPerson,
)
from shualian.insurer.supervision.captures.service import use_within
from shualian.insurer.supervision.signins.ports import FieldSealer, Openings
from shualian.insurer.supervision.wardchecks import store
from shualian.insurer.supervision.wardchecks.model import (
    ANSWER_WITHIN,
    CHECK_NOT_FOUND,
    SEED_BYTES,
    CheckId,
    CheckState,
    CheckStep,
    DrawPolicy,
    ExceptionReason,
    PublishedDraw,
    Rates,
    Stay,
    WardCheck,
    WardCheckEvent,
    check_open,
    commitment_of,
    countersigned,
    drawn,
    is_paper,
    moments,
    overdue,
    passed,
    proposed,
    rates_of,
    weight_of,
)
from shualian.insurer.supervision.wardchecks.ports import InsuredGallery, Patients
from shualian.insurer.supervision.wardchecks.store import MadeDraw, Plan
from shualian.staff.model import check_two_people
from shualian.terminals.model import Actor, InstitutionStaff, InsurerStaff
from shualian.terminals.requests.model import VerifiedRequest
from shualian.trust.audit.model import Digest, Reference
from shualian.trust.audit.service import record
from shualian.verification.model import ConsentPurpose
from shualian.verification.ports import NewTemplate
from shualian.verification.sessions.model import OpenedSession

_SEED = "insurer.ward_check.seed"
_WEIGHED_DAYS = 30
"""How far back a ward's checks say how risky it is."""


class WardPatients:
    """Insured people as captures at the bed need them."""

    def __init__(self, *, clock: Clock, people: Patients, gallery: InsuredGallery) -> None:
        self._clock = clock
        self._people = people
        self._gallery = gallery

    @property
    def templates(self) -> InsuredGallery:
        """The gallery of insured people."""
        return self._gallery

    def known(self, subject: str) -> KnownPerson:
        """A patient, as a capture needs to know one.

        Raises:
            Refused: When there is no such person.
        """
        psn_no = PersonNo(subject)
        identity = self._people.identity(psn_no)
        standing = self._people.standing(psn_no, now=self._clock.now())
        return KnownPerson(subject, identity.name, identity.id_number, standing.template_consent)

    def matched(self, capture: KnownCapture, new_template: NewTemplate | None) -> None:
        """Nothing follows from a match but the check's answer; no template is kept."""

    def differed(self, connection: Connection, capture: KnownCapture) -> None:
        """冒名: tell the supervisor at once, in the transaction that refuses the capture."""
        raise_within(
            connection,
            AlertKind.IMPOSTOR_IN_BED,
            institution=capture.institution,
            reference=capture.reference,
            at=self._clock.now(),
        )


class WardChecks:
    """Ward checks of every institution."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        sealer: FieldSealer,
        captures: Openings,
        policy: DrawPolicy,
        new_seed: Callable[[], bytes] | None = None,
    ) -> None:
        """Describe it.

        Args:
            database: Of the insurer.
            clock: Asked for the time.
            sealer: Keeps seeds until they are published.
            captures: Opens captures at the bed.
            policy: How often and how many.
            new_seed: Gives a day's seed; from the operating system's randomness by default.
        """
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._captures = captures
        self._policy = policy
        self._new_seed = new_seed or partial(secrets.token_bytes, SEED_BYTES)

    def tick(self) -> Sequence[WardCheck]:
        """What is due now: plan today, draw what has come, end what is over; the new checks.

        For a run every minute or so; it may run late, twice or beside itself.
        """
        now = self._clock.now()
        today = business_date(now)
        new: list[WardCheck] = []
        for institution in self._database.read(store.institutions_with_stays):
            self._plan(institution, today)
        for plan in self._database.read(lambda connection: store.plans_of(connection, today)):
            new += self._draw_due(plan, now)
        self.end_overdue()
        self._publish(today)
        return new

    def open_checks(self, actor: InstitutionStaff) -> Sequence[WardCheck]:
        """What an institution was told and has not answered, the most urgent first."""
        return self._open_at(actor.institution)

    def open_at_terminal(self, sender: VerifiedRequest) -> Sequence[WardCheck]:
        """The same for a terminal of the institution."""
        return self._open_at(sender.terminal.institution)

    def open_capture(
        self,
        sender: VerifiedRequest,
        *,
        check_id: CheckId,
        notice_version: str,
        consents: Collection[ConsentPurpose],
    ) -> OpenedSession:
        """Open a capture at the bed, of exactly the patient who was drawn.

        Raises:
            Refused: ``insurer.ward_check_not_found``, ``ward_check_ended``; as
                :meth:`~...captures.service.KnownCaptures.open`.
        """
        check = self._database.read(
            lambda connection: _found(connection, check_id, sender.terminal.institution)
        )
        check_open(check, now=self._clock.now())
        return self._captures.open(
            sender,
            purpose=CapturePurpose.WARD_CHECK,
            subject=check.stay.psn_no,
            reference=check_id,
            notice_version=notice_version,
            consents=consents,
        )

    def answer(
        self, sender: VerifiedRequest, *, check_id: CheckId, session_id: SessionId
    ) -> WardCheck:
        """Answer a check with the capture that was just matched at this terminal.

        A repeat with any capture is answered with the check as it stands.

        Raises:
            Refused: ``insurer.ward_check_not_found``, ``ward_check_ended``,
                ``capture_not_fitting``.
        """
        terminal = sender.terminal

        def work(connection: Connection) -> WardCheck:
            check, now = _found(connection, check_id, terminal.institution), self._clock.now()
            if check.state is CheckState.PASSED:
                return check
            after = passed(check, terminal.terminal_id, now=now)
            use_within(
                connection,
                session_id,
                expected_purpose=CapturePurpose.WARD_CHECK,
                expected_subject=check.stay.psn_no,
                expected_terminal=terminal.terminal_id,
                expected_reference=check_id,
                now=now,
            )
            store.change(connection, after)
            _record(connection, CheckStep.PASSED, after, now)
            return after

        return self._database.write(work)

    def propose_exception(
        self, actor: InstitutionStaff, check_id: CheckId, *, reason: ExceptionReason
    ) -> WardCheck:
        """Say why a patient is not met by face; counts once a nurse has countersigned it.

        Raises:
            Refused: ``insurer.ward_check_not_found``, ``ward_check_ended``.
        """

        def work(connection: Connection) -> WardCheck:
            now = self._clock.now()
            check = _found(connection, check_id, actor.institution)
            after = proposed(check, reason, by=actor.staff, now=now)
            store.change(connection, after)
            _record(connection, CheckStep.REASON_PROPOSED, after, now)
            return after

        return self._database.write(work)

    def countersign(self, actor: InstitutionStaff, check_id: CheckId) -> WardCheck:
        """A nurse, not the one who gave the reason, answers for it too.

        Raises:
            Refused: ``insurer.ward_check_not_found``, ``ward_check_ended``,
                ``ward_check_no_reason``, ``staff.same_person``.
        """

        def work(connection: Connection) -> WardCheck:
            now = self._clock.now()
            check = _found(connection, check_id, actor.institution)
            after = countersigned(check, by=actor.staff, now=now)
            check_two_people(actor.staff, check.proposed_by)
            self._end(connection, after, now)
            return after

        return self._database.write(work)

    def end_overdue(self) -> Sequence[WardCheck]:
        """End what was not answered in time; each is a result and an alert."""
        now = self._clock.now()

        def work(connection: Connection) -> Sequence[WardCheck]:
            ended = []
            for check in store.overdue(connection, now):
                seen = captures_store.of_reference(
                    connection, CapturePurpose.WARD_CHECK, check.check_id
                )
                another = any(capture.mismatches for capture in seen)
                after = overdue(check, another_face=another, now=now)
                self._end(connection, after, now)
                ended.append(after)
            return ended

        return self._database.write(work)

    def results(
        self, actor: Actor, *, since: date, institution: InstitutionCode | None = None
    ) -> Sequence[WardCheck]:
        """All checks drawn since a day; an institution sees its own."""
        own = actor.institution if isinstance(actor, InstitutionStaff) else institution
        return self._database.read(lambda connection: store.since(connection, own, since))

    def rates(
        self, actor: Actor, *, since: date, institution: InstitutionCode | None = None
    ) -> Mapping[str, Rates]:
        """What came of the ended checks since a day, by ward."""
        return rates_of(self.results(actor, since=since, institution=institution))

    def published(
        self, actor: Actor, *, day: date, institution: InstitutionCode
    ) -> Sequence[PublishedDraw]:
        """The draws of a day that is over, with all that repeats them; none before.

        An institution sees its own.
        """
        if isinstance(actor, InstitutionStaff) and actor.institution != institution:
            return []

        def work(connection: Connection) -> Sequence[PublishedDraw]:
            plan = store.plan_of(connection, institution, day)
            if plan is None or not plan.published:
                return []
            made = store.draws_of(connection, institution, day)
            checks = store.since(connection, institution, day)
            return [self._published(plan, each, checks) for each in made]

        return self._database.read(work)

    def commitments(self, actor: Actor, *, day: date) -> Mapping[InstitutionCode, str]:
        """What was fixed of each day's seed before its first draw."""
        plans = self._database.read(lambda connection: store.plans_of(connection, day))
        return {
            plan.institution: plan.commitment
            for plan in plans
            if isinstance(actor, InsurerStaff) or plan.institution == actor.institution
        }

    def _open_at(self, institution: InstitutionCode) -> Sequence[WardCheck]:
        now = self._clock.now()
        found = self._database.read(lambda connection: store.open_at(connection, institution))
        return [check for check in found if now < check.deadline]

    def _plan(self, institution: InstitutionCode, day: date) -> None:
        seed, now = self._new_seed(), self._clock.now()
        sealed = self._sealer.seal(seed, purpose=_SEED, context=_context(institution, day))
        plan = Plan(institution, day, commitment_of(seed), sealed, self._policy.per_day)

        def work(connection: Connection) -> None:
            if store.plan_of(connection, institution, day) is not None:
                return
            store.add_plan(connection, plan)
            event = WardCheckEvent(
                step=CheckStep.PLANNED,
                institution=institution,
                commitment=Digest(plan.commitment),
            )
            record(connection, event, at=now)

        if self._database.read(lambda each: store.plan_of(each, institution, day)) is None:
            self._database.write(work)

    def _draw_due(self, plan: Plan, now: datetime) -> list[WardCheck]:
        seed = self._seed(plan)
        due = [
            place
            for place, moment in enumerate(moments(seed, plan.day, plan.draws))
            if moment <= now
        ]
        new: list[WardCheck] = []
        for draw in due:
            new += self._database.write(
                partial(self._draw, plan=plan, seed=seed, draw=draw, now=now)
            )
        return new

    def _draw(
        self, connection: Connection, *, plan: Plan, seed: bytes, draw: int, now: datetime
    ) -> list[WardCheck]:
        made = store.draws_of(connection, plan.institution, plan.day)
        if any(each.draw == draw for each in made):
            return []
        stays = store.open_stays(connection, plan.institution)
        weights = self._weights(connection, plan)
        picked = drawn(stays, seed, draw, policy=self._policy, weights=weights)
        population = tuple((stay.mdtrt_id, stay.ward) for stay in stays)
        store.add_draw(connection, plan, MadeDraw(draw, population, weights), at=now)
        new = [_new_check(plan, draw, stay, now) for stay in picked]
        store.add_checks(connection, new)
        event = WardCheckEvent(step=CheckStep.DRAWN, institution=plan.institution, drawn=len(new))
        record(connection, event, at=now)
        return new

    def _weights(self, connection: Connection, plan: Plan) -> Mapping[str, int]:
        first = plan.day - timedelta(days=_WEIGHED_DAYS)
        found = rates_of(store.since(connection, plan.institution, first))
        return {ward: weight_of(rates) for ward, rates in found.items()}

    def _end(self, connection: Connection, check: WardCheck, now: datetime) -> None:
        store.change(connection, check)
        _record(connection, _STEPS[check.state], check, now)
        kind = _ALERTS.get(check.state)
        if kind is not None:
            raise_within(
                connection,
                kind,
                institution=check.institution,
                reference=check.check_id,
                at=now,
            )
        if is_paper(store.of_stay(connection, check.stay.mdtrt_id)):
            raise_within(
                connection,
                AlertKind.PAPER_ADMISSION,
                institution=check.institution,
                reference=check.stay.mdtrt_id,
                at=now,
            )

    def _publish(self, today: date) -> None:
        now = self._clock.now()

        def work(connection: Connection) -> None:
            for plan in store.publish_before(connection, today):
                event = WardCheckEvent(
                    step=CheckStep.PUBLISHED,
                    institution=plan.institution,
                    commitment=Digest(plan.commitment),
                )
                record(connection, event, at=now)

        self._database.write(work)

    def _published(self, plan: Plan, made: MadeDraw, checks: Sequence[WardCheck]) -> PublishedDraw:
        picked = tuple(
            check.stay.mdtrt_id
            for check in checks
            if (check.day, check.draw) == (plan.day, made.draw)
        )
        return PublishedDraw(
            institution=plan.institution,
            day=plan.day,
            draw=made.draw,
            commitment=plan.commitment,
            seed=self._seed(plan).hex(),
            population=made.population,
            weights=made.weights,
            picked=picked,
        )

    def _seed(self, plan: Plan) -> bytes:
        context = _context(plan.institution, plan.day)
        return self._sealer.open(plan.seed_sealed, purpose=_SEED, context=context)


_STEPS = {
    CheckState.PASSED: CheckStep.PASSED,
    CheckState.EXCEPTED: CheckStep.EXCEPTED,
    CheckState.ANOTHER_FACE: CheckStep.ANOTHER_FACE,
    CheckState.MISSED: CheckStep.MISSED,
}
_ALERTS = {
    CheckState.ANOTHER_FACE: AlertKind.IMPOSTOR_IN_BED,
    CheckState.MISSED: AlertKind.WARD_CHECK_MISSED,
}


def _context(institution: InstitutionCode, day: date) -> bytes:
    return f"{institution}/{day.isoformat()}".encode()


def _new_check(plan: Plan, draw: int, stay: Stay, now: datetime) -> WardCheck:
    return WardCheck(
        check_id=CheckId(new_identifier()),
        institution=plan.institution,
        day=plan.day,
        draw=draw,
        stay=stay,
        told_at=now,
        deadline=now + ANSWER_WITHIN,
    )


def _found(connection: Connection, check_id: CheckId, institution: InstitutionCode) -> WardCheck:
    found = store.find(connection, check_id)
    # Nobody learns whether a number of another institution exists.
    if found is None or found.institution != institution:
        raise Refused(CHECK_NOT_FOUND)
    return found


def _record(connection: Connection, step: CheckStep, check: WardCheck, at: datetime) -> None:
    event = WardCheckEvent(
        step=step,
        institution=check.institution,
        check=Reference(check.check_id),
        terminal=check.terminal_id,
        actor=check.countersigned_by or check.proposed_by,
        reason=check.reason,
    )
    record(connection, event, at=at)
