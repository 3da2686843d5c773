"""The sandbox's own wire between the halves: a hospital's ports as JSON of our types over loopback.

It is no national interface and proves nothing about one: it has no signatures and no envelope. It
exists so that the halves are two processes between which messages can be lost.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shualian.core.database import forbid_in_transaction
from shualian.core.identifiers import AuthNo, InstitutionCode, PersonNo, SettlementId
from shualian.core.refusals import Refused
from shualian.hospital.model import (
    Admission,
    ChargeRecall,
    ChargeUpload,
    EstimateRequest,
    FeeSplit,
    IdentityQuery,
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
    refusal_from_text,
    refusal_to_text,
)
from shualian.hospital.ports import FaceProofs, InsurerPlatform, ask_insurer
from shualian.verification.model import FaceProof

PATH = "/insurer"
REFUSED = HTTPStatus.UNPROCESSABLE_ENTITY

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class ProofQuestion:
    """Whose proof a number is."""

    auth_no: AuthNo
    institution: InstitutionCode


@dataclass(frozen=True, slots=True)
class _Form:
    """What goes there and what comes back."""

    question: TypeAdapter[Any]
    answer: TypeAdapter[Any]


_FORMS: Mapping[str, _Form] = MappingProxyType(
    {
        "person": _Form(TypeAdapter(PersonQuery), TypeAdapter(InsuredPerson)),
        "visit": _Form(TypeAdapter(VisitOpening), TypeAdapter(OpenedVisit)),
        "charges": _Form(TypeAdapter(ChargeUpload), TypeAdapter(tuple[FeeSplit, ...])),
        "trial": _Form(TypeAdapter(SettlementRequest), TypeAdapter(SettlementAnswer)),
        "settle": _Form(TypeAdapter(SettlementCommand), TypeAdapter(SettlementAnswer)),
        "cancel": _Form(TypeAdapter(SettlementCancellation), TypeAdapter(SettlementId)),
        "traces": _Form(TypeAdapter(TraceTelling), TypeAdapter(tuple[FeeSplit, ...])),
        "end_traces": _Form(TypeAdapter(TraceEnding), TypeAdapter(None)),
        "information": _Form(TypeAdapter(VisitInformation), TypeAdapter(None)),
        "withdraw": _Form(TypeAdapter(ChargeRecall), TypeAdapter(None)),
        "estimate": _Form(TypeAdapter(EstimateRequest), TypeAdapter(SettlementAnswer)),
        "refund": _Form(TypeAdapter(RefundRequest), TypeAdapter(RefundAnswer)),
        "admit": _Form(TypeAdapter(Admission), TypeAdapter(OpenedVisit)),
        "discharge": _Form(TypeAdapter(StayMessage), TypeAdapter(None)),
        "cancel_discharge": _Form(TypeAdapter(StayMessage), TypeAdapter(None)),
        "cancel_admission": _Form(TypeAdapter(StayMessage), TypeAdapter(None)),
        "identify": _Form(TypeAdapter(IdentityQuery), TypeAdapter(PersonNo)),
        "cancel_visit": _Form(TypeAdapter(VisitCancellation), TypeAdapter(None)),
        "reverse": _Form(TypeAdapter(SettlementReversal), TypeAdapter(SettlementId | None)),
        "proof": _Form(TypeAdapter(ProofQuestion), TypeAdapter(FaceProof)),
    }
)


class WireInsurer:
    """A hospital's ports ``InsurerPlatform`` and ``FaceProofs`` at the other end of the wire."""

    def __init__(self, http: httpx.Client) -> None:
        """Ask with ``http``, which has the base address and its times."""
        self._http = http

    def person_information(self, query: PersonQuery) -> InsuredPerson:
        """See :meth:`InsurerPlatform.person_information`."""
        found: InsuredPerson = self._ask("person", query, InsuredPerson)
        return found

    def open_visit(self, opening: VisitOpening) -> OpenedVisit:
        """See :meth:`InsurerPlatform.open_visit`."""
        found: OpenedVisit = self._ask("visit", opening, OpenedVisit)
        return found

    def upload_charge_items(self, upload: ChargeUpload) -> tuple[FeeSplit, ...]:
        """See :meth:`InsurerPlatform.upload_charge_items`."""
        found: tuple[FeeSplit, ...] = self._ask("charges", upload, tuple)
        return found

    def pre_settle(self, request: SettlementRequest) -> SettlementAnswer:
        """See :meth:`InsurerPlatform.pre_settle`."""
        found: SettlementAnswer = self._ask("trial", request, SettlementAnswer)
        return found

    def settle(self, command: SettlementCommand) -> SettlementAnswer:
        """See :meth:`InsurerPlatform.settle`."""
        found: SettlementAnswer = self._ask("settle", command, SettlementAnswer)
        return found

    def cancel_settlement(self, cancellation: SettlementCancellation) -> SettlementId:
        """See :meth:`InsurerPlatform.cancel_settlement`."""
        return SettlementId(self._ask("cancel", cancellation, str))

    def reverse_settlement(self, reversal: SettlementReversal) -> SettlementId | None:
        """See :meth:`InsurerPlatform.reverse_settlement`."""
        answer: str | None = self._ask("reverse", reversal, (str, type(None)))
        return None if answer is None else SettlementId(answer)

    def cancel_visit(self, cancellation: VisitCancellation) -> None:
        """See :meth:`InsurerPlatform.cancel_visit`."""
        self._ask("cancel_visit", cancellation, type(None))

    def tell_visit_information(self, information: VisitInformation) -> None:
        """See :meth:`InsurerPlatform.tell_visit_information`."""
        self._ask("information", information, type(None))

    def withdraw_charge_items(self, recall: ChargeRecall) -> None:
        """See :meth:`InsurerPlatform.withdraw_charge_items`."""
        self._ask("withdraw", recall, type(None))

    def estimate(self, request: EstimateRequest) -> SettlementAnswer:
        """See :meth:`InsurerPlatform.estimate`."""
        found: SettlementAnswer = self._ask("estimate", request, SettlementAnswer)
        return found

    def refund_settlement(self, request: RefundRequest) -> RefundAnswer:
        """See :meth:`InsurerPlatform.refund_settlement`."""
        found: RefundAnswer = self._ask("refund", request, RefundAnswer)
        return found

    def admit(self, admission: Admission) -> OpenedVisit:
        """See :meth:`InsurerPlatform.admit`."""
        found: OpenedVisit = self._ask("admit", admission, OpenedVisit)
        return found

    def discharge(self, message: StayMessage) -> None:
        """See :meth:`InsurerPlatform.discharge`."""
        self._ask("discharge", message, type(None))

    def cancel_discharge(self, message: StayMessage) -> None:
        """See :meth:`InsurerPlatform.cancel_discharge`."""
        self._ask("cancel_discharge", message, type(None))

    def cancel_admission(self, message: StayMessage) -> None:
        """See :meth:`InsurerPlatform.cancel_admission`."""
        self._ask("cancel_admission", message, type(None))

    def tell_traces(self, telling: TraceTelling) -> tuple[FeeSplit, ...]:
        """See :meth:`InsurerPlatform.tell_traces`."""
        found: tuple[FeeSplit, ...] = self._ask("traces", telling, tuple)
        return found

    def end_traces(self, ending: TraceEnding) -> None:
        """See :meth:`InsurerPlatform.end_traces`."""
        self._ask("end_traces", ending, type(None))

    def identify(self, query: IdentityQuery) -> PersonNo:
        """See :meth:`InsurerPlatform.identify`."""
        return PersonNo(self._ask("identify", query, str))

    def check(self, auth_no: AuthNo, *, expected_institution: InstitutionCode) -> FaceProof:
        """See :meth:`FaceProofs.check`."""
        asked = ProofQuestion(auth_no, expected_institution)
        found: FaceProof = ask_insurer(lambda each: self._ask("proof", each, FaceProof), asked)
        return found

    def _ask(self, name: str, message: object, expected: Any) -> Any:
        forbid_in_transaction("a message to the insurer")
        form = _FORMS[name]
        response = self._http.post(f"{PATH}/{name}", content=form.question.dump_json(message))
        if response.status_code == REFUSED:
            raise refusal_from_text(response.text)
        response.raise_for_status()
        answer = form.answer.validate_json(response.content)
        if not isinstance(answer, expected):
            raise TypeError(f"{name} was answered with something else")
        return answer


def insurer_routes(platform: InsurerPlatform, proofs: FaceProofs) -> list[Route]:
    """The insurer's end of the wire."""
    acts: Mapping[str, Callable[[Any], object]] = {
        "person": platform.person_information,
        "visit": platform.open_visit,
        "charges": platform.upload_charge_items,
        "trial": platform.pre_settle,
        "settle": platform.settle,
        "cancel": platform.cancel_settlement,
        "reverse": platform.reverse_settlement,
        "cancel_visit": platform.cancel_visit,
        "information": platform.tell_visit_information,
        "withdraw": platform.withdraw_charge_items,
        "estimate": platform.estimate,
        "refund": platform.refund_settlement,
        "admit": platform.admit,
        "discharge": platform.discharge,
        "cancel_discharge": platform.cancel_discharge,
        "cancel_admission": platform.cancel_admission,
        "traces": platform.tell_traces,
        "end_traces": platform.end_traces,
        "identify": platform.identify,
        "proof": lambda asked: proofs.check(asked.auth_no, expected_institution=asked.institution),
    }

    async def answer(request: Request) -> Response:
        name, body = request.path_params["name"], await request.body()
        form = _FORMS[name]
        try:
            question = form.question.validate_json(body)
            found = await run_in_threadpool(acts[name], question)
        except Refused as refused:
            text = refusal_to_text(refused)
            return Response(text, REFUSED, media_type="application/json")
        return Response(form.answer.dump_json(found), media_type="application/json")

    return [Route(PATH + "/{name}", answer, methods=["POST"])]
