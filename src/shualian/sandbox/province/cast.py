"""The few sample people who have a face: pictures of public figures, names made up.

The pictures come from published packages (:mod:`shualian.sandbox.samples`) and have nothing to do
with the names, the numbers or what happens to these people here.
"""

from dataclasses import dataclass

from shualian.core.id_number import SANDBOX_REGION
from shualian.sandbox.city import PATIENT, PATIENT_SEEN, STRANGER_SEEN, SamplePerson
from shualian.sandbox.province.model import OTHER_REGION, PHYSICIAN_NAME


@dataclass(frozen=True, slots=True)
class Player:
    """A sample person and how the camera sees them.

    Attributes:
        person: Who it is; the police registry holds the picture that is called enrolled.
        seen: Name of the sample picture before the camera; empty for who has no face here.
        insutype: 险种类型.
        region: Where the person is insured.
        login: Account name, for a member of staff.
    """

    person: SamplePerson
    seen: str
    insutype: str = "310"
    region: str = SANDBOX_REGION
    login: str = ""


VISITOR = Player(PATIENT, PATIENT_SEEN)
"""Comes for the first time and has never used her face."""
INPATIENT = Player(
    SamplePerson("陈样本", "19480211", "031", "12", "2088.00", "president_a_1"), "president_a_2"
)
"""Lies in bed on the fifth floor."""
ELSEWHERE = Player(
    SamplePerson("刘演示", "19690909", "077", "1101", "860.00", "president_c_2"),
    "president_c_1",
    region=OTHER_REGION,
)
"""Insured in the other region, buys medicine here."""
PHYSICIAN = Player(
    SamplePerson(PHYSICIAN_NAME, "19790702", "024", "1101", "310.50", "astronaut_1"), "astronaut_1"
)
"""The doctor who sees the visitor; the same picture is enrolled and seen."""
COMPANION = Player(
    SamplePerson("周对照", "19620316", "026", PATIENT.psn_type, PATIENT.balance_yuan, ""), ""
)
"""Insured as the visitor is, and never uses a face: pays the same by document."""
PLAYERS = (VISITOR, INPATIENT, ELSEWHERE, PHYSICIAN, COMPANION)
STRANGER = STRANGER_SEEN
"""Somebody whom nobody knows."""
FACES = tuple(player for player in PLAYERS if player.seen)
"""Those who have a face, whose pictures the police registry holds."""
