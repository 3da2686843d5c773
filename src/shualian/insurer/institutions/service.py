"""Use cases of contracted institutions."""

from shualian.core.database import Database
from shualian.core.identifiers import InstitutionCode
from shualian.core.refusals import Refused
from shualian.insurer.institutions import store
from shualian.insurer.institutions.model import INSTITUTION_NOT_CONTRACTED, Institution


class Institutions:
    """Which institutions may settle, and at which level."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    def contract(self, institution: Institution) -> None:
        """Take an institution under contract, or change what is known of it."""
        self._database.write(lambda connection: store.put(connection, institution))

    def get(self, fixmedins_code: InstitutionCode) -> Institution:
        """The institution with this code.

        Raises:
            Refused: ``insurer.institution_not_contracted``.
        """
        found = self._database.read(lambda connection: store.find(connection, fixmedins_code))
        if found is None:
            raise Refused(INSTITUTION_NOT_CONTRACTED, fixmedins_code=fixmedins_code)
        return found
