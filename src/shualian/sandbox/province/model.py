"""What the sample province holds, as data; everything follows from a seed.

Names are made up, ID numbers lie in region 990000, which exists nowhere, and institutions, doctors
and prices are samples. Two regions stand beside each other: ``990000`` (示例市) and ``990100``
(邻市), with policies of different structure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from shualian.core.id_number import SANDBOX_REGION
from shualian.core.identifiers import InstitutionCode
from shualian.core.money import Fen
from shualian.insurer.institutions.model import Institution
from shualian.insurer.persons.model import Insurance
from shualian.sandbox.insured_city import CityPerson, sample_people
from shualian.staff.model import Role
from shualian.terminals.model import Place, TerminalClass
from shualian.terminals.register.model import Coordinates, PlaceSpec
from shualian.verification.model import Scene

OTHER_REGION = "990100"
"""邻市, whose policies have another structure."""
PHYSICIAN_CODE = "D990000100001"
"""The first doctor of the first hospital, who has a face (:mod:`~.province.cast`)."""
PHYSICIAN_NAME = "钱示范"
PEOPLE = 2_000
PEOPLE_ELSEWHERE_OF_TEN = 3
"""So many of ten people are insured in the other region."""

_SURNAMES = "钱孙郑冯褚卫蒋沈韩尤许何吕施孔严华金魏陶姜戚邹喻苏潘葛范彭鲁韦马苗凤方任袁柳"
_GIVEN = ("安然", "博文", "晨曦", "德明", "恩泽", "方圆", "光远", "海宁", "景行", "克勤")


class Title(StrEnum):
    """职称 of a doctor; it decides the fee of a registration."""

    ATTENDING = "attending"
    ASSOCIATE = "associate_chief"
    CHIEF = "chief"


@dataclass(frozen=True, slots=True)
class SampleDepartment:
    """A department of a sample institution.

    Attributes:
        code: 科室编码.
        name: 科室名称.
        name_en: For people who read English.
        caty: 科别, national.
        floor: Where, such as ``二层``.
        letter: Stands before its queue numbers.
    """

    code: str
    name: str
    name_en: str
    caty: str
    floor: str
    letter: str


@dataclass(frozen=True, slots=True)
class SampleDoctor:
    """A sample doctor.

    Attributes:
        code: 医师编码.
        name: Made up.
        title: Decides the fee.
        department: Code of the department.
        room: Name of the consulting room, which is a registered place with a terminal.
        login: Account name.
    """

    code: str
    name: str
    title: Title
    department: str
    room: str
    login: str


@dataclass(frozen=True, slots=True)
class SampleStaff:
    """A member of staff who is no doctor.

    Attributes:
        login: Account name.
        name: Made up.
        role: What the person may do.
    """

    login: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class SampleHospital:
    """A sample institution with everything in it.

    Attributes:
        institution: As the insurer has it under contract.
        name_en: For people who read English.
        departments: With a queue each.
        doctors: Who see patients.
        staff: Everybody else.
        places: Where terminals stand.
    """

    institution: Institution
    name_en: str
    departments: tuple[SampleDepartment, ...]
    doctors: tuple[SampleDoctor, ...]
    staff: tuple[SampleStaff, ...]
    places: tuple[PlaceSpec, ...]

    @property
    def code(self) -> InstitutionCode:
        """Its institution code."""
        return self.institution.fixmedins_code


@dataclass(frozen=True, slots=True)
class Resident:
    """A made-up insured person with what lies in the personal account."""

    person: CityPerson
    balance_fen: Fen


@dataclass(frozen=True, slots=True)
class Province:
    """Everything that is loaded.

    Attributes:
        seed: From which it follows.
        hospitals: Two hospitals and a community centre.
        residents: Insured people of both regions.
    """

    seed: int
    hospitals: tuple[SampleHospital, ...]
    residents: tuple[Resident, ...]

    @property
    def doctors(self) -> tuple[SampleDoctor, ...]:
        """All doctors."""
        return tuple(doctor for hospital in self.hospitals for doctor in hospital.doctors)


_DEPARTMENTS = (
    SampleDepartment("0301", "呼吸内科", "Respiratory medicine", "A03.01", "二层", "A"),
    SampleDepartment("0304", "心血管内科", "Cardiology", "A03.04", "二层", "B"),
    SampleDepartment("0305", "肾内科", "Nephrology", "A03.05", "三层", "C"),
    SampleDepartment("0401", "普通外科", "General surgery", "A04.01", "三层", "D"),
    SampleDepartment("0403", "骨科", "Orthopaedics", "A04.03", "三层", "E"),
    SampleDepartment("0700", "儿科", "Paediatrics", "A07", "一层", "F"),
    SampleDepartment("1000", "眼科", "Ophthalmology", "A10", "四层", "G"),
    SampleDepartment("1200", "口腔科", "Dentistry", "A12", "四层", "H"),
    SampleDepartment("2000", "急诊科", "Emergency", "A20", "一层", "J"),
    SampleDepartment("5000", "中医科", "Traditional Chinese medicine", "A50", "四层", "K"),
)
_TITLES = (Title.CHIEF, Title.ASSOCIATE, Title.ATTENDING)
_COUNTER = frozenset((Scene.REGISTRATION, Scene.SETTLEMENT, Scene.INSURED_SERVICES))
_HALL = _COUNTER | {Scene.INPATIENT_RECORD, Scene.REPORT_COLLECTION, Scene.BILL_PRINTING}
_ROOM = frozenset((Scene.CONSULTATION, Scene.SETTLEMENT, Scene.INSURED_SERVICES))


def sample_province(seed: int = 7, *, people: int = PEOPLE) -> Province:
    """The province of a seed, always the same.

    Args:
        seed: Any number from 0 on.
        people: Insured persons, 0 to 200,000.
    """
    hospitals = (
        _hospital("H99000000001", "示例市第一医院", "Sample City First Hospital", "3", 10, 2),
        _hospital("H99010000001", "邻市人民医院", "Neighbour City Hospital", "2", 6, 2),
        _hospital("H99000000002", "城东社区卫生服务中心", "East Community Centre", "1", 4, 2),
    )
    return Province(seed, hospitals, tuple(_residents(people, seed)))


def _residents(count: int, seed: int) -> list[Resident]:
    chance = np.random.default_rng((seed, 3))
    made = []
    for each in sample_people(count, seed=seed):
        elsewhere = int(chance.integers(10)) < PEOPLE_ELSEWHERE_OF_TEN
        region = OTHER_REGION if elsewhere else SANDBOX_REGION
        insurance = replace(each.insurance, insuplc_admdvs=region)
        made.append(Resident(replace(each, insurance=insurance), _balance(insurance, chance)))
    return made


def _balance(insurance: Insurance, chance: np.random.Generator) -> Fen:
    """Only employees have a personal account."""
    amount = int(chance.integers(0, 300_000))
    return Fen(amount if insurance.insutype == "310" else 0)


def _hospital(
    code: str, name: str, name_en: str, level: str, departments: int, doctors_each: int
) -> SampleHospital:
    region = OTHER_REGION if code.startswith("H9901") else SANDBOX_REGION
    own = _DEPARTMENTS[:departments]
    doctors = tuple(_doctors(code, own, doctors_each))
    return SampleHospital(
        institution=Institution(InstitutionCode(code), name, level, region),
        name_en=name_en,
        departments=own,
        doctors=doctors,
        staff=tuple(_staff(code)),
        places=tuple(_places(code, doctors)),
    )


def _doctors(code: str, departments: Sequence[SampleDepartment], each: int) -> list[SampleDoctor]:
    made = []
    for place, department in enumerate(departments):
        for seat in range(each):
            number = place * each + seat + 1
            dr_code = f"D{code[1:7]}{int(code[-1])}{number:05d}"
            made.append(
                SampleDoctor(
                    code=dr_code,
                    name=PHYSICIAN_NAME if dr_code == PHYSICIAN_CODE else _name(code, number),
                    title=_TITLES[number % len(_TITLES)],
                    department=department.code,
                    room=f"{department.floor} {200 + number} 诊室",
                    login=f"doctor{number:02d}",
                )
            )
    return made


def _staff(code: str) -> list[SampleStaff]:
    wanted = (
        (Role.ADMINISTRATOR, 2),
        (Role.CLERK, 3),
        (Role.NURSE, 3),
        (Role.PHARMACIST, 2),
        (Role.TECHNICIAN, 2),
        (Role.VOLUNTEER, 1),
    )
    made: list[SampleStaff] = []
    for role, count in wanted:
        for place in range(1, count + 1):
            name = _name(code, 50 + len(made))
            made.append(SampleStaff(f"{role.value}{place}", name, role))
    return made


def _name(code: str, number: int) -> str:
    """Made up, and other than every other one of the same institution."""
    shift = int(code[-1]) * 7 + int(code[3:5])
    return _SURNAMES[(number + shift) % len(_SURNAMES)] + _GIVEN[(number * 3 + shift) % len(_GIVEN)]


def _places(code: str, doctors: Sequence[SampleDoctor]) -> list[PlaceSpec]:
    simulated = TerminalClass.SIMULATED
    there = Coordinates(39.9042 + int(code[3:5]) / 100, 116.4074 + int(code[-1]) / 1000)

    def at(name: str, department: str, scenes: frozenset[Scene]) -> PlaceSpec:
        place = Place(name=name, department=department)
        return PlaceSpec(
            place=place, coordinates=there, fence_m=100, terminal_class=simulated, scenes=scenes
        )

    dispensing = frozenset((Scene.DISPENSING, Scene.SETTLEMENT, Scene.INSURED_SERVICES))
    examination = frozenset((Scene.EXAMINATION, Scene.SETTLEMENT, Scene.REPORT_COLLECTION))
    bedside = frozenset((Scene.SETTLEMENT, Scene.TREATMENT, Scene.ADMISSION))
    return [
        at("一层大厅 1 号机", "门诊大厅", _HALL),
        at("一层大厅 2 号机", "门诊大厅", _HALL),
        at("一层收费 1 号窗口", "收费处", _COUNTER | {Scene.PREPAYMENT, Scene.ADMISSION}),
        at("二层检查登记台", "检查科", examination),
        at("一层药房 1 号窗口", "药房", dispensing),
        at("五层病区移动终端", "住院病区", bedside),
        *(at(doctor.room, doctor.department, _ROOM) for doctor in doctors),
    ]
