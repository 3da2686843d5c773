"""Use cases of calls for help."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, TerminalId, new_identifier
from shualian.core.refusals import Refused
from shualian.hospital.help import store
from shualian.hospital.help.model import (
    HELP_CALL_NOT_FOUND,
    KEPT_FOR,
    RINGS_FOR,
    HelpCall,
    HelpCallNo,
    Helper,
    HelpState,
    heard_by,
    helping_role,
    taken_by,
)
from shualian.hospital.help.ports import OwnNames
from shualian.hospital.ports import FieldSealer
from shualian.staff.model import Caller

_NAME = "hospital.help.name"


class HelpCalls:
    """The bells of one hospital's terminals.

    A call is heard when an open page of somebody whose role helps has fetched it; nobody is said
    to know before that, and to come before they said so themselves.
    """

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        sealer: FieldSealer,
        names: OwnNames,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self._names = names

    def ring(self, *, terminal_id: TerminalId, place: str) -> HelpCall:
        """Ring at a terminal; while it rings there already, the same call."""
        now = self._clock.now()
        new = HelpCall(
            HelpCallNo(new_identifier()), self._institution, terminal_id, place, asked_at=now
        )

        def work(connection: Connection) -> HelpCall:
            for each in store.open_since(connection, self._institution, now - RINGS_FOR):
                if each.terminal_id == terminal_id:
                    return self._opened(each)
            store.add(connection, self._sealed(new))
            return new

        return self._database.write(work)

    def look(self, *, terminal_id: TerminalId, call_no: HelpCallNo) -> HelpCall:
        """How a terminal's own call stands.

        Raises:
            Refused: ``hospital.help_call_not_found``.
        """
        return self._database.read(
            lambda connection: self._of_terminal(connection, terminal_id, call_no, lock=False)
        )

    def end(self, *, terminal_id: TerminalId, call_no: HelpCallNo) -> HelpCall:
        """The person goes on alone, or nobody heard it: nobody is to come any more.

        Raises:
            Refused: ``hospital.help_call_not_found``.
        """

        def work(connection: Connection) -> HelpCall:
            call = self._of_terminal(connection, terminal_id, call_no)
            return self._ended(connection, call)

        return self._database.write(work)

    def hear(self, *, caller: Caller) -> Sequence[HelpCall]:
        """What rings now, on the page of somebody who is signed in; it is heard by that."""
        helper, since = self._helper(caller), self._clock.now() - RINGS_FOR

        def rings(connection: Connection) -> Sequence[store.SealedCall]:
            return store.open_since(connection, self._institution, since)

        def work(connection: Connection) -> Sequence[HelpCall]:
            return [
                self._changed(connection, self._opened(each), lambda call: heard_by(call, helper))
                for each in rings(connection)
            ]

        ringing = self._database.read(rings)
        if all(each.helper_id is not None for each in ringing):
            return [self._opened(each) for each in ringing]
        return self._database.write(work)

    def come(self, *, caller: Caller, call_no: HelpCallNo) -> HelpCall:
        """Say that one comes; the screen says so by name.

        Raises:
            Refused: ``hospital.help_call_not_found``, ``help_call_over``.
        """
        helper, now = self._helper(caller), self._clock.now()

        def work(connection: Connection) -> HelpCall:
            call = self._by_number(connection, call_no)
            return self._changed(connection, call, lambda call: taken_by(call, helper, now=now))

        return self._database.write(work)

    def finish(self, *, call_no: HelpCallNo) -> HelpCall:
        """Somebody was there, and it is over; again changes nothing.

        Raises:
            Refused: ``hospital.help_call_not_found``.
        """
        return self._database.write(
            lambda connection: self._ended(connection, self._by_number(connection, call_no))
        )

    def forget_old(self) -> int:
        """Forget calls of more than a day ago; how many."""
        before = self._clock.now() - KEPT_FOR
        return self._database.write(
            lambda connection: store.forget(connection, self._institution, before)
        )

    def state(self, call: HelpCall) -> HelpState:
        """What may be said of a call now."""
        return call.state(self._clock.now())

    def _helper(self, caller: Caller) -> Helper:
        return Helper(
            caller.staff_id, self._names.own(caller).name, role=helping_role(caller.roles)
        )

    def _ended(self, connection: Connection, call: HelpCall) -> HelpCall:
        now = self._clock.now()
        return self._changed(
            connection, call, lambda call: replace(call, ended_at=call.ended_at or now)
        )

    def _changed(
        self, connection: Connection, before: HelpCall, change: Callable[[HelpCall], HelpCall]
    ) -> HelpCall:
        after = change(before)
        if after != before:
            store.change(connection, self._sealed(after))
        return after

    def _of_terminal(
        self,
        connection: Connection,
        terminal_id: TerminalId,
        call_no: HelpCallNo,
        *,
        lock: bool = True,
    ) -> HelpCall:
        found = self._by_number(connection, call_no, lock=lock)
        if found.terminal_id != terminal_id:
            raise Refused(HELP_CALL_NOT_FOUND)
        return found

    def _by_number(
        self, connection: Connection, call_no: HelpCallNo, *, lock: bool = True
    ) -> HelpCall:
        found = store.by_number(connection, self._institution, call_no, lock=lock)
        if found is None:
            raise Refused(HELP_CALL_NOT_FOUND)
        return self._opened(found)

    def _sealed(self, call: HelpCall) -> store.SealedCall:
        helper, context = call.helper, call.call_no.encode()
        name = None
        if helper is not None:
            name = self._sealer.seal(helper.name.encode(), purpose=_NAME, context=context)
        return store.SealedCall(
            call_no=call.call_no,
            institution=call.institution,
            terminal_id=call.terminal_id,
            place=call.place,
            asked_at=call.asked_at,
            helper_id=None if helper is None else helper.staff_id,
            helper_name_sealed=name,
            helper_role=None if helper is None else helper.role,
            coming_at=call.coming_at,
            ended_at=call.ended_at,
        )

    def _opened(self, sealed: store.SealedCall) -> HelpCall:
        helper, name, role = None, sealed.helper_name_sealed, sealed.helper_role
        if sealed.helper_id is not None and name is not None and role is not None:
            context = sealed.call_no.encode()
            plain = self._sealer.open(name, purpose=_NAME, context=context).decode()
            helper = Helper(sealed.helper_id, plain, role=role)
        return HelpCall(
            call_no=sealed.call_no,
            institution=sealed.institution,
            terminal_id=sealed.terminal_id,
            place=sealed.place,
            asked_at=sealed.asked_at,
            helper=helper,
            coming_at=sealed.coming_at,
            ended_at=sealed.ended_at,
        )
