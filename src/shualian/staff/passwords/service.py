"""Hashing and checking passwords with argon2id; slow on purpose, so never in a transaction."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from shualian.core.database import forbid_in_transaction
from shualian.core.identifiers import StaffId
from shualian.core.refusals import Refused
from shualian.staff.model import SERVICE_BUSY
from shualian.staff.passwords.model import HashCost, Password
from shualian.staff.ports import StaffSealer

_PURPOSE = "staff.password"
_AT_ONCE_MAX = 2
_WAIT_MAX_S = 10.0


class Passwords:
    """Makes and checks what is kept of a password: an argon2id hash, sealed.

    Sealed, because then a copy of the database alone gives nothing to guess against (SP 800-63B,
    5.1.1.2 asks for such a second, secret step).
    """

    def __init__(self, *, sealer: StaffSealer, cost: HashCost | None = None) -> None:
        """Make the hasher, and one hash of nothing against which unknown accounts are checked."""
        cost = cost or HashCost()
        self._sealer = sealer
        self._hasher = PasswordHasher(cost.passes, cost.memory_kib, cost.lanes)
        self._turns = threading.BoundedSemaphore(_AT_ONCE_MAX)
        self._nobody = self._hasher.hash(secrets.token_hex(32))

    def sealed(self, staff_id: StaffId, password: Password) -> bytes:
        """What the database keeps of a password.

        Raises:
            Refused: ``staff.service_busy``.
        """
        with self._turn():
            encoded = self._hasher.hash(password.text)
        return self._sealer.seal(encoded.encode(), purpose=_PURPOSE, context=staff_id.encode())

    def matches(self, staff_id: StaffId, kept: bytes | None, password: Password) -> bool:
        """Whether this is the account's password; takes as long when there is none (``None``).

        Raises:
            Refused: ``staff.service_busy``, ``trust.seal_broken``.
        """
        encoded = self._nobody if kept is None else self._opened(staff_id, kept)
        with self._turn():
            try:
                right = self._hasher.verify(encoded, password.text)
            except (VerificationError, InvalidHashError):
                return False
        return right and kept is not None

    def outdated(self, staff_id: StaffId, kept: bytes) -> bool:
        """Whether a hash was made with other parameters than those in force."""
        return self._hasher.check_needs_rehash(self._opened(staff_id, kept))

    def _opened(self, staff_id: StaffId, kept: bytes) -> str:
        return self._sealer.open(kept, purpose=_PURPOSE, context=staff_id.encode()).decode()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Few hash at once: each takes 64 MiB and a core."""
        forbid_in_transaction("hashing a password")
        if not self._turns.acquire(timeout=_WAIT_MAX_S):
            raise Refused(SERVICE_BUSY)
        try:
            yield
        finally:
            self._turns.release()
