"""The one place where ports meet implementations: insurer side, hospital side, and between."""

from shualian.assembly.expectations import LocalExpectations
from shualian.assembly.hospital_side import HospitalSide, open_hospital_side
from shualian.assembly.insured import InsuredServices
from shualian.assembly.insurer_platform import LocalInsurerPlatform
from shualian.assembly.insurer_side import InsurerSide, open_insurer_side
from shualian.assembly.tables import HOSPITAL_TABLES, INSURER_TABLES

__all__ = (
    "HOSPITAL_TABLES",
    "INSURER_TABLES",
    "HospitalSide",
    "InsuredServices",
    "InsurerSide",
    "LocalExpectations",
    "LocalInsurerPlatform",
    "open_hospital_side",
    "open_insurer_side",
)
