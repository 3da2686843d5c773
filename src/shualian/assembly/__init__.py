"""The one place where ports meet implementations: insurer side, hospital side, and between."""

from shualian.assembly.hospital_side import HospitalSide, InsurerPorts, open_hospital_side
from shualian.assembly.house import House, hospital_beside, open_house
from shualian.assembly.insured import InsuredServices
from shualian.assembly.insurer_books import LocalInsurerBooks
from shualian.assembly.insurer_platform import LocalInsurerPlatform
from shualian.assembly.insurer_side import InsurerSide, open_insurer_side
from shualian.assembly.tables import HOSPITAL_TABLES, INSURER_TABLES

__all__ = (
    "HOSPITAL_TABLES",
    "INSURER_TABLES",
    "HospitalSide",
    "House",
    "InsuredServices",
    "InsurerPorts",
    "InsurerSide",
    "LocalInsurerBooks",
    "LocalInsurerPlatform",
    "hospital_beside",
    "open_hospital_side",
    "open_house",
    "open_insurer_side",
)
