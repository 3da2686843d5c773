"""Between the halves: a hospital's port ``InsurerBooks`` over an insurer in the same process."""

from datetime import date

from shualian.assembly.insurer_side import InsurerSide
from shualian.core.database import forbid_in_transaction
from shualian.core.identifiers import InstitutionCode
from shualian.hospital.cashier.closing.model import InsurerDay, Line, Totals
from shualian.insurer.reconciliation.model import Detail


class LocalInsurerBooks:
    """The insurer's books of one institution's days (3201, 3202), without a wire."""

    def __init__(self, insurer: InsurerSide, institution: InstitutionCode) -> None:
        self._reconciliation = insurer.reconciliation
        self._institution = institution

    def of_day(self, day: date) -> InsurerDay:
        """Its books of one business day."""
        forbid_in_transaction("a question to the insurer")
        books, institution = self._reconciliation, self._institution
        details = books.details(institution=institution, first=day, last=day)
        totals = books.totals(institution=institution, first=day, last=day)
        funds = books.by_fund(institution=institution, first=day, last=day)
        return InsurerDay(
            lines=tuple(_line(detail) for detail in details),
            totals=Totals(
                lines=totals.settlements,
                medfee_fen=totals.medfee_sumamt,
                fund_fen=totals.fund_pay_sumamt,
                account_fen=totals.acct_pay,
                cash_fen=totals.psn_cash_pay,
            ),
            by_fund={name: amount for name, amount in funds.items() if amount},
        )


def _line(detail: Detail) -> Line:
    return Line(
        setl_id=detail.cancels or detail.setl_id,
        command_id=None if detail.cancels else detail.command_id,
        cancels=detail.cancels is not None,
        medfee_fen=detail.medfee_sumamt,
        fund_fen=detail.fund_pay_sumamt,
        account_fen=detail.acct_pay,
        cash_fen=detail.psn_cash_pay,
    )
