"""The emergency desk over HTTP, for its staff."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field, StringConstraints

from shualian.core.clock import Clock, business_date
from shualian.core.identifiers import CommandId, EncounterNo, InstitutionCode
from shualian.hospital.api import Body, CallerOf, Code, Identifier, IdentifierPath, own_staff
from shualian.hospital.emergencies.model import ToldBy
from shualian.hospital.emergencies.service import RECEIVING_ROLES, EmergencyDesk
from shualian.hospital.encounters.api import EncounterAnswer, encounter_answer
from shualian.hospital.evidence_body import EvidenceAtWindow, evidence_at_window
from shualian.hospital.records.model import Estimate, Sex
from shualian.hospital.records.service import Records
from shualian.hospital.scheduling.service import Schedule
from shualian.staff.model import Caller

_AgeBand = Annotated[str, StringConstraints(pattern=r"^(0-9|[1-8]0-[1-8]9|90\+)$")]


class ReceiveBody(Body):
    """What is seen of somebody whom nobody knows."""

    command_id: Identifier
    dept_code: Code
    dr_code: Code
    triage: Annotated[int, Field(ge=1, le=4)]
    sex: Sex
    age_band: _AgeBand


class IdentityBody(Body):
    """Who it is, and through whom that is known."""

    command_id: Identifier
    evidence: EvidenceAtWindow
    told_by: ToldBy = ToldBy.PATIENT


def staff_routes(
    desk: EmergencyDesk,
    records: Records,
    schedule: Schedule,
    caller: CallerOf,
    *,
    institution: InstitutionCode,
    clock: Clock,
) -> APIRouter:
    """Receive somebody whom nobody knows, and say later who it is.

    Args:
        desk: Of the hospital.
        records: For labels and masked names.
        schedule: Departments and doctors.
        caller: Finds who is signed in.
        institution: Whose staff.
        clock: For the check of ID numbers.
    """
    routes = APIRouter(prefix="/hospital/v1/emergencies", tags=["emergencies"])
    receiving = own_staff(institution, caller, RECEIVING_ROLES)

    @routes.post("", status_code=201)
    def receive(body: ReceiveBody, who: Annotated[Caller, receiving]) -> EncounterAnswer:
        """Receive at once; nothing of the insurance is asked."""
        received = desk.receive(
            caller=who,
            command_id=CommandId(body.command_id),
            department=schedule.department(dept_code=body.dept_code),
            doctor=schedule.practitioner(dr_code=body.dr_code).doctor,
            triage=body.triage,
            estimate=Estimate(body.sex, body.age_band),
        )
        return encounter_answer(received, records)

    @routes.post("/{encounter_no}/identity")
    def identify(
        encounter_no: IdentifierPath, body: IdentityBody, who: Annotated[Caller, receiving]
    ) -> EncounterAnswer:
        """Attach the identity; the visit goes to the insurer with the arrival as its begin."""
        evidence = evidence_at_window(
            body.evidence, seen_by=who.staff_id, today=business_date(clock.now())
        )
        known = desk.identify(
            caller=who,
            command_id=CommandId(body.command_id),
            encounter_no=EncounterNo(encounter_no),
            evidence=evidence,
            told_by=body.told_by,
        )
        return encounter_answer(known, records)

    return routes
