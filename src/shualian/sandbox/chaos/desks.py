"""What the simulation can ask of each process by hand: acts of people, clerks and upkeep.

JSON in, JSON out, over loopback; an act that is refused is answered with the refusal's code.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from shualian.assembly import HospitalSide
from shualian.core.clock import SettableClock
from shualian.core.id_number import IdNumber
from shualian.core.identifiers import (
    AuthNo,
    CommandId,
    EncounterNo,
    IntentId,
    PersonNo,
    RecordNo,
    TerminalId,
)
from shualian.core.money import Fen
from shualian.core.refusals import Refused
from shualian.hospital.model import DocumentEvidence, Evidence, FaceEvidence
from shualian.hospital.orders.model import OrderLine
from shualian.hospital.orders.store import items_of_batch
from shualian.hospital.payments.model import REFUND_ITEMS_INVALID, Payment
from shualian.hospital.scheduling.model import Department, Doctor
from shualian.hospital.wallet.model import DeclineReason, PayerRef
from shualian.sandbox import known_proofs
from shualian.sandbox.chaos.network import NOW_HEADER
from shualian.sandbox.chaos.parts import CLERK, HOSPITAL, DyingDatabase, Insurer, to
from shualian.sandbox.chaos.wire import REFUSED
from shualian.sandbox.ewallet.model import Fault, FaultKind, NewsFault, NewsFaultKind
from shualian.sandbox.ewallet.server import HttpPost
from shualian.sandbox.ewallet.service import StandInWallet
from shualian.sandbox.known_proofs import KnownProof
from shualian.verification.model import Scene

PATH = "/by-hand"

Asked = Mapping[str, Any]
Act = Callable[[Asked], object]


def application(acts: Mapping[str, Act], clock: SettableClock, *others: Route | Mount) -> ASGIApp:
    """A process's whole application: its own protocol, and the acts by hand."""

    async def answer(request: Request) -> Response:
        asked = await request.json()
        try:
            found = await run_in_threadpool(acts[request.path_params["act"]], asked)
        except Refused as refused:
            return JSONResponse({"refused": refused.kind.code}, REFUSED)
        return JSONResponse(found)

    by_hand = Route(PATH + "/{act}", answer, methods=["POST"])
    return _Timed(Starlette(routes=[by_hand, *others]), clock)


class _Timed:
    """Sets the clock to the time that comes with a message."""

    def __init__(self, app: ASGIApp, clock: SettableClock) -> None:
        self._app = app
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = dict(scope.get("headers") or ()).get(NOW_HEADER.encode())
        if told:
            self._clock.set(datetime.fromisoformat(told.decode()))
        await self._app(scope, receive, send)


def insurer_acts(insurer: Insurer, database: DyingDatabase, clock: SettableClock) -> dict[str, Act]:
    """A scan that proves somebody, and upkeep."""

    def proof(asked: Asked) -> object:
        known = KnownProof(
            institution=HOSPITAL,
            beneficiary=PersonNo(asked["person"]),
            subject=PersonNo(asked["person"]),
            scene=Scene(asked["scene"]),
            amount_max_fen=Fen(asked["amount"]),
            pin=asked["pin"],
            intent_id=IntentId(asked["intent"]) if asked["intent"] else None,
        )
        now = clock.now()
        made = insurer.database.write(
            lambda connection: known_proofs.issue(connection, known, now=now)
        )
        return {
            "auth_no": made.auth_no,
            "intent_id": made.intent_id,
            "terminal_id": made.terminal_id,
            "scene": made.scene.value,
        }

    return {"proof": proof, "link": lambda _: insurer.audit.link(), **_dying(database)}


def hospital_acts(
    hospital: HospitalSide, database: DyingDatabase, clock: SettableClock
) -> dict[str, Act]:
    """What people and clerks do at a hospital, and its upkeep."""
    payments = hospital.payments

    def evidence(asked: Asked) -> Evidence:
        if "id_number" in asked:
            number = IdNumber(asked["id_number"])
            return DocumentEvidence(number, CLERK, IntentId(asked["intent_id"]))
        return _face(asked, clock)

    def register(asked: Asked) -> object:
        return hospital.encounters.register(
            command_id=CommandId(asked["command"]),
            record_no=RecordNo(asked["record"]),
            department=Department("A03", "内科", "A03", "A"),
            doctor=Doctor("D990000000001", "示例医生"),
            evidence=_face(asked["evidence"], clock),
        ).encounter_no

    def order(asked: Asked) -> object:
        encounter_no = EncounterNo(asked["encounter"])
        hospital.orders.order(
            command_id=CommandId(asked["command"]),
            encounter_no=encounter_no,
            lines=[OrderLine(code, Decimal(1)) for code in asked["codes"]],
        )
        return len(hospital.orders.upload(encounter_no=encounter_no))

    def settle(asked: Asked) -> object:
        return _shown(
            payments.settle(
                command_id=CommandId(asked["command"]),
                evidence=evidence(asked["evidence"]),
                from_wallet_fen=Fen(asked["from_wallet"]),
            )
        )

    def of_payment(act: Callable[..., Payment]) -> Act:
        return lambda asked: _shown(act(command_id=CommandId(asked["command"])))

    def resolve(_: Asked) -> object:
        return len(hospital.encounters.resume_all()) + len(payments.resolve_all())

    return {
        "register": register,
        "order": order,
        "prepare": lambda asked: _shown(
            payments.prepare(
                command_id=CommandId(asked["command"]),
                encounter_no=EncounterNo(asked["encounter"]),
                acct_used_flag=asked["account"],
            )
        ),
        "settle": settle,
        "settle-at-once": lambda asked: _at_once(lambda: settle(asked)),
        "reserve": of_payment(payments.reserve),
        "cancel": of_payment(payments.cancel),
        "give-up": of_payment(payments.give_up),
        "withdraw": of_payment(payments.withdraw),
        "get": of_payment(payments.get),
        **_giving_and_taking(hospital),
        "resolve": resolve,
        "close": lambda _: hospital.close_day(),
        "link": lambda _: hospital.audit.link(),
        "agree": lambda asked: hospital.agreements.link(
            psn_no=PersonNo(asked["person"]), payer=PayerRef(asked["payer"])
        ),
        "disagree": lambda asked: hospital.agreements.unlink(psn_no=PersonNo(asked["person"])),
        **_dying(database),
    }


def _giving_and_taking(hospital: HospitalSide) -> dict[str, Act]:
    """Lines that are given back, and cash."""
    payments = hospital.payments

    def refund(asked: Asked) -> object:
        payment = payments.get(command_id=CommandId(asked["command"]))
        lines = hospital.database.read(
            lambda connection: items_of_batch(connection, HOSPITAL, payment.chrg_bchno)
        )
        if not lines:
            # All of them were given back before.
            raise Refused(REFUND_ITEMS_INVALID)
        line = lines[asked["line"] % len(lines)]
        return payments.refund_items(
            command_id=CommandId(asked["refund"]),
            payment=payment.command_id,
            items=[line.feedetl_sn],
        ).state.value

    def cash(asked: Asked) -> object:
        return hospital.cashier.take_cash(
            command_id=CommandId(asked["taking"]),
            payment=CommandId(asked["command"]),
            tendered_fen=Fen(100_000_00),
            taken_by=CLERK,
        ).due_fen

    return {"cash": cash, "refund": refund}


def wallet_acts(wallet: StandInWallet) -> dict[str, Act]:
    """The knobs of the stand-in, and its news and upkeep one at a time."""

    def fault(asked: Asked) -> object:
        reason = DeclineReason(asked["reason"])
        wallet.faults.set(Fault(FaultKind(asked["kind"]), reason=reason, times=1))
        return None

    def news(asked: Asked) -> object:
        wallet.faults.set_news(NewsFault(NewsFaultKind(asked["kind"])))
        with to("") as http:
            return wallet.send_due_news(HttpPost(http))

    return {
        "fault": fault,
        "mend": lambda _: wallet.faults.set(Fault()),
        "news": news,
        "expire": lambda _: wallet.expire_due(),
        "waiting": lambda _: wallet.waiting_news(),
    }


def _dying(database: DyingDatabase) -> dict[str, Act]:
    def die_at(asked: Asked) -> object:
        database.die_at(asked["write"], inside=asked["inside"])
        return None

    return {"die": die_at}


def _face(asked: Asked, clock: SettableClock) -> FaceEvidence:
    return FaceEvidence(
        auth_no=AuthNo(asked["auth_no"]),
        intent_id=IntentId(asked["intent_id"]),
        scene=Scene(asked["scene"]),
        terminal_id=TerminalId(asked["terminal_id"]),
        first_frame_at=clock.now() - timedelta(seconds=4),
    )


def _shown(payment: Payment) -> object:
    amounts = (payment.standing or payment.confirmed).amounts
    return {
        "state": payment.state.value,
        "intent": payment.intent_id,
        "bill": amounts.medfee_sumamt,
        "cash": amounts.psn_cash_pay,
    }


def _at_once(act: Callable[[], object]) -> object:
    """The same by two at the same time; the first that is not refused, else the refusal."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(act), pool.submit(act)
        try:
            return first.result()
        except Refused:
            return second.result()
