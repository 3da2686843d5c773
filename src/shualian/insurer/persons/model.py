"""Insured persons: who somebody is, by which insurance covered, and lists of them; pure."""

import calendar
import csv
import io
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from shualian.core.id_number import IdNumber, parse_id_number
from shualian.core.identifiers import PersonNo, StaffId
from shualian.core.mode import Mode
from shualian.core.names import mask_name
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.trust.audit.model import Digest, Payload

NAME_CHARACTERS_MAX = 50
"""``psn_name`` is S50."""

LIST_BYTES_MAX = 64 * 1024 * 1024
LIST_LINES_MAX = 200_000
WRONG_LINES_MAX = 1_000
"""So many wrong lines are told one by one; then the rest is not looked at."""

LAST_DIGITS_HASHED = 4
"""So many characters of an ID number's end are found without opening any."""

SYNCHRONISED_WITHIN_DAYS = 3
SYNCHRONISED_ACROSS_PROVINCES_WITHIN_DAYS = 7
"""Working days until an insurance that was paid for is known everywhere."""

_LAST_DIGITS = re.compile(r"[0-9]{3,7}[0-9X]")
_CODE = re.compile(r"[0-9A-Za-z]{1,6}")
_REGION = re.compile(r"[0-9]{6}")

_Member = TypeVar("_Member", bound=StrEnum)


class InsuranceStatus(StrEnum):
    """``psn_insu_stas`` 人员参保状态."""

    NOT_INSURED = "0"
    INSURED = "1"
    PAUSED = "2"
    INVALID = "3"
    ENDED = "4"


class InsuranceNote(StrEnum):
    """Why benefits are not given at present; ``psn_insu_stas`` alone does not tell all of them.

    ``ARREARS`` and ``NOT_SYNCHRONISED`` are kept beside the national code of an insurance that is
    not in force; ``PAUSED`` and ``NOT_INSURED`` follow from that code.
    """

    NOT_INSURED = "not_insured"
    PAUSED = "paused"
    ARREARS = "arrears"
    NOT_SYNCHRONISED = "not_synchronised"


KEPT_NOTES = frozenset((InsuranceNote.ARREARS, InsuranceNote.NOT_SYNCHRONISED))
"""What may be kept beside the national code."""


@dataclass(frozen=True, slots=True)
class Insurance:
    """One insurance of a person (``insuinfo`` of 1101).

    Attributes:
        insutype: 险种类型, such as ``310`` 职工基本医疗保险.
        psn_type: 人员类别, such as ``1101`` 在职, ``12`` 退休; opaque text.
        insuplc_admdvs: 参保地医保区划, 6 digits.
        psn_insu_stas: Whether it is in force.
        note: Why it is not, where the national code does not tell; never beside one in force.
    """

    insutype: str
    psn_type: str
    insuplc_admdvs: str
    psn_insu_stas: InsuranceStatus = InsuranceStatus.INSURED
    note: InsuranceNote | None = None

    def __post_init__(self) -> None:
        if self.note is None:
            return
        if self.in_force or self.note not in KEPT_NOTES:
            raise ValueError("a note is arrears or not_synchronised, beside no insurance in force")

    @property
    def in_force(self) -> bool:
        """Whether benefits may be given under it."""
        return self.psn_insu_stas is InsuranceStatus.INSURED

    @property
    def why_not(self) -> InsuranceNote | None:
        """Why it is not in force; ``None`` when it is."""
        if self.in_force:
            return None
        if self.note is not None:
            return self.note
        paused = self.psn_insu_stas is InsuranceStatus.PAUSED
        return InsuranceNote.PAUSED if paused else InsuranceNote.NOT_INSURED

    def check_in_force(self) -> None:
        """Check that benefits may be given under it.

        Raises:
            Refused: ``insurer.not_insured``, ``insurer.in_arrears``, ``insurer.not_synchronised``.
        """
        note = self.why_not
        if note is not None:
            kind = _NOTE_REFUSALS.get(note, NOT_INSURED)
            raise Refused(kind, insutype=self.insutype, found=self.psn_insu_stas.value)


@dataclass(frozen=True, slots=True)
class InsuranceNotice:
    """What a person is told about an insurance that is not in force.

    Attributes:
        note: The code.
        zh: What it is, in Chinese.
        en: The same in English.
        next_zh: The remedy.
        next_en: The same in English.
    """

    note: InsuranceNote
    zh: str
    en: str
    next_zh: str
    next_en: str


@dataclass(frozen=True, slots=True)
class Insured:
    """An insured person; name and number are never printed whole.

    Attributes:
        psn_no: The insurer's number of the person.
        id_number: 证件号码 ``certno`` of ``psn_cert_type`` 01.
        name: 人员姓名 ``psn_name``.
        insurances: At least one.
    """

    psn_no: PersonNo
    id_number: IdNumber = field(repr=False)
    name: str = field(repr=False)
    insurances: tuple[Insurance, ...]

    @property
    def masked_name(self) -> str:
        """The name as screens show it."""
        return mask_name(self.name)

    @property
    def region(self) -> str:
        """参保地 of the insurance in force, or of the first one when none is."""
        return max(self.insurances, key=lambda each: each.in_force).insuplc_admdvs


PERSON_NOT_FOUND = RefusalKind(
    code="insurer.person_not_found",
    zh="医保没有这个人的参保信息",
    en="The insurer does not know this person",
    next_zh="请核对证件；确已参保的请联系医保经办机构",
    next_en="Check the document; if the person is insured, ask the insurer",
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
ALREADY_REGISTERED = RefusalKind(
    code="insurer.already_registered",
    zh="这个证件号码已经登记过",
    en="This ID number is registered already",
    next_zh="请用已有的参保信息办理",
    next_en="Go on with the registration that exists",
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
NAME_INVALID = RefusalKind(
    code="insurer.name_invalid",
    zh="姓名不对",
    en="The name is not valid",
    next_zh="请按证件填写姓名",
    next_en="Write the name as in the document",
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)
NOT_INSURED = RefusalKind(
    code="insurer.not_insured",
    zh="参保状态不是正常参保，现在不能享受待遇",
    en="The insurance is not in force",
    next_zh="可以先自费结算；请联系医保经办机构核对参保状态",
    next_en="The bill can be paid in full meanwhile; ask the insurer about the insurance",
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)

SAMPLE_NUMBER = RefusalKind(
    code="insurer.sample_number",
    zh="这是示例证件号码，不能在正式环境使用",
    en="This is a sample ID number, which production does not take",
    next_zh="请用真实证件登记",
    next_en="Register with a real document",
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)

IN_ARREARS = RefusalKind(
    code="insurer.in_arrears",
    zh="医保欠费，现在不能享受待遇",
    en="The insurance is in arrears",
    next_zh="补缴后即可恢复；这次可以先自费结算",
    next_en="It is in force again once paid; the bill can be paid in full meanwhile",
    helper=Helper.INSURER,
    finality=Finality.FINAL,
)
NOT_SYNCHRONISED = RefusalKind(
    code="insurer.not_synchronised",
    zh="参保信息还没有同步过来",
    en="The insurance is not known here yet",
    next_zh="一般 1 到 3 个工作日，跨省最多 7 个；这次可以先自费结算",
    next_en="It takes 1 to 3 working days, up to 7 across provinces; pay in full meanwhile",
    helper=Helper.INSURER,
    finality=Finality.TEMPORARY,
)
LAST_DIGITS_INVALID = RefusalKind(
    code="insurer.last_digits_invalid",
    zh="身份证号后几位不对",
    en="These are not the last four to eight characters of an ID number",
    next_zh="请输入身份证号最后四到八位，末位可以是 X",
    next_en="Type the last four to eight characters of the ID number; the last one may be X",
    helper=Helper.SELF,
    finality=Finality.FINAL,
)
LIST_UNREADABLE = RefusalKind(
    code="insurer.list_unreadable",
    zh="这不是能读的参保人名单",
    en="This is no readable list of insured persons",
    next_zh="请用 UTF-8 或 GB18030 编码的 CSV，第一行是列名",
    next_en="Give a CSV in UTF-8 or GB18030 whose first line names the columns",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)

REFUSALS = (
    PERSON_NOT_FOUND,
    ALREADY_REGISTERED,
    NAME_INVALID,
    NOT_INSURED,
    SAMPLE_NUMBER,
    IN_ARREARS,
    NOT_SYNCHRONISED,
    LAST_DIGITS_INVALID,
    LIST_UNREADABLE,
)

_NOTE_REFUSALS: Mapping[InsuranceNote, RefusalKind] = MappingProxyType(
    {
        InsuranceNote.ARREARS: IN_ARREARS,
        InsuranceNote.NOT_SYNCHRONISED: NOT_SYNCHRONISED,
    }
)
_NOTES_BY_HOPE = (
    InsuranceNote.ARREARS,
    InsuranceNote.NOT_SYNCHRONISED,
    InsuranceNote.PAUSED,
    InsuranceNote.NOT_INSURED,
)
"""Of several insurances the one that can be mended soonest is told."""


class PersonsImported(Payload, kind="insurer.persons_imported"):
    """The audit's record of a list that was taken in.

    Attributes:
        file: SHA-256 of its bytes.
        lines: Of the list, without the heading.
        added: People who were new.
        updated: Insurances that were added or changed, of people known before.
        actor: Who brought it; ``None``: an operator at the command line.
    """

    file: Digest
    lines: int
    added: int
    updated: int
    actor: StaffId | None


class ListColumn(StrEnum):
    """Columns of a list of insured persons, under their national names."""

    CERTNO = "certno"
    PSN_NAME = "psn_name"
    INSUTYPE = "insutype"
    PSN_TYPE = "psn_type"
    INSUPLC_ADMDVS = "insuplc_admdvs"
    PSN_INSU_STAS = "psn_insu_stas"
    NOTE = "note"


_HEADINGS: Mapping[str, ListColumn] = MappingProxyType(
    {
        **{column.value: column for column in ListColumn},
        "证件号码": ListColumn.CERTNO,
        "姓名": ListColumn.PSN_NAME,
        "险种类型": ListColumn.INSUTYPE,
        "人员类别": ListColumn.PSN_TYPE,
        "参保地医保区划": ListColumn.INSUPLC_ADMDVS,
        "人员参保状态": ListColumn.PSN_INSU_STAS,
        "备注": ListColumn.NOTE,
    }
)


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """A person of a list.

    Attributes:
        id_number: Checked.
        name: Checked.
        line: Where the person stands first, from 1, the heading counted.
        insurances: At least one, each ``insutype`` once.
    """

    id_number: IdNumber = field(repr=False)
    name: str = field(repr=False)
    line: int
    insurances: tuple[Insurance, ...]


@dataclass(frozen=True, slots=True, order=True)
class WrongLine:
    """What is wrong at one place of a list; never the value that stands there.

    Attributes:
        line: From 1, the heading counted.
        column: National name of the column, or ``line`` for the whole line.
        found: What is wrong.
    """

    line: int
    column: str
    found: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a list: taken in whole, or not at all.

    Attributes:
        lines: Of the list, without the heading.
        added: People who were new.
        updated: Insurances that were added or changed, of people known before.
        unchanged: Insurances that were so already.
        wrong: Every wrong place, at most :data:`WRONG_LINES_MAX`; if any, nothing was written.
    """

    lines: int
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    wrong: tuple[WrongLine, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether the list was taken in."""
        return not self.wrong


def check_real(id_number: IdNumber, *, mode: Mode) -> None:
    """Keep sample people out of production.

    Raises:
        Refused: ``insurer.sample_number``.
    """
    if mode is Mode.PRODUCTION and id_number.is_sandbox:
        raise Refused(SAMPLE_NUMBER)


def checked_name(name: str) -> str:
    """A name without spaces around it.

    Raises:
        Refused: ``insurer.name_invalid`` when it is empty, too long or not printable.
    """
    trimmed = name.strip()
    if not 1 <= len(trimmed) <= NAME_CHARACTERS_MAX or not trimmed.isprintable():
        raise Refused(NAME_INVALID, characters=len(trimmed), limit=NAME_CHARACTERS_MAX)
    return trimmed


def age_on(birth_date: date, day: date) -> int:
    """Whole years (周岁): a year is complete when the birthday is over, from the day after it.

    One rule for every age here: 14 for one's own consent, 16 for one's own binding, 18 for a
    guardian. Of a period in years the first day does not count and the corresponding day is the
    last one (Civil Code, articles 201 and 202); so a child is guarded for the day longer.
    """
    is_over = (day.month, day.day) > (birth_date.month, birth_date.day)
    return day.year - birth_date.year - (not is_over)


def first_day_of_age(birth_date: date, years: int) -> date:
    """The first day on which :func:`age_on` gives ``years``; of 29 February always 1 March."""
    year, month = birth_date.year + years, birth_date.month
    # Without the corresponding day the month's last one ends the period (article 202).
    last = min(birth_date.day, calendar.monthrange(year, month)[1])
    return date(year, month, last) + timedelta(days=1)


def checked_last_digits(digits: str) -> str:
    """The last four to eight characters of an ID number, a final ``x`` made upper case.

    Raises:
        Refused: ``insurer.last_digits_invalid``.
    """
    last = digits.strip().upper()
    if _LAST_DIGITS.fullmatch(last) is None:
        raise Refused(LAST_DIGITS_INVALID)
    return last


def insurance_note(
    insurances: Collection[Insurance], *, care_region: str | None = None
) -> InsuranceNotice | None:
    """What to tell a person about their insurance; ``None`` when one is in force.

    Args:
        insurances: All of the person.
        care_region: 就医地, 6 digits; in another province than the insurance, synchronising
            takes longer (1 to 3 working days, up to 7).
    """
    if any(each.in_force for each in insurances):
        return None
    notes = {each.why_not: each for each in insurances}
    for note in _NOTES_BY_HOPE:
        if note in notes:
            return _notice(note, across=_across_provinces(notes[note], care_region))
    return _notice(InsuranceNote.NOT_INSURED, across=False)


def _across_provinces(insurance: Insurance, care_region: str | None) -> bool:
    return care_region is not None and insurance.insuplc_admdvs[:2] != care_region[:2]


def _notice(note: InsuranceNote, *, across: bool) -> InsuranceNotice:
    if note is not InsuranceNote.NOT_SYNCHRONISED:
        return _NOTICES[note]
    days = SYNCHRONISED_ACROSS_PROVINCES_WITHIN_DAYS if across else SYNCHRONISED_WITHIN_DAYS
    where_zh, where_en = ("跨省", " across provinces") if across else ("", "")
    return InsuranceNotice(
        note,
        "您的参保信息还没有同步过来",
        "Your insurance is not known here yet",
        f"{where_zh}一般要 1 到 {days} 个工作日；这次可以先自费结算",
        f"It takes 1 to {days} working days{where_en}; you can pay in full meanwhile",
    )


_NOTICES: Mapping[InsuranceNote, InsuranceNotice] = MappingProxyType(
    {
        notice.note: notice
        for notice in (
            InsuranceNotice(
                InsuranceNote.ARREARS,
                "您的医保欠费了",
                "Your insurance is in arrears",
                "补缴后即可恢复，请联系医保经办机构；这次可以先自费结算",
                "It is in force again once paid: ask the insurer; you can pay in full meanwhile",
            ),
            InsuranceNotice(
                InsuranceNote.PAUSED,
                "您的医保已停保",
                "Your insurance is stopped",
                "请联系医保经办机构恢复参保；这次可以先自费结算",
                "Ask the insurer to renew it; you can pay in full meanwhile",
            ),
            InsuranceNotice(
                InsuranceNote.NOT_INSURED,
                "没有查到您的有效参保",
                "No insurance of yours is in force",
                "请联系医保经办机构核对；这次可以先自费结算",
                "Ask the insurer's office; you can pay in full meanwhile",
            ),
        )
    }
)


def decoded_list(content: bytes) -> str:
    """The text of a list in UTF-8 (with or without mark) or GB18030.

    Raises:
        Refused: ``insurer.list_unreadable``.
    """
    if len(content) > LIST_BYTES_MAX:
        raise Refused(LIST_UNREADABLE, found="too large", bytes_max=LIST_BYTES_MAX)
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Refused(LIST_UNREADABLE, found="neither UTF-8 nor GB18030")


@dataclass(frozen=True, slots=True)
class ParsedList:
    """A list as it was read.

    Attributes:
        lines: Without the heading.
        people: In the order of the list; people of wrong lines are left out.
        wrong: Every wrong place.
    """

    lines: int
    people: tuple[ListedPerson, ...]
    wrong: tuple[WrongLine, ...]


def parse_list(text: str, *, today: date, mode: Mode) -> ParsedList:
    """Read a list of insured persons: a heading, then one line per person and insurance.

    Columns in any order, under national or Chinese names; ``note`` may be missing or empty and is
    ``arrears`` or ``not_synchronised`` otherwise. A person with two insurances has two lines.

    Raises:
        Refused: ``insurer.list_unreadable``: other columns, too many lines, not CSV.
    """
    rows = _rows(text)
    columns = _columns(next(rows, (1, []))[1])
    reading = _Reading(today, mode)
    for count, (line, row) in enumerate(rows, 1):
        if count > LIST_LINES_MAX:
            raise Refused(LIST_UNREADABLE, found="too many lines", lines_max=LIST_LINES_MAX)
        if len(reading.wrong) < WRONG_LINES_MAX:
            reading.take(line, columns, row)
        reading.lines = count
    return reading.parsed()


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not empty, with the number of its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error:
        raise Refused(LIST_UNREADABLE, found="not CSV", line=line) from None


def _columns(heading: Sequence[str]) -> Sequence[ListColumn]:
    columns = [_HEADINGS.get(cell.strip()) for cell in heading]
    missing = [each.value for each in ListColumn if each not in columns]
    known = [each for each in columns if each is not None]
    if len(known) < len(columns) or len(set(known)) < len(known):
        raise Refused(LIST_UNREADABLE, found="a column that is unknown or there twice", line=1)
    if missing not in ([], [ListColumn.NOTE.value]):
        raise Refused(LIST_UNREADABLE, found="missing columns", missing=" ".join(missing))
    return known


class _Reading:
    """Collects people and wrong places line by line."""

    def __init__(self, today: date, mode: Mode) -> None:
        self._today = today
        self._mode = mode
        self._people: dict[IdNumber, tuple[int, str]] = {}
        self._insurances: defaultdict[IdNumber, list[Insurance]] = defaultdict(list)
        self.wrong: list[WrongLine] = []
        self.lines = 0

    def parsed(self) -> ParsedList:
        people = tuple(
            ListedPerson(number, name, line, tuple(self._insurances[number]))
            for number, (line, name) in self._people.items()
        )
        return ParsedList(self.lines, people, tuple(self.wrong))

    def take(self, line: int, columns: Sequence[ListColumn], row: Sequence[str]) -> None:
        if len(row) != len(columns):
            self.wrong.append(WrongLine(line, "line", "another number of columns"))
            return
        cells = {column: cell.strip() for column, cell in zip(columns, row, strict=True)}
        wrong: dict[ListColumn, str] = {}
        number = self._number(cells, wrong)
        name = _name(cells, wrong)
        insurance = _insurance(cells, wrong)
        if number is not None and insurance is not None and not wrong:
            self._add(line, number, name, insurance, wrong)
        self.wrong += [WrongLine(line, column.value, found) for column, found in wrong.items()]

    def _number(
        self, cells: Mapping[ListColumn, str], wrong: dict[ListColumn, str]
    ) -> IdNumber | None:
        try:
            number = parse_id_number(cells[ListColumn.CERTNO], today=self._today)
        except Refused as refused:
            wrong[ListColumn.CERTNO] = str(refused.details["found"])
            return None
        if self._mode is Mode.PRODUCTION and number.is_sandbox:
            wrong[ListColumn.CERTNO] = "a sample number"
        return number

    def _add(
        self,
        line: int,
        number: IdNumber,
        name: str,
        insurance: Insurance,
        wrong: dict[ListColumn, str],
    ) -> None:
        _, expected = self._people.setdefault(number, (line, name))
        if name != expected:
            wrong[ListColumn.PSN_NAME] = "another name than in an earlier line of this number"
        elif any(each.insutype == insurance.insutype for each in self._insurances[number]):
            wrong[ListColumn.INSUTYPE] = "twice for this number"
        else:
            self._insurances[number].append(insurance)


def _name(cells: Mapping[ListColumn, str], wrong: dict[ListColumn, str]) -> str:
    try:
        return checked_name(cells[ListColumn.PSN_NAME])
    except Refused:
        wrong[ListColumn.PSN_NAME] = "empty, too long or not printable"
        return ""


def _insurance(cells: Mapping[ListColumn, str], wrong: dict[ListColumn, str]) -> Insurance | None:
    for column, form in (
        (ListColumn.INSUTYPE, _CODE),
        (ListColumn.PSN_TYPE, _CODE),
        (ListColumn.INSUPLC_ADMDVS, _REGION),
    ):
        if form.fullmatch(cells[column]) is None:
            wrong[column] = "not a code of the national list's form"
    status = _one_of(InsuranceStatus, cells, ListColumn.PSN_INSU_STAS, wrong)
    note = None
    if cells.get(ListColumn.NOTE):
        note = _one_of(InsuranceNote, cells, ListColumn.NOTE, wrong)
        if note is not None and (note not in KEPT_NOTES or status is InsuranceStatus.INSURED):
            wrong[ListColumn.NOTE] = "does not go with this status"
    if wrong or status is None:
        return None
    return Insurance(
        cells[ListColumn.INSUTYPE],
        cells[ListColumn.PSN_TYPE],
        cells[ListColumn.INSUPLC_ADMDVS],
        status,
        note,
    )


def _one_of(
    kind: type[_Member],
    cells: Mapping[ListColumn, str],
    column: ListColumn,
    wrong: dict[ListColumn, str],
) -> _Member | None:
    try:
        return kind(cells[column])
    except ValueError:
        wrong[column] = "not one of " + " ".join(member.value for member in kind)
        return None
