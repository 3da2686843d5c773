"""What the police registry is asked and what it answers; it never gives a photo away."""

from dataclasses import dataclass, field
from enum import StrEnum

from shualian.core.id_number import IdNumber


class RegistryVerdict(StrEnum):
    """The registry's answer to "is this live face the person with this number and name?"."""

    MATCH = "match"
    NO_MATCH = "no_match"
    NAME_NUMBER_MISMATCH = "name_number_mismatch"
    NO_USABLE_PHOTO = "no_usable_photo"
    NOT_FOUND = "not_found"
    UNAVAILABLE = "unavailable"
    """Busy, slow, unreachable, or an answer that cannot be believed: nothing was learnt."""


@dataclass(frozen=True, slots=True)
class RegistryQuery:
    """One comparison at the registry; lives in memory only.

    Attributes:
        request_id: Ours, new for every query; the answer repeats it.
        id_number: Of the person that the face is said to be.
        name: As the insurer holds it.
        picture: One frame as JPEG, gone after the answer.
    """

    request_id: str
    id_number: IdNumber
    name: str = field(repr=False)
    picture: bytes = field(repr=False)
