"""Impact assessments over HTTP, of exactly the server that runs; for supervisors."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel

from shualian.core.refusals import Refused
from shualian.insurer.assessment.model import Assessment, AssessmentId
from shualian.insurer.assessment.service import Assessments
from shualian.terminals import api as terminals_api
from shualian.terminals.model import Actor, InsurerStaff

_NumberPath = Annotated[str, Path(pattern=r"^[0-9A-Z]{26}$")]


class AssessmentAnswer(BaseModel):
    """An assessment in the list."""

    assessment_id: str
    made_at: datetime
    kept_until: date
    digest: str


class DocumentAnswer(AssessmentAnswer):
    """An assessment with its Markdown."""

    document: str


class FilingMarkAnswer(BaseModel):
    """Since when filing is a duty; nothing when it is none yet."""

    reached_on: date | None
    file_by: date | None


def staff_routes(assessments: Assessments, caller: terminals_api.ActorOf) -> APIRouter:
    """What supervisors of the insurer make and read.

    Args:
        assessments: Makes and keeps.
        caller: Finds who asks and checks that the role allows it.
    """
    routes = APIRouter(prefix="/assessments", tags=["privacy"])

    def insurer(who: Annotated[Actor, Depends(caller)]) -> InsurerStaff:
        if not isinstance(who, InsurerStaff):
            raise Refused(terminals_api.WRONG_SIDE)
        return who

    @routes.post("", status_code=201)
    def make(who: Annotated[InsurerStaff, Depends(insurer)]) -> DocumentAnswer:
        """Assess what runs now."""
        return _document(assessments.make(actor=who.staff))

    @routes.get("", dependencies=[Depends(insurer)])
    def listed() -> list[AssessmentAnswer]:
        """Every assessment that is kept, the newest first."""
        return [AssessmentAnswer.model_validate(_members(each)) for each in assessments.listed()]

    @routes.get("/filing", dependencies=[Depends(insurer)])
    def filing() -> FilingMarkAnswer:
        """Since when filing with the province's internet regulator is a duty."""
        mark = assessments.note_filing()
        return FilingMarkAnswer(
            reached_on=None if mark is None else mark.reached_on,
            file_by=None if mark is None else mark.file_by,
        )

    @routes.get("/{assessment_id}", dependencies=[Depends(insurer)])
    def read(assessment_id: _NumberPath) -> DocumentAnswer:
        """One assessment."""
        return _document(assessments.get(AssessmentId(assessment_id)))

    return routes


def _members(made: Assessment) -> dict[str, str | datetime | date]:
    return {
        "assessment_id": made.assessment_id,
        "made_at": made.made_at,
        "kept_until": made.kept_until,
        "digest": made.digest,
    }


def _document(made: Assessment) -> DocumentAnswer:
    return DocumentAnswer.model_validate({**_members(made), "document": made.document})
