"""Use cases of agreements: from which account a person lets own shares be taken (一脸付)."""

from datetime import timedelta

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, PersonNo
from shualian.core.refusals import Refused
from shualian.hospital.ports import FieldSealer
from shualian.hospital.wallet import store
from shualian.hospital.wallet.model import WALLET_NO_AGREEMENT, Agreement, PayerRef
from shualian.hospital.wallet.ports import EWallet

NEWS_KEPT = timedelta(days=7)
"""How long it is remembered which news were heard; a wallet repeats them for minutes."""
_PAYER = "hospital.wallet.payer"


class Agreements:
    """The accounts that people of one hospital named for one-scan payment.

    A row is the person's consent to one-scan payment here (consent (c)), with the wallet's
    reference, sealed; the limits are the wallet's.
    """

    def __init__(
        self,
        *,
        institution: InstitutionCode,
        database: Database,
        clock: Clock,
        sealer: FieldSealer,
        wallet: EWallet,
    ) -> None:
        self._institution = institution
        self._database = database
        self._clock = clock
        self._sealer = sealer
        self.wallet = wallet

    def link(self, *, psn_no: PersonNo, payer: PayerRef) -> None:
        """Keep the account that a person consented to; instead of an earlier one."""
        now = self._clock.now()
        sealed = self._sealer.seal(payer.encode(), purpose=_PAYER, context=self._context(psn_no))
        self._database.write(
            lambda connection: store.put_payer(
                connection, self._institution, psn_no, sealed, consented_at=now
            )
        )

    def unlink(self, *, psn_no: PersonNo) -> None:
        """Forget a person's account: the consent is withdrawn. What is held goes on."""
        self._database.write(
            lambda connection: store.remove_payer(connection, self._institution, psn_no)
        )

    def of_person(self, *, psn_no: PersonNo) -> Agreement:
        """What the person authorised, as the wallet has it now; for the screen.

        Raises:
            Refused: ``hospital.wallet_no_agreement``, ``hospital.wallet_unreachable``.
        """
        sealed = self._database.read(
            lambda connection: store.payer_of(connection, self._institution, psn_no)
        )
        found = None if sealed is None else self.wallet.agreement(self.payer(sealed, psn_no))
        if found is None:
            raise Refused(WALLET_NO_AGREEMENT)
        return found

    def forget_ended(self) -> int:
        """Forget the accounts whose authorisation the wallet says is over; gives how many.

        Raises:
            Refused: ``hospital.wallet_unreachable``; what was found before is forgotten then.
        """
        known = self._database.read(
            lambda connection: store.all_payers(connection, self._institution)
        )
        forgotten = 0
        for psn_no, sealed in known:
            agreement = self.wallet.agreement(self.payer(sealed, psn_no))
            if agreement is not None and not self._is_over(agreement):
                continue
            forgotten += self._database.write(
                lambda connection, psn_no=psn_no, sealed=sealed: store.forget_payer(  # type: ignore[misc]
                    connection, self._institution, psn_no, sealed
                )
            )
        return forgotten

    def purge_news(self) -> None:
        """Forget which news were heard long ago (:data:`NEWS_KEPT`)."""
        before = self._clock.now() - NEWS_KEPT
        self._database.write(
            lambda connection: store.forget_notifications(connection, before=before)
        )

    def _is_over(self, agreement: Agreement) -> bool:
        return agreement.revoked_at is not None or agreement.valid_until <= self._clock.now()

    def payer(self, sealed: bytes, psn_no: PersonNo) -> PayerRef:
        """The reference that was sealed for a person.

        Raises:
            Refused: When it was sealed for another person.
        """
        opened = self._sealer.open(sealed, purpose=_PAYER, context=self._context(psn_no))
        return PayerRef(opened.decode())

    def _context(self, psn_no: PersonNo) -> bytes:
        return f"{self._institution}/{psn_no}".encode()
