"""Where the versions of the notice lie: TOML files in the package or in an operator's folder."""

from importlib.resources import files
from importlib.resources.abc import Traversable

from shualian.core.database import forbid_in_transaction
from shualian.core.refusals import Refused
from shualian.insurer.notices.model import Notice, Notices, parse_notice


def packaged_notices() -> Traversable:
    """The folder of the versions that come with the package."""
    return files(__package__) / "versions"


def load_notices(folder: Traversable) -> Notices:
    """All versions (``*.toml``) of a folder, checked.

    Raises:
        Refused: ``insurer.notice_invalid``; ``file`` names the file when one alone is wrong.
    """
    forbid_in_transaction("reading notice files")
    found = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return Notices(_checked(entry) for entry in found if entry.name.endswith(".toml"))


def _checked(entry: Traversable) -> Notice:
    try:
        return parse_notice(entry.read_text("utf-8"))
    except Refused as refused:
        raise Refused(refused.kind, file=entry.name, **refused.details) from None
