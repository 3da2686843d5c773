"""Use cases of the register of certified models."""

from collections.abc import Callable, Sequence
from datetime import date

from sqlalchemy import Connection

from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.refusals import Refused
from shualian.terminals.model import (
    Actor,
    InstitutionStaff,
    InsurerStaff,
    TerminalChange,
    TerminalEvent,
)
from shualian.terminals.register import store
from shualian.terminals.register.model import (
    MODEL_INVALID,
    MODEL_REGISTERED,
    MODEL_UNKNOWN,
    CertifiedModel,
    RegisteredPlace,
    SoftwareVersion,
    check_new_model,
    tightened,
)
from shualian.trust.audit.model import Reference
from shualian.trust.audit.service import record


class Register:
    """Which models may be used, and where terminals may stand.

    A change holds from the next request of every terminal of the model, because each request
    looks here.
    """

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def register_model(self, *, actor: InsurerStaff, model: CertifiedModel) -> None:
        """Take a certified model into the register.

        Raises:
            Refused: ``terminals.model_invalid``, ``terminals.model_registered``.
        """
        check_new_model(model)

        def work(connection: Connection) -> None:
            if store.model_by_certificate(connection, model.certificate) is not None:
                raise Refused(MODEL_REGISTERED)
            store.add_model(connection, model)
            self._record(connection, actor, TerminalChange.MODEL_REGISTERED, model.certificate)

        self._database.write(work)

    def renew_model(self, *, actor: InsurerStaff, certificate: str, valid_until: date) -> None:
        """Prolong a certificate that was not withdrawn.

        Raises:
            Refused: ``terminals.model_unknown``; ``terminals.model_invalid`` for an earlier day
                or a withdrawn certificate.
        """

        def change(connection: Connection, model: CertifiedModel) -> None:
            if model.withdrawn_at is not None or valid_until < model.valid_until:
                raise Refused(MODEL_INVALID, item="valid_until")
            store.set_valid_until(connection, certificate, valid_until)

        self._change(actor, certificate, TerminalChange.MODEL_RENEWED, change)

    def withdraw_model(self, *, actor: InsurerStaff, certificate: str) -> None:
        """Take a certificate away for good; repeating it is harmless.

        Raises:
            Refused: ``terminals.model_unknown``.
        """
        now = self._clock.now()

        def change(connection: Connection, model: CertifiedModel) -> None:
            if model.withdrawn_at is None:
                store.set_withdrawn(connection, certificate, now)

        self._change(actor, certificate, TerminalChange.MODEL_WITHDRAWN, change)

    def require_software(
        self,
        *,
        actor: InsurerStaff,
        certificate: str,
        software_min: SoftwareVersion,
        software_current: SoftwareVersion,
    ) -> None:
        """Demand newer software of a model; older versions are refused at their next request.

        Raises:
            Refused: ``terminals.model_unknown``; ``terminals.model_invalid`` for lower versions.
        """

        def change(connection: Connection, model: CertifiedModel) -> None:
            least, current = tightened(
                model, software_min=software_min, software_current=software_current
            )
            store.set_software(connection, certificate, least, current)

        self._change(actor, certificate, TerminalChange.SOFTWARE_REQUIRED, change)

    def models(self) -> Sequence[CertifiedModel]:
        """Every model, withdrawn ones too, by certificate."""
        return self._database.read(store.all_models)

    def places(self, *, actor: Actor) -> Sequence[RegisteredPlace]:
        """The places that the actor may see: of the own institution, or of all."""
        institution = actor.institution if isinstance(actor, InstitutionStaff) else None
        return self._database.read(lambda connection: store.places_of(connection, institution))

    def _change(
        self,
        actor: InsurerStaff,
        certificate: str,
        event: TerminalChange,
        change: Callable[[Connection, CertifiedModel], None],
    ) -> None:
        def work(connection: Connection) -> None:
            model = store.model_by_certificate(connection, certificate)
            if model is None:
                raise Refused(MODEL_UNKNOWN)
            change(connection, model)
            self._record(connection, actor, event, certificate)

        self._database.write(work)

    def _record(
        self, connection: Connection, actor: InsurerStaff, event: TerminalChange, certificate: str
    ) -> None:
        payload = TerminalEvent(change=event, subject=Reference(certificate), actor=actor.staff)
        record(connection, payload, at=self._clock.now())
