"""The trace of a settlement: which rule of which clause moved which amount, as data."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from shualian.core.money import Fen


class Rule(StrEnum):
    """Which rule made a step of the trace, and what ``before`` and ``after`` mean there."""

    OWN = "class.own"
    """Line: the amount, then 0."""
    LIMIT_OF_USE = "limit_of_use"
    """Line: the amount, then 0: the item was used outside its limit."""
    CEILING = "ceiling"
    """Line: the amount, then what is left of it under the ceiling."""
    UPFRONT = "class.upfront"
    """Line: the amount under the ceiling, then what of it is inside the scope."""
    IN_SCOPE = "class.in_scope"
    """Line: the amount under the ceiling, all of it inside the scope."""
    OUT_OF_REGION = "out_of_region"
    """Bill: the in-scope amount, then what is left after the share for care elsewhere."""
    DEDUCTIBLE = "deductible"
    """Bill: the in-scope amount, then what is left of it above the deductible."""
    SEGMENT = "segment"
    """Bill: what no segment has taken yet, before and after this one."""
    THRESHOLD = "threshold"
    """Later layer: the person's share inside the scope, then what of it is above the threshold."""
    SUPPLEMENT = "supplement"
    """Later layer: what no segment of it has taken yet, before and after this one."""
    CAP = "cap"
    """Fund: what it would pay, then what it pays."""
    ABOVE_CAP = "above_cap"
    """Bill: what the capped fund leaves, then what of it stays with the person."""
    HOSPITAL = "hospital"
    """Person: the burden, then what is left of it after the hospital's part."""
    ACCOUNT = "account"
    """Person: the burden, then what is left of it after the personal account."""
    FAMILY = "family"
    """Person: what is left, then what is left of it after a relative's account."""
    CASH = "cash"
    """Person: what is left to pay, then 0."""


class Step(NamedTuple):
    """One step of the trace; sentences are made of it on demand.

    Attributes:
        rule: Which rule.
        clause: Of the policy file.
        subject: A ``feedetl_sn`` for a line, the name of a fund, or empty.
        before: See :class:`Rule`.
        after: See :class:`Rule`.
        facts: Amounts in fen that the rule used; ``ratio`` and ``share`` in ten-thousandths;
            ``admission`` counted from 1; ``visit`` is 1 where the rule looks at one visit.
    """

    rule: Rule
    clause: str
    subject: str
    before: Fen
    after: Fen
    facts: Mapping[str, int]
