"""Finding weight files: the operator's folder first, else the installed package; never imported."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

from shualian.core.database import forbid_in_transaction
from shualian.core.refusals import Refused
from shualian.face.model import WEIGHTS_ALTERED, WEIGHTS_MISSING
from shualian.face.weights.table import WeightFile


@dataclass(frozen=True, slots=True)
class FoundWeights:
    """Where a weight file was found."""

    path: Path
    operators_own: bool


class WeightSource:
    """The places where weight files may lie."""

    def __init__(self, operators_folder: Path | None, packages_folder: Path | None = None) -> None:
        """Look in ``operators_folder`` first, then where ``make weights`` installs the packages."""
        self._operators_folder = operators_folder
        self._packages_folder = packages_folder or installed_packages_folder()

    def find(self, weights: WeightFile) -> FoundWeights:
        """Where the file lies.

        Raises:
            Refused: ``face.weights_missing``.
        """
        if self._operators_folder is not None:
            own = self._operators_folder / weights.name
            if own.is_file():
                return FoundWeights(own, operators_own=True)
        packaged = self._packages_folder / weights.path
        if packaged.is_file():
            return FoundWeights(packaged, operators_own=False)
        raise Refused(WEIGHTS_MISSING, file=weights.name, package=weights.package)

    def read(self, weights: WeightFile) -> bytes:
        """The bytes of the file, after its SHA-256 was compared with the table's.

        Raises:
            Refused: ``face.weights_missing`` or ``face.weights_altered``.
        """
        forbid_in_transaction("reading weights")
        content = self.find(weights).path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != weights.sha256:
            raise Refused(
                WEIGHTS_ALTERED, file=weights.name, found=found[:16], expected=weights.sha256[:16]
            )
        return content


def installed_packages_folder() -> Path:
    """Where ``make weights`` installs the weight packages, apart from every import path."""
    return Path(sys.prefix) / "share" / "shualian" / "weights"
