"""Every table of each database, as the migrations must make them."""

from collections.abc import Sequence

from sqlalchemy import MetaData

from shualian.gallery import store as gallery_store
from shualian.hospital.cashier import store as cashier_store
from shualian.hospital.clinical import store as clinical_store
from shualian.hospital.dispensing import store as dispensing_store
from shualian.hospital.encounters import store as encounter_store
from shualian.hospital.examinations import store as examination_store
from shualian.hospital.help import store as help_store
from shualian.hospital.orders import store as order_store
from shualian.hospital.payments import store as payment_store
from shualian.hospital.prices import store as price_store
from shualian.hospital.records import store as record_store
from shualian.hospital.scheduling import store as scheduling_store
from shualian.hospital.stock import store as stock_store
from shualian.hospital.wallet import store as wallet_store
from shualian.hospital.wards.bedside import store as bedside_store
from shualian.hospital.wards.charges import store as stay_charge_store
from shualian.hospital.wards.dialysis import store as dialysis_store
from shualian.hospital.wards.stays import store as stay_store
from shualian.insurer.accesses import store as access_store
from shualian.insurer.activation import store as activation_store
from shualian.insurer.assessment import store as assessment_store
from shualian.insurer.channels import store as channel_store
from shualian.insurer.consents import store as consent_store
from shualian.insurer.erasures import store as erasure_store
from shualian.insurer.family import store as family_store
from shualian.insurer.funds import store as fund_store
from shualian.insurer.institutions import store as institution_store
from shualian.insurer.messages import store as message_store
from shualian.insurer.persons import store as person_store
from shualian.insurer.settlement import store as settlement_store
from shualian.insurer.settlement.evidence import store as evidence_store
from shualian.insurer.supervision.alerts import store as alert_store
from shualian.insurer.supervision.captures import store as known_capture_store
from shualian.insurer.supervision.signins import store as sign_in_store
from shualian.insurer.supervision.wardchecks import store as ward_check_store
from shualian.insurer.templates import store as template_store
from shualian.insurer.traces import store as trace_store
from shualian.insurer.vouchers import store as voucher_store
from shualian.staff import store as staff_store
from shualian.terminals import store as terminal_store
from shualian.trust.audit import store as audit_store
from shualian.verification import store as verification_store
from shualian.verification.emergency import store as emergency_store
from shualian.verification.expectations import store as expectation_store
from shualian.verification.pauses import store as pause_store

INSURER_TABLES: Sequence[MetaData] = (
    person_store.metadata,
    voucher_store.metadata,
    channel_store.metadata,
    activation_store.metadata,
    consent_store.metadata,
    template_store.metadata,
    erasure_store.metadata,
    family_store.metadata,
    message_store.metadata,
    access_store.metadata,
    assessment_store.metadata,
    institution_store.metadata,
    fund_store.metadata,
    settlement_store.metadata,
    evidence_store.metadata,
    trace_store.metadata,
    alert_store.metadata,
    known_capture_store.metadata,
    sign_in_store.metadata,
    ward_check_store.metadata,
    gallery_store.metadata,
    verification_store.metadata,
    pause_store.metadata,
    expectation_store.metadata,
    emergency_store.metadata,
    terminal_store.metadata,
    staff_store.metadata,
    audit_store.metadata,
)
"""Every table of an insurer's database."""

HOSPITAL_TABLES: Sequence[MetaData] = (
    record_store.metadata,
    scheduling_store.metadata,
    encounter_store.metadata,
    order_store.metadata,
    payment_store.metadata,
    cashier_store.metadata,
    wallet_store.metadata,
    stock_store.metadata,
    dispensing_store.metadata,
    stay_store.metadata,
    stay_charge_store.metadata,
    bedside_store.metadata,
    dialysis_store.metadata,
    price_store.metadata,
    clinical_store.metadata,
    examination_store.metadata,
    help_store.metadata,
    staff_store.metadata,
    audit_store.metadata,
)
"""Every table of a hospital's database."""
