"""Chinese resident ID numbers (公民身份号码), GB 11643-1999."""

from dataclasses import dataclass
from datetime import date

from shualian.core.refusals import Finality, Helper, RefusalKind, Refused

SANDBOX_REGION = "990000"
"""A region that exists nowhere: sample numbers use it and production refuses it."""

_FIRST_BIRTH = date(1900, 1, 1)
_CHECK_CHARACTERS = "10X98765432"
_PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65"
    " 71 81 82 83".split()
)

ID_NUMBER_INVALID = RefusalKind(
    code="core.id_number_invalid",
    zh="身份证号不对",
    en="This ID number is not right",
    next_zh="请对照身份证再输一次",
    next_en="Compare it with the card and type it again",
    helper=Helper.CLERK,
    finality=Finality.FINAL,
)

REFUSALS = (ID_NUMBER_INVALID,)


@dataclass(frozen=True, slots=True, repr=False)
class IdNumber:
    """A checked ID number of 18 characters; never prints itself whole.

    Attributes:
        value: The number, a final ``x`` made upper case.
    """

    value: str

    def __repr__(self) -> str:
        return f"IdNumber({self.masked})"

    __str__ = __repr__

    @property
    def masked(self) -> str:
        """First two and last two characters, the rest starred."""
        return f"{self.value[:2]}{'*' * 14}{self.value[-2:]}"

    @property
    def birth_date(self) -> date:
        """The date of birth written into the number."""
        return date.fromisoformat(self.value[6:14])

    @property
    def is_female(self) -> bool:
        """The sequence code is even for women (GB 11643 4.1.3)."""
        return int(self.value[16]) % 2 == 0

    @property
    def is_sandbox(self) -> bool:
        """Whether it is a sample number."""
        return self.value.startswith(SANDBOX_REGION)

    @property
    def province_known(self) -> bool:
        """Whether the first two digits name a province of GB/T 2260: a note, never a refusal.

        Region codes change and living people keep old ones, so nobody is refused for a region.
        """
        return self.value[:2] in _PROVINCES


def check_character(first_seventeen: str) -> str:
    """The last character for the first 17 digits (ISO 7064 MOD 11-2, GB 11643 4.1.4)."""
    weighted = sum(int(d) * pow(2, 17 - i, 11) for i, d in enumerate(first_seventeen))
    return _CHECK_CHARACTERS[weighted % 11]


def parse_id_number(text: str, *, today: date) -> IdNumber:
    """Check an ID number: 18 characters, a real date of birth in 1900..``today``, check character.

    Raises:
        Refused: ``core.id_number_invalid``; ``found`` says what is wrong, never the number.
    """
    number = text.strip().upper()
    if len(number) != 18 or not (number[:17].isascii() and number[:17].isdecimal()):
        raise Refused(ID_NUMBER_INVALID, found="not 17 digits and a check character")
    try:
        birth = date.fromisoformat(number[6:14])
    except ValueError:
        raise Refused(ID_NUMBER_INVALID, found="no such date of birth") from None
    if not _FIRST_BIRTH <= birth <= today:
        raise Refused(ID_NUMBER_INVALID, found="date of birth out of range")
    if number[17] != check_character(number[:17]):
        raise Refused(ID_NUMBER_INVALID, found="check character does not fit")
    return IdNumber(number)
