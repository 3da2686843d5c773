"""Where policies and catalogues lie: TOML files in the package or in an operator's folder."""

from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeVar

from shualian.core.database import forbid_in_transaction
from shualian.core.refusals import Refused
from shualian.insurer.benefits.catalogue import CatalogueBook, parse_catalogue
from shualian.insurer.benefits.policy import PolicyBook, parse_policy

T = TypeVar("T")


def packaged_policies() -> Traversable:
    """The folder of the illustrative policies that come with the package."""
    return files(__package__) / "policies"


def packaged_catalogues() -> Traversable:
    """The folder of the illustrative catalogues that come with the package."""
    return files(__package__) / "catalogues"


def load_policies(folder: Traversable) -> PolicyBook:
    """All policies (``*.toml``) of a folder, checked one by one and against each other.

    Raises:
        Refused: ``insurer.policy_invalid``; ``file`` names the file when one alone is wrong.
    """
    return PolicyBook([_checked(name, text, parse_policy) for name, text in _texts(folder)])


def load_catalogues(folder: Traversable) -> CatalogueBook:
    """All catalogues (``*.toml``) of a folder, checked.

    Raises:
        Refused: ``insurer.policy_invalid``; ``file`` names the file when one alone is wrong.
    """
    return CatalogueBook([_checked(name, text, parse_catalogue) for name, text in _texts(folder)])


def _texts(folder: Traversable) -> list[tuple[str, str]]:
    forbid_in_transaction("reading policy files")
    found = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return [
        (entry.name, entry.read_text("utf-8")) for entry in found if entry.name.endswith(".toml")
    ]


def _checked(name: str, text: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text)
    except Refused as refused:
        raise Refused(refused.kind, file=name, **refused.details) from None
