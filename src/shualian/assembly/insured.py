"""The insured: register, vouchers, consents, templates, family, and what a scan does to them."""

from collections.abc import Collection
from dataclasses import dataclass

from shualian.assembly.foundations import FRESHNESS, nonces_for
from shualian.core.clock import Clock
from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode, PersonNo
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.core.settings import Settings
from shualian.gallery.model import EmbeddingPath
from shualian.gallery.service import Gallery
from shualian.insurer.activation.service import Activation, InsuredDesk
from shualian.insurer.channels.service import ChannelActivations, Channels
from shualian.insurer.consents.service import Consents
from shualian.insurer.erasures.model import StoreName
from shualian.insurer.erasures.service import Erasures
from shualian.insurer.family.service import FamilyBindings, FamilyWindow
from shualian.insurer.institutions.service import Institutions
from shualian.insurer.notices.model import Notices
from shualian.insurer.notices.store import load_notices, packaged_notices
from shualian.insurer.persons.service import Persons
from shualian.insurer.templates.service import Templates
from shualian.insurer.templates.store import (
    GalleryRecords,
    SearchIndex,
    TemplateRegister,
    WaitingEnrolments,
)
from shualian.insurer.vouchers.service import VoucherPins, Vouchers
from shualian.trust.sealing import Sealer
from shualian.verification.expectations.service import ExpectedPeople


@dataclass(frozen=True, slots=True)
class InsuredServices:
    """Everything that the insurer keeps of people beside money."""

    persons: Persons
    vouchers: Vouchers
    pins: VoucherPins
    notices: Notices
    consents: Consents
    templates: Templates
    erasures: Erasures
    family: FamilyBindings
    family_window: FamilyWindow
    channels: Channels
    channel_activations: ChannelActivations
    activation: Activation
    desk: InsuredDesk
    expectations: ExpectedPeople

    def finish_interrupted(self) -> None:
        """Bring to an end what a crash interrupted; run it before anybody is served."""
        self.templates.finish_waiting()
        self.consents.finish_open_withdrawals()
        self.erasures.finish_open()


class InstitutionNames:
    """What people call an institution; consents' port."""

    def __init__(self, institutions: Institutions) -> None:
        self._institutions = institutions

    def name(self, institution: InstitutionCode) -> str | None:
        """Its name, when it is under contract."""
        try:
            return self._institutions.get(institution).name
        except Refused:
            return None


class _ExpectedToday:
    """The lists of expected and called people, as a store that is erased."""

    name = StoreName.EXPECTATIONS

    def __init__(self, expectations: ExpectedPeople) -> None:
        self._expectations = expectations

    def count(self, psn_no: PersonNo) -> int:
        """See :meth:`FaceStore.count`."""
        return self._expectations.entries_of(psn_no)

    def erase(self, psn_no: PersonNo) -> int:
        """See :meth:`FaceStore.erase`."""
        return self._expectations.forget_person(psn_no)


class _WithTemplate:
    """Whose template is kept; the port of expectations, which templates come after."""

    def __init__(self) -> None:
        self.templates: Templates | None = None

    def with_template(self, people: Collection[PersonNo]) -> Collection[PersonNo]:
        """See :meth:`TemplateConsents.with_template`."""
        return () if self.templates is None else self.templates.with_template(people)


def insured_services(
    settings: Settings,
    *,
    database: Database,
    clock: Clock,
    sealer: Sealer,
    mode: Mode,
    gallery: Gallery,
    path: EmbeddingPath,
) -> InsuredServices:
    """Build them over the insurer's database.

    Raises:
        Refused: ``insurer.notice_invalid``.
    """
    persons = Persons(database=database, sealer=sealer, mode=mode, clock=clock)
    vouchers = Vouchers(database=database, clock=clock, sealer=sealer)
    with_template = _WithTemplate()
    expectations = ExpectedPeople(database=database, clock=clock, consents=with_template)
    erasures = Erasures(
        database=database,
        clock=clock,
        stores=(
            GalleryRecords(database=database, gallery=gallery, gallery_name=gallery.name),
            SearchIndex(gallery=gallery, paths=(path,)),
            TemplateRegister(database=database),
            WaitingEnrolments(database=database),
            _ExpectedToday(expectations),
        ),
        backup_days=settings.backup_days,
    )
    notices = load_notices(packaged_notices())
    consents = Consents(
        database=database, clock=clock, notices=notices, people=persons, erasures=erasures
    )
    templates = with_template.templates = Templates(
        database=database,
        clock=clock,
        gallery=gallery,
        consents=consents,
        erasures=erasures,
        template_months=settings.template_months,
    )
    return InsuredServices(
        persons=persons,
        vouchers=vouchers,
        pins=VoucherPins(database=database, clock=clock, sealer=sealer, people=persons),
        notices=notices,
        consents=consents,
        templates=templates,
        erasures=erasures,
        family=FamilyBindings(database=database, clock=clock, people=persons),
        family_window=FamilyWindow(database=database, clock=clock, people=persons),
        channels=Channels(
            database=database, clock=clock, nonces=nonces_for(database, clock), limits=FRESHNESS
        ),
        channel_activations=ChannelActivations(
            database=database,
            clock=clock,
            sealer=sealer,
            register=persons,
            vouchers=vouchers,
            book=consents,
        ),
        activation=Activation(
            database=database,
            clock=clock,
            register=persons,
            vouchers=vouchers,
            book=consents,
            templates=templates,
        ),
        desk=InsuredDesk(register=persons, vouchers=vouchers, terms=consents, holds=templates),
        expectations=expectations,
    )
