"""The insurer's half of the sample province: contracts, people, money, faces, terminals."""

import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from shualian.assembly import InsurerSide
from shualian.core.clock import Clock, business_date
from shualian.core.id_number import SANDBOX_REGION, IdNumber, check_character
from shualian.core.identifiers import CommandId, PersonNo, StaffId
from shualian.core.mode import Mode
from shualian.core.money import parse_yuan
from shualian.insurer.consents.model import OWN_CONSENT_AGE
from shualian.insurer.persons.model import Insurance
from shualian.insurer.supervision.signins.model import Doctor, DoctorCode, Practice
from shualian.sandbox.city import TERMINAL_MODEL, TERMINAL_SOFTWARE, activate_sample
from shualian.sandbox.insured_city import (
    SYNTHETIC_QUALITY,
    CityPerson,
    people_csv,
    synthetic_vectors,
)
from shualian.sandbox.province.cast import PHYSICIAN, PLAYERS, Player
from shualian.sandbox.province.model import PHYSICIAN_CODE, Province, Resident, SampleHospital
from shualian.terminals.agent.model import AgentIdentity, EnrolmentBody
from shualian.terminals.agent.store import AgentFolder
from shualian.terminals.enrolment.model import key_id_of
from shualian.terminals.model import InstitutionStaff, InsurerStaff
from shualian.terminals.register.model import PlaceSpec
from shualian.trust.signatures import Algorithm
from shualian.verification.ports import NewTemplate

REGULARS = 300
"""So many adults of the home region keep a template; the others have never used their face."""

_THREADS = 24
_SUPERVISOR = InsurerStaff(StaffId("SANDBOX-SUPERVISOR"))
_ADMINISTRATOR = StaffId("SANDBOX-ADMINISTRATOR")


@dataclass(frozen=True, slots=True)
class LoadedPeople:
    """Who was loaded.

    Attributes:
        residents: Numbers of the made-up people, in the order of the province.
        players: Numbers of the people with a face, by name.
        regulars: Of the residents, who keep a template, a random direction that is no face, and
            have a voucher.
    """

    residents: tuple[PersonNo, ...]
    players: Mapping[str, PersonNo]
    regulars: frozenset[PersonNo]


def contract(insurer: InsurerSide, province: Province) -> None:
    """Bring the institutions under contract and the terminals' model into the register."""
    for hospital in province.hospitals:
        insurer.institutions.contract(hospital.institution)
    insurer.terminals.register.register_model(actor=_SUPERVISOR, model=TERMINAL_MODEL)


def settle_people(insurer: InsurerSide, province: Province, clock: Clock) -> LoadedPeople:
    """Insure everybody, credit personal accounts, and let the regulars keep a template.

    The people with a face keep none: they activate at a terminal, or by the registry alone.
    """
    listed = [*(resident.person for resident in province.residents), *map(_listed, PLAYERS)]
    insurer.insured.persons.import_csv(people_csv(listed))
    numbers = [_number_of(insurer, person.id_number) for person in listed]
    residents = tuple(numbers[: len(province.residents)])
    players = {
        player.person.name: number
        for player, number in zip(PLAYERS, numbers[len(residents) :], strict=True)
    }
    with ThreadPoolExecutor(_THREADS) as threads:
        credited = partial(_credit, insurer)
        list(threads.map(credited, residents, province.residents))
        for player in PLAYERS:
            _credit_player(insurer, players[player.person.name], player)
        adults = _adults(province, residents, clock)
        vectors = synthetic_vectors(len(adults), insurer.engine.dimension, seed=province.seed)
        path_id = insurer.engine.path_id
        templates = [NewTemplate(vector, path_id, SYNTHETIC_QUALITY) for vector in vectors]
        list(threads.map(partial(activate_sample, insurer, clock=clock), adults, templates))
    return LoadedPeople(residents, players, frozenset(adults))


def install_terminals(
    insurer: InsurerSide, hospital: SampleHospital, folder: Path
) -> Mapping[str, Path]:
    """Enrol and approve a simulated terminal at each place; the agents' folders by place."""
    places = hospital.places
    with ThreadPoolExecutor(_THREADS) as threads:
        install = partial(_install, insurer, hospital, folder)
        folders = list(threads.map(install, places))
    return {spec.place.name: at for spec, at in zip(places, folders, strict=True)}


def register_doctors(insurer: InsurerSide, hospital: SampleHospital) -> None:
    """List the hospital's doctors in the insurer's registry of doctors."""
    for place, doctor in enumerate(hospital.doctors, start=1):
        number = _number_of_doctor(hospital, place)
        if doctor.code == PHYSICIAN_CODE:
            number = IdNumber(PHYSICIAN.person.id_number)
        insurer.supervision.doctors.register(
            _SUPERVISOR,
            Doctor(
                code=DoctorCode(doctor.code),
                name=doctor.name,
                id_number=number,
                practices=frozenset((Practice(hospital.code, doctor.department),)),
            ),
        )


def _number_of_doctor(hospital: SampleHospital, place: int) -> IdNumber:
    """Made up; in region 990000, another for each doctor."""
    born = date(1960 + place, 1 + int(hospital.code[-1]), 1 + int(hospital.code[4]))
    digits = f"{SANDBOX_REGION}{born:%Y%m%d}{900 + place:03d}"
    return IdNumber(digits + check_character(digits))


def _install(
    insurer: InsurerSide, hospital: SampleHospital, terminals: Path, spec: PlaceSpec
) -> Path:
    folder = terminals / secrets.token_hex(4)
    enrolments = insurer.terminals.enrolments
    actor = InstitutionStaff(_ADMINISTRATOR, hospital.code)
    invitation = enrolments.create_place(actor=actor, spec=spec)
    agent = AgentFolder(folder, mode=Mode.SANDBOX)
    name, key = agent.waiting_key(Algorithm.SM2_SM3)
    body = EnrolmentBody.made(
        key,
        code=invitation.code,
        certificate=TERMINAL_MODEL.certificate,
        software=TERMINAL_SOFTWARE,
    )
    enrolled = enrolments.enrol(body.request())
    enrolments.approve(
        actor=_SUPERVISOR,
        terminal_id=enrolled.terminal_id,
        expected_key_id=key_id_of(key.public_key),
    )
    agent.keep(AgentIdentity(enrolled.terminal_id, invitation.place_id, name))
    return folder


def _listed(player: Player) -> CityPerson:
    person = player.person
    insurance = Insurance(player.insutype, person.psn_type, player.region)
    return CityPerson(IdNumber(person.id_number), person.name, insurance)


def _number_of(insurer: InsurerSide, id_number: IdNumber) -> PersonNo:
    found = insurer.insured.persons.by_number(id_number)
    if found is None:
        raise LookupError("the register did not take the list")
    return found


def _credit(insurer: InsurerSide, psn_no: PersonNo, resident: Resident) -> None:
    if resident.balance_fen:
        insurer.funds.credit_personal_account(
            command_id=CommandId(f"SANDBOX-{psn_no[-20:]}"),
            psn_no=psn_no,
            region=resident.person.insurance.insuplc_admdvs,
            amount=resident.balance_fen,
        )


def _credit_player(insurer: InsurerSide, psn_no: PersonNo, player: Player) -> None:
    insurer.funds.credit_personal_account(
        command_id=CommandId(f"SANDBOX-{psn_no[-20:]}"),
        psn_no=psn_no,
        region=player.region,
        amount=parse_yuan(player.person.balance_yuan),
    )


def _adults(province: Province, numbers: Sequence[PersonNo], clock: Clock) -> list[PersonNo]:
    """Some who agree for themselves in the home region; children need a guardian."""
    born_until = business_date(clock.now()).year - OWN_CONSENT_AGE - 1
    return [
        number
        for number, resident in zip(numbers, province.residents, strict=True)
        if resident.person.id_number.birth_date.year <= born_until
        and resident.person.insurance.insuplc_admdvs == SANDBOX_REGION
    ][:REGULARS]
