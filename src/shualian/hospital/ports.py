"""What a hospital needs from outside: face proofs, the insurer's platform, encryption at rest."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from shualian.core.database import forbid_in_transaction
from shualian.core.identifiers import (
    AuthNo,
    EncounterNo,
    InstitutionCode,
    PersonNo,
    SettlementId,
    TerminalId,
)
from shualian.core.refusals import Refused
from shualian.hospital.model import (
    INSURER_UNREACHABLE,
    OUTCOME_UNKNOWN,
    Admission,
    ChargeRecall,
    ChargeUpload,
    EstimateRequest,
    FeeSplit,
    InsuredPerson,
    OpenedVisit,
    PersonQuery,
    RefundAnswer,
    RefundRequest,
    SettlementAnswer,
    SettlementCancellation,
    SettlementCommand,
    SettlementRequest,
    SettlementReversal,
    StayMessage,
    TraceEnding,
    TraceTelling,
    VisitCancellation,
    VisitInformation,
    VisitOpening,
    is_final,
)
from shualian.verification.model import FaceProof

Message = TypeVar("Message")
Answer = TypeVar("Answer")


class FaceProofs(Protocol):
    """Where an authorisation number becomes a person (``cn.nhsa.auth.check``)."""

    def check(self, auth_no: AuthNo, *, expected_institution: InstitutionCode) -> FaceProof:
        """The proof with this number, in time and for this institution; redeems nothing.

        Raises:
            Refused: When there is no such proof, or it is not for this institution, or expired;
                ``hospital.insurer_unreachable`` when nobody answers.
        """
        ...


class InsurerPlatform(Protocol):
    """The insurer's platform as a hospital sees it.

    An implementation never runs inside a database transaction (``forbid_in_transaction``). Its
    refusals are a contract: ``FINAL`` means that nothing was done, nor will be by a copy that is
    still under way; ``TEMPORARY``, ``UNKNOWN`` and every other exception mean that it is not known
    what was done. A command is the same as an
    earlier one when its identifier is (``command_id``, ``ipt_otp_no``, ``feedetl_sn``); one that
    was done is then answered as the first time.
    """

    def person_information(self, query: PersonQuery) -> InsuredPerson:
        """1101: who the person is that showed this; uses nothing up but what the query says.

        A code that is used up by it answers the same intent again while it is good.

        Raises:
            Refused: When the evidence does not prove the person, or the insurer does not know
                them; then nothing is used up.
        """
        ...

    def open_visit(self, opening: VisitOpening) -> OpenedVisit:
        """2201: register a visit; a face or a code that it rests on is used up.

        Raises:
            Refused: See the class.
        """
        ...

    def cancel_visit(self, cancellation: VisitCancellation) -> None:
        """2202: cancel a registration without charge items; again changes nothing.

        Raises:
            Refused: See the class.
        """
        ...

    def upload_charge_items(self, upload: ChargeUpload) -> tuple[FeeSplit, ...]:
        """2204: all lines or none; a line that is known already is answered as the first time.

        Raises:
            Refused: See the class.
        """
        ...

    def pre_settle(self, request: SettlementRequest) -> SettlementAnswer:
        """2206: what 2207 would settle now; changes nothing.

        Raises:
            Refused: When it cannot be settled.
        """
        ...

    def settle(self, command: SettlementCommand) -> SettlementAnswer:
        """2207: settle; evidence, benefit and accounts in one step of the insurer's.

        Raises:
            Refused: See the class; also when the result is not what the person confirmed.
        """
        ...

    def cancel_settlement(self, cancellation: SettlementCancellation) -> SettlementId:
        """2208: take a settlement back whole; gives the number of the cancellation.

        One that was taken back by another command is answered with that one's number: then the
        insurer's books have nothing that stands.

        Raises:
            Refused: See the class.
        """
        ...

    def reverse_settlement(self, reversal: SettlementReversal) -> SettlementId | None:
        """2601: end a settling command as never done, whatever came of it.

        Afterwards the insurer's books have nothing of it that stands, and a copy of the command
        that still arrives is refused. Gives the number of the cancellation that undid it; none
        when it had not been done.

        Raises:
            Refused: See the class.
        """
        ...

    def tell_visit_information(self, information: VisitInformation) -> None:
        """2203: what is said of the illness; the same again changes nothing.

        Raises:
            Refused: See the class.
        """
        ...

    def admit(self, admission: Admission) -> OpenedVisit:
        """2401: admit an in-patient.

        Raises:
            Refused: See the class.
        """
        ...

    def withdraw_charge_items(self, recall: ChargeRecall) -> None:
        """2205: forget the open lines of a batch; again changes nothing.

        Raises:
            Refused: See the class.
        """
        ...

    def tell_traces(self, telling: TraceTelling) -> tuple[FeeSplit, ...]:
        """Tell which boxes of uploaded lines are about to go out; gives the lines' splits now.

        All or none; the same again changes nothing. A line that is not settled and misses a code
        is wholly self-paid from then on.

        Raises:
            Refused: When a code is used already (``insurer.trace_used``), or a settled line
                misses one (``insurer.trace_missing``); see the class.
        """
        ...

    def end_traces(self, ending: TraceEnding) -> None:
        """Tell that boxes came back or never went out; the same again changes nothing.

        Raises:
            Refused: See the class.
        """
        ...

    def estimate(self, request: EstimateRequest) -> SettlementAnswer:
        """What 2207 would settle if exactly these lines were uploaded; changes nothing.

        Raises:
            Refused: When they could not be settled.
        """
        ...

    def refund_settlement(self, request: RefundRequest) -> RefundAnswer:
        """Give lines of a settlement back and settle the rest on the original evidence.

        Raises:
            Refused: See the class.
        """
        ...

    def discharge(self, message: StayMessage) -> None:
        """2402: an in-patient has left; the same again changes nothing.

        Raises:
            Refused: See the class.
        """
        ...

    def cancel_discharge(self, message: StayMessage) -> None:
        """2405: the stay goes on; again changes nothing.

        Raises:
            Refused: See the class; also when a settlement to its end stands.
        """
        ...

    def cancel_admission(self, message: StayMessage) -> None:
        """2404: the stay never was; again changes nothing.

        Raises:
            Refused: See the class; also when there are charge items.
        """
        ...


class Calls(Protocol):
    """The insurer's side, whose terminals compare with the one person who is called to them.

    An implementation never runs inside a database transaction.
    """

    def call(self, terminal_id: TerminalId, psn_no: PersonNo) -> None:
        """Arm a terminal of the hospital for the patient who is called to it.

        Raises:
            Refused: When it is not the hospital's, or nobody can be told now.
        """
        ...

    def end_call(self, terminal_id: TerminalId) -> None:
        """Disarm a terminal.

        Raises:
            Refused: When nobody can be told now.
        """
        ...


class StayBills(Protocol):
    """Which encounters are stays, whose bill is all that is open of them."""

    def goes_on(self, encounter_no: EncounterNo) -> bool | None:
        """Whether a stay goes on, so that its settlement is one in the middle; none of no stay."""
        ...


class FieldSealer(Protocol):
    """Authenticated encryption at rest, and a keyed hash by which equal values are found."""

    def seal(self, plain: bytes, *, purpose: str, context: bytes) -> bytes:
        """Encrypt ``plain``, bound to ``purpose`` and ``context``."""
        ...

    def open(self, sealed: bytes, *, purpose: str, context: bytes) -> bytes:
        """Decrypt what :meth:`seal` gave for the same purpose and context.

        Raises:
            Refused: When the content, the purpose or the context is another.
        """
        ...

    def keyed_hash(self, value: bytes, *, purpose: str) -> bytes:
        """A value that only equal values share and that says nothing without the key."""
        ...


def ask_insurer(question: Callable[[Message], Answer], message: Message) -> Answer:
    """Ask the insurer what may be asked again at any time without harm.

    Raises:
        Refused: What the insurer refuses; ``hospital.insurer_unreachable`` when there is no
            answer.
    """
    forbid_in_transaction("a message to the insurer")
    try:
        return question(message)
    except Refused:
        raise
    except Exception as failure:
        raise Refused(INSURER_UNREACHABLE, found=type(failure).__name__) from failure


def command_insurer(question: Callable[[Message], Answer], command: Message) -> Answer:
    """Send the insurer a command that was stored before.

    Raises:
        Refused: What the insurer refuses for good; ``hospital.outcome_unknown`` for every other
            end, because the command may have been done.
    """
    forbid_in_transaction("a message to the insurer")
    try:
        return question(command)
    except Exception as failure:
        if is_final(failure):
            raise
        raise Refused(OUTCOME_UNKNOWN, found=_name_of(failure)) from failure


def _name_of(failure: Exception) -> str:
    return failure.kind.code if isinstance(failure, Refused) else type(failure).__name__
