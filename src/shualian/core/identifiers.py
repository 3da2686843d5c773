"""Identifiers with types of their own, and how new ones are made."""

import secrets
import time
from typing import NewType

InstitutionCode = NewType("InstitutionCode", str)
"""定点医药机构编号 ``fixmedins_code``: ``H`` or ``P`` and 11 digits."""
TerminalId = NewType("TerminalId", str)
StaffId = NewType("StaffId", str)
PersonNo = NewType("PersonNo", str)
"""人员编号 ``psn_no``: the insurer's number of a person; says nothing about the person."""
TemplateId = NewType("TemplateId", str)
SessionId = NewType("SessionId", str)
IntentId = NewType("IntentId", str)
"""What a person is about to confirm: one registration, one settlement."""
AuthNo = NewType("AuthNo", str)
"""刷脸授权号 ``authNo``: the number of a face proof; a secret until it is redeemed."""
CommandId = NewType("CommandId", str)
"""Made and stored by the sender before the command is sent; repeats carry the same one."""
RecordNo = NewType("RecordNo", str)
EncounterNo = NewType("EncounterNo", str)
"""住院/门诊号 ``ipt_otp_no``: the institution's own number of a visit."""
VisitId = NewType("VisitId", str)
"""就诊ID ``mdtrt_id``: the insurer's number of a visit."""
SettlementId = NewType("SettlementId", str)
"""结算ID ``setl_id``."""
ChargeItemNo = NewType("ChargeItemNo", str)
"""费用明细流水号 ``feedetl_sn``: unique inside one visit."""

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple([first + second for first in _CROCKFORD for second in _CROCKFORD])
_SHIFTS = range(120, -1, -10)


def new_identifier() -> str:
    """A new identifier: 26 characters, sortable by millisecond, 80 random bits (ULID layout).

    26 characters fit every S30 field of the national interface.
    """
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join([_PAIRS[(value >> shift) & 1023] for shift in _SHIFTS])


def new_secret_token() -> str:
    """A new unguessable token of 160 bits, 30 characters at most, for proofs and one-time codes."""
    return secrets.token_urlsafe(20)
