"""The one place where ports meet implementations: insurer side, hospital side, and between."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path

from prometheus_client import Counter
from sqlalchemy import MetaData

from shualian.core.clock import Clock
from shualian.core.database import Database, PostgresDatabase, open_database
from shualian.core.identifiers import InstitutionCode, PersonNo
from shualian.core.mode import Mode, Side
from shualian.core.refusals import Refused
from shualian.core.settings import SETTINGS_INVALID, Settings
from shualian.face.calibration import Calibration, load_calibration
from shualian.face.engine import FaceEngine, load_engine
from shualian.gallery import store as gallery_store
from shualian.gallery.model import TEMPLATE_UNREADABLE, EmbeddingPath, Rebuilt
from shualian.gallery.service import Gallery
from shualian.hospital import model as at_hospital
from shualian.hospital.cashier import store as cashier_store
from shualian.hospital.cashier.service import Cashier
from shualian.hospital.encounters import store as encounter_store
from shualian.hospital.encounters.service import Encounters
from shualian.hospital.orders import store as order_store
from shualian.hospital.orders.model import PriceList
from shualian.hospital.orders.service import Orders
from shualian.hospital.payments import store as payment_store
from shualian.hospital.payments.service import Payments
from shualian.hospital.ports import FaceProofs, InsurerPlatform
from shualian.hospital.records import store as record_store
from shualian.hospital.records.service import Records
from shualian.insurer.benefits.model import WHOLE, LineSplit, Settlement
from shualian.insurer.benefits.store import (
    load_catalogues,
    load_policies,
    packaged_catalogues,
    packaged_policies,
)
from shualian.insurer.benefits.wording import render_trace
from shualian.insurer.funds import store as fund_store
from shualian.insurer.funds.service import Funds
from shualian.insurer.institutions import store as institution_store
from shualian.insurer.institutions.service import Institutions
from shualian.insurer.persons import store as person_store
from shualian.insurer.persons.model import InsuranceStatus
from shualian.insurer.persons.service import Persons
from shualian.insurer.settlement import model as at_insurer
from shualian.insurer.settlement import store as settlement_store
from shualian.insurer.settlement.service import Settlements
from shualian.staff import store as staff_store
from shualian.staff.passkeys.model import relying_party
from shualian.staff.service import StaffServices, staff_services
from shualian.terminals import store as terminal_store
from shualian.terminals.register.model import Network, parse_networks
from shualian.terminals.requests.model import FreshnessLimits
from shualian.terminals.requests.ports import Nonces
from shualian.terminals.requests.store import MemoryNonces, SharedNonces
from shualian.terminals.service import TerminalServices, terminal_services
from shualian.trust.audit import store as audit_store
from shualian.trust.audit.checkpoints import CHECKPOINTS_FOLDER, CheckpointFolder
from shualian.trust.audit.service import AuditChain
from shualian.trust.keys import DevelopmentKeys, FileKeys, KeyProvider
from shualian.trust.sealing import DerivedSecrets, Sealer
from shualian.verification import store as verification_store
from shualian.verification.model import PROOF_OTHER_SUBJECT, Policy
from shualian.verification.service import Verification

INSURER_TABLES: Sequence[MetaData] = (
    person_store.metadata,
    institution_store.metadata,
    fund_store.metadata,
    settlement_store.metadata,
    gallery_store.metadata,
    verification_store.metadata,
    terminal_store.metadata,
    staff_store.metadata,
    audit_store.metadata,
)
"""Every table of an insurer's database."""

HOSPITAL_TABLES: Sequence[MetaData] = (
    record_store.metadata,
    encounter_store.metadata,
    order_store.metadata,
    payment_store.metadata,
    cashier_store.metadata,
    staff_store.metadata,
    audit_store.metadata,
)
"""Every table of a hospital's database."""

TEMPLATES_PER_PERSON = 1
"""Templates that enrolment keeps of a person; the candidate limit counts with it."""

_INSURED_GALLERY = "insured"
_INSURER_CHAIN = "insurer"
_PROTECTION_PURPOSE = "gallery.insured.protection"


@dataclass(frozen=True, slots=True)
class InsurerSide:
    """Everything about faces and about the insurer's money, over one database."""

    mode: Mode
    database: Database
    engine: FaceEngine
    calibration: Calibration
    gallery: Gallery
    verification: Verification
    persons: Persons
    institutions: Institutions
    funds: Funds
    settlements: Settlements
    terminals: TerminalServices
    staff: StaffServices
    audit: AuditChain

    def close(self) -> None:
        """Finish and close the database."""
        self.database.close()


@dataclass(frozen=True, slots=True)
class HospitalSide:
    """One hospital, over its own database; it holds no template."""

    institution: InstitutionCode
    database: Database
    records: Records
    encounters: Encounters
    orders: Orders
    payments: Payments
    cashier: Cashier
    staff: StaffServices
    audit: AuditChain

    def close(self) -> None:
        """Finish and close the database."""
        self.database.close()


def open_insurer_side(settings: Settings, *, mode: Mode, clock: Clock) -> InsurerSide:
    """Open the insurer's half of the house.

    Raises:
        Refused: When weights, calibration, keys or the database are not as they must be, or the
            settings ask for an error rate that is not proven.
    """
    engine = load_engine(settings)
    calibration = load_calibration(engine.path)
    database = open_database(_insurer_url(settings), side=Side.INSURER, mode=mode)
    keys = _keys(settings.data_dir / "insurer-keys", mode)
    sealer = Sealer(keys)
    gallery = Gallery(
        _INSURED_GALLERY,
        [EmbeddingPath(engine.path_id, engine.dimension)],
        database=database,
        keys=DerivedSecrets(keys, _PROTECTION_PURPOSE, b"protection"),
        sealer=sealer,
        clock=clock,
    )
    _check_readable(gallery.rebuild())
    verification = Verification(
        database=database,
        clock=clock,
        gallery=gallery,
        error_rates=calibration,
        policy=Policy(
            fpir_max=settings.identification_fpir_max,
            identification_fmr=settings.identification_fmr,
            verification_fmr=settings.verification_fmr,
            margin=settings.identification_margin,
            templates_per_person_max=TEMPLATES_PER_PERSON,
        ),
        mode=mode,
    )
    return InsurerSide(
        mode=mode,
        database=database,
        engine=engine,
        calibration=calibration,
        gallery=gallery,
        verification=verification,
        persons=Persons(database=database, sealer=sealer, mode=mode),
        institutions=Institutions(database=database),
        funds=Funds(database=database, clock=clock),
        settlements=Settlements(
            database=database,
            clock=clock,
            policies=load_policies(packaged_policies()),
            catalogues=load_catalogues(packaged_catalogues()),
            proofs=verification,
            sealer=sealer,
        ),
        terminals=terminal_services(
            database=database,
            clock=clock,
            hasher=sealer,
            nonces=_nonces(database, clock),
            counter=_COUNTER,
            mode=mode,
            networks=_networks(settings),
            limits=_FRESHNESS,
        ),
        staff=_staff(settings, database, sealer, clock),
        audit=_audit(_INSURER_CHAIN, settings, database, keys, clock),
    )


def open_hospital_side(
    settings: Settings,
    *,
    institution: InstitutionCode,
    institution_name: str,
    prices: PriceList,
    insurer: InsurerPlatform,
    proofs: FaceProofs,
    mode: Mode,
    clock: Clock,
) -> HospitalSide:
    """Open one hospital's half of the house.

    Raises:
        Refused: When keys or the database are not as they must be.
    """
    database = open_database(_hospital_url(settings), side=Side.HOSPITAL, mode=mode)
    keys = _keys(settings.data_dir / "hospital-keys", mode)
    sealer = Sealer(keys)
    records = Records(
        institution=institution,
        database=database,
        clock=clock,
        proofs=proofs,
        insurer=insurer,
        sealer=sealer,
    )
    return HospitalSide(
        institution=institution,
        database=database,
        records=records,
        encounters=Encounters(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            proofs=proofs,
            insurer=insurer,
            sealer=sealer,
        ),
        orders=Orders(
            institution=institution,
            database=database,
            clock=clock,
            insurer=insurer,
            prices=prices,
        ),
        payments=Payments(
            institution=institution,
            database=database,
            clock=clock,
            records=records,
            insurer=insurer,
            sealer=sealer,
        ),
        cashier=Cashier(
            institution=institution,
            institution_name=institution_name,
            database=database,
            clock=clock,
            records=records,
        ),
        staff=_staff(settings, database, sealer, clock),
        audit=_audit(f"hospital-{institution.lower()}", settings, database, keys, clock),
    )


class LocalInsurerPlatform:
    """The insurer's platform for a hospital in the same process: no wire, the same messages."""

    def __init__(self, insurer: InsurerSide, clock: Clock) -> None:
        self._insurer = insurer
        self._clock = clock

    def person_information(self, query: at_hospital.PersonQuery) -> at_hospital.InsuredPerson:
        """1101, answered to who holds a proof of that person."""
        proof = self._insurer.verification.check(
            query.evidence.auth_no, expected_institution=query.fixmedins_code
        )
        if proof.subject != query.psn_no:
            raise Refused(PROOF_OTHER_SUBJECT)
        person = self._insurer.persons.get(query.psn_no)
        return at_hospital.InsuredPerson(
            psn_no=person.psn_no,
            psn_name=person.name,
            certno=person.id_number,
            insuinfo=tuple(
                at_hospital.Insurance(
                    insutype=insurance.insutype,
                    psn_type=insurance.psn_type,
                    insuplc_admdvs=insurance.insuplc_admdvs,
                    in_force=insurance.psn_insu_stas is InsuranceStatus.INSURED,
                )
                for insurance in person.insurances
            ),
        )

    def open_visit(self, opening: at_hospital.VisitOpening) -> at_hospital.OpenedVisit:
        """2201; a repeat is known by the hospital's own number of the visit."""
        visit = self._insurer.settlements.open_visit(
            institution=opening.fixmedins_code,
            registration=at_insurer.Registration(
                psn_no=opening.psn_no,
                insutype=opening.insutype,
                begntime=opening.begntime,
                mdtrt_cert_type=opening.certificate.mdtrt_cert_type.value,
                ipt_otp_no=opening.ipt_otp_no,
                atddr_no=opening.atddr_no,
                dept_code=opening.dept_code,
                caty=opening.caty,
            ),
            evidence=_evidence(opening.evidence, opening.psn_no),
        )
        return at_hospital.OpenedVisit(visit.mdtrt_id, opening.psn_no, opening.ipt_otp_no)

    def upload_charge_items(
        self, upload: at_hospital.ChargeUpload
    ) -> tuple[at_hospital.FeeSplit, ...]:
        """2204."""
        splits = self._insurer.settlements.upload_charge_items(
            institution=upload.fixmedins_code,
            mdtrt_id=upload.mdtrt_id,
            psn_no=upload.psn_no,
            items=[_charge_item(detail, upload.chrg_bchno) for detail in upload.feedetail],
        )
        return tuple(_fee_split(split) for split in splits)

    def pre_settle(self, request: at_hospital.SettlementRequest) -> at_hospital.SettlementAnswer:
        """2206."""
        settlement = self._insurer.settlements.pre_settle(
            institution=request.fixmedins_code, bill=_bill(request)
        )
        return at_hospital.SettlementAnswer(
            setl_id=None,
            setl_time=self._clock.now(),
            amounts=_amounts(settlement),
            setldetail=_details(settlement),
            reasons=_reasons(settlement),
        )

    def settle(self, command: at_hospital.SettlementCommand) -> at_hospital.SettlementAnswer:
        """2207."""
        confirmed = command.confirmed
        record = self._insurer.settlements.settle(
            institution=command.request.fixmedins_code,
            command_id=command.command_id,
            bill=_bill(command.request),
            confirmed=at_insurer.Confirmed(
                fulamt_ownpay_amt=confirmed.fulamt_ownpay_amt,
                overlmt_selfpay=confirmed.overlmt_selfpay,
                preselfpay_amt=confirmed.preselfpay_amt,
                inscp_scp_amt=confirmed.inscp_scp_amt,
                fund_pay_sumamt=confirmed.fund_pay_sumamt,
                acct_pay=confirmed.acct_pay,
                psn_cash_pay=confirmed.psn_cash_pay,
            ),
            evidence=_evidence(command.evidence, command.request.psn_no),
        )
        return at_hospital.SettlementAnswer(
            setl_id=record.setl_id,
            setl_time=record.setl_time,
            amounts=_amounts(record.settlement),
            setldetail=_details(record.settlement),
            reasons=_reasons(record.settlement),
        )


def _check_readable(rebuilt: Rebuilt) -> None:
    """A few unreadable templates are altered records; all of them is a wrong folder of keys."""
    if rebuilt.unreadable and not rebuilt.templates:
        raise Refused(TEMPLATE_UNREADABLE, templates=len(rebuilt.unreadable))


def _insurer_url(settings: Settings) -> str:
    return settings.insurer_database_url or _sqlite_url(settings.data_dir / "insurer.sqlite")


def _hospital_url(settings: Settings) -> str:
    return settings.hospital_database_url or _sqlite_url(settings.data_dir / "hospital.sqlite")


def _sqlite_url(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{path}"


def _keys(folder: Path, mode: Mode) -> KeyProvider:
    return DevelopmentKeys(folder) if mode is Mode.SANDBOX else FileKeys(folder)


class _PrometheusCounter:
    """Refused requests of terminals, by the name of each one's counter."""

    def __init__(self) -> None:
        self._refused = Counter(
            "shualian_terminal_requests_refused",
            "Refused requests of terminals, by the name of the refusal's counter",
            ["counter"],
        )

    def count(self, name: str) -> None:
        """See :meth:`RefusalCounter.count`."""
        self._refused.labels(counter=name).inc()


_COUNTER = _PrometheusCounter()
_FRESHNESS = FreshnessLimits()


def _nonces(database: Database, clock: Clock) -> Nonces:
    """In memory where one process serves the database, in the database where several may."""
    if isinstance(database, PostgresDatabase):
        return SharedNonces(database=database, limits=_FRESHNESS)
    return MemoryNonces(started_at=clock.now(), limits=_FRESHNESS)


def _networks(settings: Settings) -> tuple[Network, ...]:
    try:
        return parse_networks(settings.terminal_networks)
    except Refused:
        raise Refused(SETTINGS_INVALID, setting="terminal_networks") from None


def _staff(settings: Settings, database: Database, sealer: Sealer, clock: Clock) -> StaffServices:
    return staff_services(
        database=database, clock=clock, sealer=sealer, party=relying_party(settings.staff_origin)
    )


def _audit(
    chain: str, settings: Settings, database: Database, keys: KeyProvider, clock: Clock
) -> AuditChain:
    folder = settings.audit_checkpoints_dir
    if folder is None:
        # An operator's own second place is never made here: a missing mount must not pass for it.
        folder = settings.data_dir / CHECKPOINTS_FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
    place = CheckpointFolder(folder)
    return AuditChain(chain, database=database, keys=keys, place=place, clock=clock)


def _evidence(evidence: at_hospital.FaceEvidence, subject: PersonNo) -> at_insurer.FaceEvidence:
    return at_insurer.FaceEvidence(
        auth_no=evidence.auth_no,
        intent_id=evidence.intent_id,
        terminal_id=evidence.terminal_id,
        scene=evidence.scene,
        subject=subject,
    )


def _charge_item(detail: at_hospital.FeeDetail, chrg_bchno: str) -> at_insurer.ChargeItem:
    return at_insurer.ChargeItem(
        feedetl_sn=detail.feedetl_sn,
        chrg_bchno=chrg_bchno,
        fee_ocur_time=detail.fee_ocur_time,
        med_list_codg=detail.med_list_codg,
        medins_list_codg=detail.medins_list_codg,
        det_item_fee_sumamt=detail.det_item_fee_sumamt,
        cnt=detail.cnt,
        pric=detail.pric,
        bilg_dept_codg=detail.bilg_dept_codg,
        bilg_dr_codg=detail.bilg_dr_codg,
    )


def _fee_split(split: LineSplit) -> at_hospital.FeeSplit:
    item = split.item
    return at_hospital.FeeSplit(
        feedetl_sn=item.feedetl_sn,
        det_item_fee_sumamt=item.det_item_fee_sumamt,
        fulamt_ownpay_amt=split.fulamt_ownpay_amt,
        overlmt_amt=split.overlmt_amt,
        preselfpay_amt=split.preselfpay_amt,
        inscp_scp_amt=split.inscp_scp_amt,
        chrgitm_lv=item.chrgitm_lv.value,
        med_chrgitm_type=item.med_chrgitm_type,
        selfpay_prop=Decimal(item.selfpay_prop) / WHOLE,
        pric_uplmt_amt=item.pric_uplmt_amt,
    )


def _bill(request: at_hospital.SettlementRequest) -> at_insurer.Bill:
    return at_insurer.Bill(
        mdtrt_id=request.mdtrt_id,
        psn_no=request.psn_no,
        insutype=request.insutype,
        chrg_bchno=request.chrg_bchno,
        med_type=request.med_type,
        acct_used=request.acct_used_flag,
        medfee_sumamt=request.medfee_sumamt,
    )


def _amounts(settlement: Settlement) -> at_hospital.Amounts:
    names = [field.name for field in fields(at_hospital.Amounts)]
    return at_hospital.Amounts(**{name: getattr(settlement.amounts, name) for name in names})


def _details(settlement: Settlement) -> tuple[at_hospital.FundDetail, ...]:
    return tuple(at_hospital.FundDetail(*detail) for detail in settlement.details)


def _reasons(settlement: Settlement) -> tuple[at_hospital.Reason, ...]:
    sentences = zip(
        settlement.trace,
        render_trace(settlement, "zh"),
        render_trace(settlement, "en"),
        strict=True,
    )
    return tuple(
        at_hospital.Reason(
            rule=step.rule.value,
            clause=step.clause,
            subject=step.subject,
            before=step.before,
            after=step.after,
            facts=step.facts,
            zh=zh,
            en=en,
        )
        for step, zh, en in sentences
    )
