"""What a database, a key or a terminal belongs to: a side, and the sandbox or the real world."""

from enum import StrEnum


class Side(StrEnum):
    """Which half of the house a database serves."""

    INSURER = "insurer"
    HOSPITAL = "hospital"


class Mode(StrEnum):
    """Whether people, money and keys are samples or real; fixed at creation, never changed."""

    SANDBOX = "sandbox"
    PRODUCTION = "production"
