"""Where policies and catalogues lie: TOML files in the package or in an operator's folder."""

from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TypeVar

from shualian.core.database import forbid_in_transaction
from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.insurer.benefits.catalogue import Catalogue, CatalogueBook, parse_catalogue
from shualian.insurer.benefits.model import Policy
from shualian.insurer.benefits.policy import PolicyBook, parse_policy

T = TypeVar("T")


def packaged_policies() -> Traversable:
    """The folder of the illustrative policies that come with the package."""
    return files(__package__) / "policies"


def packaged_catalogues() -> Traversable:
    """The folder of the illustrative catalogues that come with the package."""
    return files(__package__) / "catalogues"


def load_policies(folder: Traversable, *, mode: Mode = Mode.SANDBOX) -> PolicyBook:
    """All policies (``*.toml``) of a folder, checked one by one and against each other.

    In production an illustration is left out, as if the file were not there: it is the law of no
    place, and a text for a sample region is always an illustration.

    Raises:
        Refused: ``insurer.policy_invalid``; ``file`` names the file when one alone is wrong.
    """
    policies = [_checked(name, text, parse_policy) for name, text in _texts(folder)]
    return PolicyBook([policy for policy in policies if _may_hold(policy, mode)])


def load_catalogues(folder: Traversable, *, mode: Mode = Mode.SANDBOX) -> CatalogueBook:
    """All catalogues (``*.toml``) of a folder, checked; illustrations as in ``load_policies``.

    Raises:
        Refused: ``insurer.policy_invalid``; ``file`` names the file when one alone is wrong.
    """
    found = [_checked(name, text, parse_catalogue) for name, text in _texts(folder)]
    return CatalogueBook([text for text in found if _may_hold(text, mode)])


def _may_hold(text: Policy | Catalogue, mode: Mode) -> bool:
    return mode is Mode.SANDBOX or not text.illustrative


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
