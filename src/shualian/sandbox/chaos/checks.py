"""Whether a run ended as one story: books, bills, people, funds, wallet, proofs and audits agree.

Asked when all processes are gone, over their data, by this process. Each check gives sentences,
one for each thing that does not agree; none when everything does.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from sqlalchemy import func, select

from shualian.assembly import HospitalSide
from shualian.core.clock import SettableClock, business_date
from shualian.core.identifiers import CommandId, EncounterNo
from shualian.core.money import ZERO, Fen, total
from shualian.hospital.orders import store as orders
from shualian.hospital.orders.model import BatchState
from shualian.hospital.payments.model import NOT_SENT, Payment, PaymentState
from shualian.hospital.wallet.model import MovementKind, PaymentStatus
from shualian.hospital.wallet.model import PaymentState as WalletState
from shualian.insurer.benefits.model import broken_identities
from shualian.insurer.funds import store as ledger
from shualian.insurer.funds.model import balances, personal
from shualian.insurer.reconciliation.model import Movement, State, differences
from shualian.insurer.reconciliation.store import movements
from shualian.insurer.settlement import store as settlements
from shualian.sandbox.chaos.parts import HOSPITAL, Insurer, keys_of_hospital
from shualian.sandbox.chaos.stage import Person, Place, both
from shualian.sandbox.ewallet.server import open_wallet
from shualian.sandbox.ewallet.service import StandInWallet
from shualian.trust.audit.checkpoints import CheckpointFolder
from shualian.trust.audit.service import public_keys_of, verify_chain
from shualian.trust.audit.store import events
from shualian.trust.keys import DevelopmentKeys
from shualian.verification import store as verification

_UNDONE_AT_WALLET = frozenset((WalletState.VOIDED, WalletState.EXPIRED, WalletState.REFUNDED))


@dataclass(frozen=True)
class Ended:
    """What a run has left, opened.

    Attributes:
        place: Where it lies.
        now: When it ended, UTC.
        insurer: Its books.
        hospital: Its books.
        wallet: Its books.
        people: Of the simulation.
        encounters: Numbers of the visits that the kiosks know of.
    """

    place: Place
    now: datetime
    insurer: Insurer
    hospital: HospitalSide
    wallet: StandInWallet
    people: Sequence[Person]
    encounters: Sequence[str]

    @cached_property
    def payments(self) -> list[Payment]:
        """Every payment of the hospital."""
        return [
            payment
            for number in self.encounters
            for payment in self.hospital.payments.of_encounter(encounter_no=EncounterNo(number))
        ]

    @cached_property
    def at_insurer(self) -> Sequence[Movement]:
        """The insurer's settlements as reconciliation takes them, under the payments' commands.

        What stands after lines were given back was settled under the refund's own command; the
        hospital knows it by its number.
        """
        day = business_date(self.now)
        found = self.insurer.database.read(lambda connection: movements(connection, HOSPITAL, day))
        of_setl = {
            each.standing.setl_id: each.command_id for each in self.payments if each.standing
        }
        standing = [
            replace(each, command_id=of_setl.get(each.setl_id, each.command_id))
            for each in found
            if each.state is State.DONE
        ]
        known = {each.command_id for each in standing}
        undone = {
            each.command_id: each
            for each in found
            if each.state is not State.DONE and each.command_id not in known
        }
        return [*standing, *undone.values()]

    def status(self, payment: Payment) -> PaymentStatus | None:
        """How the wallet has the account's part of a payment."""
        if payment.wallet is None:
            return None
        return self.wallet.query(HOSPITAL, payment.wallet.held.command_id).payment


def check(
    place: Place, now: datetime, people: Sequence[Person], encounters: Sequence[str]
) -> "Found":
    """Open what a run left, and hold every check against it."""
    clock = SettableClock(now)
    with (
        both(place, clock) as (insurer, hospital),
        open_wallet(place.folder / "wallet", clock=clock, origin="http://127.0.0.1") as wallet,
    ):
        ended = Ended(place, now, insurer, hospital, wallet, people, encounters)
        broken = [
            f"{name}: {sentence}" for name, each in CHECKS.items() for sentence in each(ended)
        ]
        states = Counter(payment.state.value for payment in ended.payments)
        return Found(broken, states, len(ended.payments))


@dataclass(frozen=True, slots=True)
class Found:
    """What the checks found.

    Attributes:
        broken: What does not agree, one sentence each.
        states: How many payments ended in which state.
        payments: How many there are.
    """

    broken: Sequence[str]
    states: Mapping[str, int]
    payments: int


def _insurers_books(ended: Ended) -> Iterator[str]:
    if not ended.insurer.funds.check_books().coherent:
        yield "the ledger is not coherent"
    booked = balances(ended.insurer.database.read(ledger.all_postings))
    if sum(booked.values()):
        yield f"the ledger sums to {sum(booked.values())} fen"
    for person in ended.people:
        held = ended.insurer.funds.balance(person.psn_no)
        if held < 0 or booked.get(personal(person.psn_no), 0) != held:
            yield "a personal account differs from its postings"


def _wallets_books(ended: Ended) -> Iterator[str]:
    if not ended.wallet.check_books().coherent:
        yield "the wallet's books are not coherent"


def _accumulators(ended: Ended) -> Iterator[str]:
    year = business_date(ended.now).year
    for person in ended.people:
        replay: Counter[str] = Counter()
        insutype = "310"
        for number in ended.insurer.database.read(
            lambda connection, psn_no=person.psn_no: settlements.settlement_ids(  # type: ignore[misc]
                connection, HOSPITAL, psn_no, year
            )
        ):
            record = ended.insurer.settlements.find_settlement(institution=HOSPITAL, setl_id=number)
            insutype = record.insutype
            replay.update(record.settlement.accrual)
            if broken_identities(record.settlement.amounts):
                yield "a settlement does not add up"
        counters = ended.insurer.settlements.year_counters(
            psn_no=person.psn_no, insutype=insutype, year=year
        )
        if {k: v for k, v in counters.items() if v} != {k: v for k, v in replay.items() if v}:
            yield "a year's counters differ from their replay"


def _bills(ended: Ended) -> Iterator[str]:
    for payment in ended.payments:
        if payment.done + payment.undone + (payment.state in NOT_SENT) != 1:
            yield f"a payment is neither done nor undone: {payment.state.value}"
        if payment.state is PaymentState.RESERVED:
            yield "a slip outlived closing time"
    standing = {each.command_id for each in ended.at_insurer if each.state is State.DONE}
    done = {payment.command_id for payment in ended.payments if payment.done}
    if standing != done:
        yield f"{len(standing - done)} settled at the insurer only, {len(done - standing)} here"
    yield from _settled_once(ended)


def _settled_once(ended: Ended) -> Iterator[str]:
    table, undoing = settlements.settlement, settlements.settlement.alias()
    query = (
        select(table.c.mdtrt_id, table.c.chrg_bchno, func.count())
        .where(
            table.c.kind == "settlement",
            ~select(undoing.c.setl_id).where(undoing.c.cancels == table.c.setl_id).exists(),
        )
        .group_by(table.c.mdtrt_id, table.c.chrg_bchno)
    )
    rows = ended.insurer.database.read(lambda connection: connection.execute(query).all())
    if any(count != 1 for *_, count in rows):
        yield "a batch is settled twice"


def _batches(ended: Ended) -> Iterator[str]:
    states = {payment.command_id: payment.state for payment in ended.payments}
    for number in ended.encounters:
        for batch in ended.hospital.database.read(
            lambda connection, number=number: orders.batches_of(  # type: ignore[misc]
                connection, HOSPITAL, EncounterNo(number)
            )
        ):
            holder = states.get(CommandId(batch.held_by or ""))
            fits = {
                BatchState.SETTLED: holder is PaymentState.SETTLED,
                BatchState.HELD: holder in NOT_SENT,
            }
            if not fits.get(batch.state, True):
                yield f"a batch is {batch.state.value} and its payment {holder}"


def _three_books(ended: Ended) -> Iterator[str]:
    ours = [_movement(payment) for payment in ended.payments if payment.state not in NOT_SENT]
    for each in differences(ended.at_insurer, ours, _at_wallet(ended)):
        yield f"{each.cause.value}: {each.found_fen} for {each.expected_fen} fen"


def _movement(payment: Payment) -> Movement:
    """A payment as the hospital's book has it."""
    answer = payment.standing or payment.confirmed
    amounts = answer.amounts
    state = State.DONE if payment.done else State.UNDONE if payment.undone else State.UNKNOWN
    taken = ZERO if payment.wallet is None else payment.wallet.taken_fen
    return Movement(
        command_id=payment.command_id,
        state=state,
        setl_id=answer.setl_id,
        medfee_fen=amounts.medfee_sumamt,
        fund_fen=amounts.fund_pay_sumamt,
        account_fen=amounts.acct_pay,
        cash_fen=amounts.psn_cash_pay,
        wallet=taken > 0,
        wallet_fen=taken,
    )


def _at_wallet(ended: Ended) -> list[Movement]:
    """What the wallet's statement of the day leaves of each payment."""
    of_hold = {each.wallet.held.command_id: each for each in ended.payments if each.wallet}
    left: Counter[CommandId] = Counter()
    for movement in ended.wallet.statement(HOSPITAL, business_date(ended.now)).movements:
        sign = 1 if movement.kind is MovementKind.CAPTURE else -1
        left[movement.payment] += sign * movement.amount_fen
    return [
        Movement(
            command_id=of_hold[hold].command_id if hold in of_hold else hold,
            state=State.DONE if amount else State.UNDONE,
            setl_id=None,
            medfee_fen=Fen(amount),
            fund_fen=ZERO,
            account_fen=ZERO,
            cash_fen=Fen(amount),
        )
        for hold, amount in left.items()
    ]


def _wallet_parts(ended: Ended) -> Iterator[str]:
    for payment in ended.payments:
        if payment.wallet is None:
            continue
        ours, theirs = payment.wallet.held, ended.status(payment)
        if theirs is None:
            if ours.state is not WalletState.DECLINED:
                yield f"the wallet does not know what is {ours.state.value} here"
            continue
        same = (ours.captured_fen, ours.refunded_fen) == (theirs.captured_fen, theirs.refunded_fen)
        if not same or theirs.state is WalletState.HELD:
            yield f"a part is {ours.state.value} here and {theirs.state.value} at the wallet"
        if payment.undone and theirs.state not in _UNDONE_AT_WALLET:
            yield f"a payment is undone and its part {theirs.state.value}"


def _fen(ended: Ended) -> Iterator[str]:
    """Every fen of every settled bill has one payer."""
    for payment in ended.payments:
        if not payment.done:
            continue
        amounts = payment.answer.amounts
        taken = ZERO if payment.wallet is None else payment.wallet.taken_fen
        paid = total(
            [
                amounts.fund_pay_sumamt,
                amounts.acct_pay,
                amounts.acct_mulaid_pay,
                amounts.hosp_part_amt,
                taken,
                payment.cash_due_fen,
            ]
        )
        if paid != amounts.medfee_sumamt:
            yield f"{paid} fen were paid of {amounts.medfee_sumamt}"


def _proofs(ended: Ended) -> Iterator[str]:
    used = select(verification.redemptions.c.auth_digest)
    digests = ended.insurer.database.read(
        lambda connection: connection.execute(used).scalars().all()
    )
    if len(set(digests)) != len(digests):
        yield "a proof was redeemed twice"
    table = settlements.settlement
    rested = select(table.c.evidence_reference).where(
        table.c.intent_id.is_not(None), table.c.evidence == "face"
    )
    references = ended.insurer.database.read(
        lambda connection: connection.execute(rested).scalars().all()
    )
    if len(set(references)) != len(references):
        yield "two settlements rest on one proof"
    if not set(references) <= set(digests):
        yield "a settlement rests on a proof that was not redeemed"


def _audits(ended: Ended) -> Iterator[str]:
    folder = ended.place.folder
    for side in (ended.insurer, ended.hospital):
        side.audit.link()
        side.audit.export_checkpoint()
        is_insurer = side is ended.insurer
        name = "insurer" if is_insurer else "hospital"
        own = folder / "insurer-keys" if is_insurer else keys_of_hospital(folder)
        keys = public_keys_of(DevelopmentKeys(own))
        lines = CheckpointFolder(folder / "checkpoints").everything()
        report = side.database.read(
            lambda connection, lines=lines, keys=keys: verify_chain(  # type: ignore[misc]
                connection, checkpoints=lines, public_keys=keys
            )
        )
        if not report.intact:
            yield f"the {name}'s audit is broken: {report.breaks[0]}"
    yield from _audited(ended)


def _audited(ended: Ended) -> Iterator[str]:
    """Every settlement that stands is in the hospital's audit, once more than its undoing."""
    query = select(events.c.payload).where(events.c.kind == "hospital.payment")
    rows = ended.hospital.database.read(
        lambda connection: connection.execute(query).scalars().all()
    )
    for payment in ended.payments:
        own = [row for row in rows if payment.command_id in row]
        settled = sum('"change":"settled"' in row for row in own)
        undone = sum('"change":"cancelled"' in row for row in own)
        if settled - undone != payment.done:
            yield f"the audit has {settled} settled and {undone} cancelled of a payment"


CHECKS: Mapping[str, Callable[[Ended], Iterator[str]]] = {
    "insurer's books": _insurers_books,
    "wallet's books": _wallets_books,
    "accumulators": _accumulators,
    "bills": _bills,
    "batches": _batches,
    "three books": _three_books,
    "wallet's part": _wallet_parts,
    "every fen": _fen,
    "proofs": _proofs,
    "audits": _audits,
}
"""By what a sentence about them begins with."""
