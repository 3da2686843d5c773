"""A larger sample: thousands of made-up insured people, and synthetic vectors as templates.

Everything follows from a seed. Names are put together at random and ID numbers lie in region
990000, which exists nowhere. **The vectors are no faces**: they are random directions, so they
test that a search finds what was stored, how fast, and among how many; nothing they show says
how well anybody is recognised.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Protocol

import numpy as np

from shualian.core.id_number import SANDBOX_REGION, IdNumber, check_character
from shualian.core.identifiers import PersonNo
from shualian.face.model import Embedding
from shualian.insurer.persons.model import (
    Insurance,
    InsuranceStatus,
    Insured,
    ListColumn,
)

PEOPLE = 2_000
"""So many people are searched by the last four digits in the demo."""
PEOPLE_MAX = 200_000
FIRST_BIRTH = date(1930, 1, 1)
LAST_BIRTH = date(2020, 12, 31)
SYNTHETIC_QUALITY = 100
"""Recorded with a synthetic template, which has no picture whose quality could be measured."""

_EMPLOYEES, _RESIDENTS = "310", "390"
_IN_WORK, _RETIRED, _RESIDENT = "1101", "12", "15"
_RETIRED_UNTIL_BIRTH, _IN_WORK_UNTIL_BIRTH = date(1966, 12, 31), date(2007, 12, 31)
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹"
_GIVEN = "安宝春德芳桂海红建静兰丽明宁平琴荣珊淑涛文霞秀燕英玉云珍志忠"


@dataclass(frozen=True, slots=True)
class CityPerson:
    """A made-up person, before the insurer gives a number.

    Attributes:
        id_number: In region 990000.
        name: Put together at random.
        insurance: In force.
    """

    id_number: IdNumber = field(repr=False)
    name: str = field(repr=False)
    insurance: Insurance


class Register(Protocol):
    """Where the people of a city are taken in; ``insurer.persons.service.Persons`` is one."""

    def import_csv(self, path_or_text: str, /) -> object:
        """Take a list in."""
        ...

    def find_by_id_number(self, id_number: IdNumber) -> Insured | None:
        """The person with this ID number."""
        ...


class Templates(Protocol):
    """Where templates are kept; ``gallery.service.Gallery`` is one."""

    def enrol(self, subject: str, embedding: Embedding, path_id: str, quality: int) -> object:
        """Add a template of a subject."""
        ...


def sample_people(count: int = PEOPLE, *, seed: int = 1) -> list[CityPerson]:
    """Made-up people, born from 1930 to 2020, no ID number twice; the same for the same seed.

    Fewer people of a seed are the first of more people of it.

    Args:
        count: 0 to 200,000.
        seed: Any number from 0 on.

    Raises:
        ValueError: For a count out of range.
    """
    if not 0 <= count <= PEOPLE_MAX:
        raise ValueError(f"{count} people are not in 0..{PEOPLE_MAX}")
    chance = np.random.default_rng((seed, 1))
    people: dict[str, CityPerson] = {}
    while len(people) < count:
        person = _person(chance)
        people.setdefault(person.id_number.value, person)
    return list(people.values())


def synthetic_vectors(count: int, dimension: int, *, seed: int = 1) -> Embedding:
    """Random directions, evenly spread over the sphere; shape (count, dimension), rows of length 1.

    Normal deviates divided by their length (Muller 1959). They are no faces.

    Args:
        count: How many, at least 0.
        dimension: Of the embedding space, at least 2.
        seed: Any number from 0 on.

    Raises:
        ValueError: For a dimension below 2 or a negative count.
    """
    if dimension < 2 or count < 0:
        raise ValueError(f"no {count} directions in {dimension} dimensions")
    deviates = np.random.default_rng((seed, 2)).standard_normal((count, dimension))
    directions = deviates / np.linalg.norm(deviates, axis=1, keepdims=True)
    return np.asarray(directions, dtype=np.float32)


def seen_again(vectors: Embedding, *, similarity: float, seed: int = 1) -> Embedding:
    """Probes of the same synthetic people: unit rows with exactly this similarity to their vector.

    Args:
        vectors: Unit rows.
        similarity: Cosine, -1..1.
        seed: Any number from 0 on.

    Raises:
        ValueError: For a similarity out of range.
    """
    if not -1 <= similarity <= 1:
        raise ValueError("a cosine lies in -1..1")
    others = synthetic_vectors(*vectors.shape, seed=seed + 1_000_003).astype(np.float64)
    along = (others * vectors).sum(axis=1, keepdims=True)
    aside = others - along * vectors
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    probes = similarity * vectors + np.sqrt(1 - similarity**2) * aside
    return np.asarray(probes, dtype=np.float32)


def people_csv(people: Sequence[CityPerson]) -> str:
    """The people as a list that the register of insured persons imports, under national names."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([column.value for column in ListColumn])
    lines.writerows([_cells(each)[column] for column in ListColumn] for each in people)
    return text.getvalue()


def settle_city(
    register: Register,
    templates: Templates,
    people: Sequence[CityPerson],
    vectors: Embedding,
    *,
    path_id: str,
) -> list[PersonNo]:
    """Import people and enrol one synthetic template of each; their numbers in the same order.

    Args:
        register: Imports the list.
        templates: Takes the templates.
        people: As many as vectors.
        vectors: Unit rows of the path's dimension.
        path_id: The operational path that the vectors pretend to come from.

    Raises:
        ValueError: When people and vectors differ in number, or the register took no such person.
    """
    register.import_csv(people_csv(people))
    numbers = []
    for person, vector in zip(people, vectors, strict=True):
        insured = register.find_by_id_number(person.id_number)
        if insured is None:
            raise ValueError("the register did not take the list")
        templates.enrol(insured.psn_no, vector, path_id, SYNTHETIC_QUALITY)
        numbers.append(insured.psn_no)
    return numbers


def _person(chance: np.random.Generator) -> CityPerson:
    born = FIRST_BIRTH + timedelta(days=int(chance.integers((LAST_BIRTH - FIRST_BIRTH).days + 1)))
    digits = f"{SANDBOX_REGION}{born:%Y%m%d}{int(chance.integers(1, 1_000)):03d}"
    surname = _SURNAMES[int(chance.integers(len(_SURNAMES)))]
    given = [_GIVEN[int(each)] for each in chance.integers(len(_GIVEN), size=2)]
    name = surname + "".join(given[: int(chance.integers(1, 3))])
    return CityPerson(IdNumber(digits + check_character(digits)), name, _insurance(born))


def _insurance(born: date) -> Insurance:
    if born > _IN_WORK_UNTIL_BIRTH:
        return Insurance(_RESIDENTS, _RESIDENT, SANDBOX_REGION)
    retired = born <= _RETIRED_UNTIL_BIRTH
    return Insurance(_EMPLOYEES, _RETIRED if retired else _IN_WORK, SANDBOX_REGION)


def _cells(person: CityPerson) -> dict[ListColumn, str]:
    insurance = person.insurance
    return {
        ListColumn.CERTNO: person.id_number.value,
        ListColumn.PSN_NAME: person.name,
        ListColumn.INSUTYPE: insurance.insutype,
        ListColumn.PSN_TYPE: insurance.psn_type,
        ListColumn.INSUPLC_ADMDVS: insurance.insuplc_admdvs,
        ListColumn.PSN_INSU_STAS: InsuranceStatus.INSURED.value,
        ListColumn.NOTE: "",
    }
