"""Use cases of overrides: one member of staff proposes with a reason, another decides."""

from collections.abc import Sequence

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import CommandId, InstitutionCode
from shualian.core.money import ZERO, Fen
from shualian.core.refusals import Refused
from shualian.hospital.cashier.model import MoneyAct, MoneyEvent
from shualian.hospital.cashier.overrides import store
from shualian.hospital.cashier.overrides.model import (
    OVERRIDE_NOT_FOUND,
    SECOND_KEY,
    Override,
    OverrideId,
    OverrideKind,
    OverrideState,
    ReasonCode,
    check_same_proposal,
    checked_text,
    decided,
)
from shualian.hospital.payments import store as payments
from shualian.hospital.payments.model import PAYMENT_NOT_FOUND
from shualian.staff.model import Caller, Role, check_role, check_two_people
from shualian.trust.audit.model import Code, Reference
from shualian.trust.audit.service import record


class Overrides:
    """What is done outside of the rules at one hospital, in two keys."""

    def __init__(self, *, institution: InstitutionCode, database: Database, clock: Clock) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock

    def propose(
        self,
        *,
        command_id: CommandId,
        kind: OverrideKind,
        payment: CommandId,
        amount_fen: Fen = ZERO,
        reason: ReasonCode,
        text: str,
        caller: Caller,
    ) -> Override:
        """Turn the first key.

        Args:
            command_id: Made and stored by the caller; also the number of the override.
            kind: Which rule is left aside.
            payment: For which payment.
            amount_fen: The most that it is good for, where an amount is meant.
            reason: Why.
            text: Why, in words without names and numbers of people.
            caller: A clerk or an administrator.

        Raises:
            Refused: ``staff.role_missing``, ``hospital.override_text``, ``payment_not_found``,
                ``command_differs``.
        """
        check_role(caller, (Role.CLERK, Role.ADMINISTRATOR))
        words = checked_text(text)

        def work(connection: Connection) -> Override:
            stored = payments.by_command(connection, self._institution, payment)
            if stored is None:
                raise Refused(PAYMENT_NOT_FOUND)
            asked = Override(
                override_id=OverrideId(command_id),
                institution=self._institution,
                kind=kind,
                payment=payment,
                encounter_no=stored.payment.encounter_no,
                amount_fen=amount_fen,
                reason=reason,
                text=words,
                proposed_by=caller.staff_id,
                proposed_at=self._clock.now(),
            )
            earlier = store.by_id(connection, self._institution, asked.override_id)
            if earlier is not None:
                check_same_proposal(earlier, asked)
                return earlier
            store.add(connection, asked)
            self._note(connection, MoneyAct.OVERRIDE_PROPOSED, asked)
            return asked

        return self._database.write(work)

    def decide(self, *, override_id: OverrideId, approves: bool, caller: Caller) -> Override:
        """Turn the second key, or do not; again the same changes nothing.

        Raises:
            Refused: ``hospital.override_not_found``, ``hospital.override_step``,
                ``staff.role_missing``, ``staff.same_person``.
        """

        def work(connection: Connection) -> Override:
            found = store.by_id(connection, self._institution, override_id)
            if found is None:
                raise Refused(OVERRIDE_NOT_FOUND)
            check_role(caller, SECOND_KEY[found.kind])
            check_two_people(caller.staff_id, found.proposed_by)
            if found.decided_by == caller.staff_id and approves == _approved(found):
                return found
            after = decided(found, caller.staff_id, approves=approves, now=self._clock.now())
            store.change(connection, after)
            act = MoneyAct.OVERRIDE_APPROVED if approves else MoneyAct.OVERRIDE_REJECTED
            self._note(connection, act, after)
            return after

        return self._database.write(work)

    def get(self, *, override_id: OverrideId) -> Override:
        """An override as it stands.

        Raises:
            Refused: ``hospital.override_not_found``.
        """
        found = self._database.read(
            lambda connection: store.by_id(connection, self._institution, override_id)
        )
        if found is None:
            raise Refused(OVERRIDE_NOT_FOUND)
        return found

    def waiting(self) -> Sequence[Override]:
        """What waits for its second key, the oldest first."""
        return self._database.read(lambda connection: store.waiting(connection, self._institution))

    def _note(self, connection: Connection, act: MoneyAct, override: Override) -> None:
        second = override.decided_by
        event = MoneyEvent(
            act=act,
            subject=Reference(override.override_id),
            payment=override.payment,
            staff=override.proposed_by if second is None else second,
            second=None if second is None else override.proposed_by,
            amount_fen=override.amount_fen,
            detail=Code(override.kind.value),
            reason=Code(override.reason.value),
        )
        record(connection, event, at=self._clock.now())


def _approved(override: Override) -> bool:
    return override.state in {OverrideState.APPROVED, OverrideState.USED}
