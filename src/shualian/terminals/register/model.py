"""Certified models and registered places: what they are and what is refused about them; pure."""

import csv
import io
import ipaddress
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NewType

from shualian.core.identifiers import InstitutionCode, StaffId
from shualian.core.refusals import Finality, Refused
from shualian.terminals.model import Place, TerminalClass, terminal_refusal

PlaceId = NewType("PlaceId", str)
SoftwareVersion = tuple[int, ...]
"""``1.20.3`` as ``(1, 20, 3)``, without zeros at its end, so that it is ordered."""
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

FENCE_M_MIN, FENCE_M_MAX = 10, 2_000
"""Radius of a coordinate fence: below, positions indoors miss it; above, it fences nothing."""
ACCURACY_M_MAX = 200.0
"""A position that is vaguer than this says nothing about a fence."""
PLACES_MAX = 500
LIST_BYTES_MAX = 256 * 1024
LIST_HEADER = (
    "name",
    "department",
    "latitude",
    "longitude",
    "fence_m",
    "terminal_class",
    "scenes",
    "mobile",
    "networks",
)

_EARTH_RADIUS_M = 6_371_008.8  # mean radius of the GRS 80 ellipsoid
_ACCURACY_CREDIT_M = 50.0
_TEXT_MAX = 60
_SCENES_MAX = 32
_NETWORKS_MAX = 16
# Begins with a letter, so that no number of a person can stand there.
_CERTIFICATE = re.compile(r"[A-Z][0-9A-Z._-]{0,63}")
_SCENE = re.compile(r"[0-9]{5}")
_VERSION = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6}){0,3}")

MODEL_UNKNOWN = terminal_refusal(
    "model_unknown",
    "这个型号没有医保检测认证",
    "This model is not on the register of certified models",
    "请使用经检测认证的型号，或联系医保局登记证书",
    "Use a certified model, or ask the insurer to register the certificate",
)
MODEL_EXPIRED = terminal_refusal(
    "model_expired",
    "这个型号的检测证书已经过期",
    "The certificate of this model has expired",
    "请联系厂家换证，或改用其他终端",
    "Ask the maker for a new certificate, or use another terminal",
)
MODEL_WITHDRAWN = terminal_refusal(
    "model_withdrawn",
    "这个型号的检测证书已被撤销",
    "The certificate of this model was withdrawn",
    "请停用这个型号，改用其他终端",
    "Stop using this model; use another terminal",
)
MODEL_INVALID = terminal_refusal(
    "model_invalid",
    "型号资料不完整、有误，或放宽了已有的要求",
    "The data of the model are incomplete, wrong, or looser than what was required before",
    "请核对厂家、型号、证书编号、有效期和软件版本",
    "Compare maker, model, certificate, validity and software versions",
)
MODEL_REGISTERED = terminal_refusal(
    "model_registered",
    "这张证书已经登记过",
    "This certificate is registered already",
    "需要延期请用换证登记",
    "To prolong it, renew it",
)
PLACE_INVALID = terminal_refusal(
    "place_invalid",
    "终端位置资料有误",
    "The data of the place are wrong",
    "请按提示改正这一项，整张清单都没有登记",
    "Correct the named item; nothing was registered",
)
PLACE_NOT_FOUND = terminal_refusal(
    "place_not_found",
    "没有这个位置，或它不属于本机构",
    "There is no such place, or it belongs to another institution",
    "请核对位置编号",
    "Compare the number of the place",
)
PLACE_DISAGREES = terminal_refusal(
    "place_disagrees",
    "终端报告的位置与登记的位置不一致",
    "The place that the terminal claims is not the one where it is registered",
    "请把终端放回登记的位置，或重新登记",
    "Put the terminal back to its place, or register the new one",
)
SCENE_NOT_ALLOWED = terminal_refusal(
    "scene_not_allowed",
    "这台终端不能办这项业务",
    "This terminal is not registered for this kind of business",
    "请到登记了这项业务的终端或窗口办理",
    "Use a terminal or a window that is registered for it",
)
SOFTWARE_OUTDATED = terminal_refusal(
    "software_outdated",
    "终端软件版本太旧",
    "The software of the terminal is too old",
    "请升级终端软件，或用旁边的终端",
    "Update the terminal's software, or use another terminal",
)
NETWORK_NOT_ALLOWED = terminal_refusal(
    "network_not_allowed",
    "终端不在医保专网登记的网段里",
    "The terminal calls from a network that is not on the allow-list",
    "请检查终端接的是不是登记的专线",
    "Check that the terminal is connected to its registered line",
    finality=Finality.TEMPORARY,
)

REFUSALS = (
    MODEL_UNKNOWN,
    MODEL_EXPIRED,
    MODEL_WITHDRAWN,
    MODEL_INVALID,
    MODEL_REGISTERED,
    PLACE_INVALID,
    PLACE_NOT_FOUND,
    PLACE_DISAGREES,
    SCENE_NOT_ALLOWED,
    SOFTWARE_OUTDATED,
    NETWORK_NOT_ALLOWED,
)


@dataclass(frozen=True, slots=True)
class CertifiedModel:
    """A model of terminals that passed the national test.

    Attributes:
        certificate: Its number: a capital letter, then up to 63 of ``A-Z 0-9 . _ -``.
        maker: Who makes it.
        model: As the maker calls it.
        terminal_class: The class it was tested for.
        valid_until: Last day, in China, on which the certificate holds.
        software_min: Older software is refused.
        software_current: Older software is at risk; never below ``software_min``.
        withdrawn_at: When the certificate was taken away.
    """

    certificate: str
    maker: str
    model: str
    terminal_class: TerminalClass
    valid_until: date
    software_min: SoftwareVersion
    software_current: SoftwareVersion
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Coordinates:
    """A point on the earth (WGS 84).

    Attributes:
        latitude: -90..90 degrees.
        longitude: -180..180 degrees.
    """

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class PlaceSpec:
    """A place for one terminal, as an administrator describes it.

    Attributes:
        place: Name and department.
        coordinates: Middle of the fence.
        fence_m: Its radius, 10..2,000 metres.
        terminal_class: Of the terminal that may stand there.
        scenes: 用码业务类型 for which it may be used, 5 digits each, at least one.
        mobile: Whether it is carried about; then each claim must bring a position.
        networks: Where it calls from; none: anywhere on the listener's allow-list.
    """

    place: Place
    coordinates: Coordinates
    fence_m: int
    terminal_class: TerminalClass
    scenes: frozenset[str]
    mobile: bool = False
    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class RegisteredPlace:
    """A place in the register.

    Attributes:
        place_id: Its number.
        institution: Whose it is.
        created_by: Who described it; may not approve the terminal that comes there.
        spec: What was described.
    """

    place_id: PlaceId
    institution: InstitutionCode
    created_by: StaffId
    spec: PlaceSpec


@dataclass(frozen=True, slots=True)
class Position:
    """Where a terminal believes to be.

    Attributes:
        coordinates: The point.
        accuracy_m: Radius in which it lies with 95 % (W3C Geolocation, 8.2), metres.
    """

    coordinates: Coordinates
    accuracy_m: float


@dataclass(frozen=True, slots=True)
class PlaceClaim:
    """What a terminal says about its place; consistent with the register at best, never proven.

    Attributes:
        place_id: The place that it was set up for.
        position: Where it is, when it can tell.
    """

    place_id: PlaceId
    position: Position | None = None


def parse_version(text: str) -> SoftwareVersion:
    """``1.20.3`` as numbers; up to four of up to six digits.

    Raises:
        Refused: ``terminals.model_invalid``.
    """
    if _VERSION.fullmatch(text) is None:
        raise Refused(MODEL_INVALID, item="software version")
    parts = [int(part) for part in text.split(".")]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def version_text(version: SoftwareVersion) -> str:
    """``(1, 20, 3)`` as ``1.20.3``."""
    return ".".join(map(str, version))


def check_new_model(model: CertifiedModel) -> None:
    """Check a model before it is registered.

    Raises:
        Refused: ``terminals.model_invalid`` with the item.
    """
    if _CERTIFICATE.fullmatch(model.certificate) is None:
        raise Refused(MODEL_INVALID, item="certificate")
    for item, text in (("maker", model.maker), ("model", model.model)):
        if not _is_plain(text):
            raise Refused(MODEL_INVALID, item=item)
    if model.software_current < model.software_min:
        raise Refused(MODEL_INVALID, item="software_current")
    if model.withdrawn_at is not None:
        raise Refused(MODEL_INVALID, item="withdrawn_at")


def check_model(model: CertifiedModel, *, on: date) -> None:
    """Check that terminals of this model may be used on a day in China.

    Raises:
        Refused: ``terminals.model_withdrawn`` or ``terminals.model_expired``.
    """
    # A withdrawal says more than an end of term, so it is told first.
    if model.withdrawn_at is not None:
        raise Refused(MODEL_WITHDRAWN, certificate=model.certificate)
    if on > model.valid_until:
        raise Refused(MODEL_EXPIRED, valid_until=model.valid_until.isoformat())


def check_software(model: CertifiedModel, version: SoftwareVersion) -> None:
    """Check that the software is not older than the model's least version.

    Raises:
        Refused: ``terminals.software_outdated`` with what was found and what is needed.
    """
    if version < model.software_min:
        found, needed = version_text(version), version_text(model.software_min)
        raise Refused(SOFTWARE_OUTDATED, found=found, needed=needed)


def tightened(
    model: CertifiedModel, *, software_min: SoftwareVersion, software_current: SoftwareVersion
) -> tuple[SoftwareVersion, SoftwareVersion]:
    """The versions to demand from now on; they only rise.

    Raises:
        Refused: ``terminals.model_invalid``.
    """
    if software_min < model.software_min or software_current < model.software_current:
        raise Refused(MODEL_INVALID, item="software version lowered")
    if software_current < software_min:
        raise Refused(MODEL_INVALID, item="software_current")
    return software_min, software_current


def check_place_spec(spec: PlaceSpec) -> None:
    """Check a place before it is registered.

    Raises:
        Refused: ``terminals.place_invalid`` with the item.
    """
    sound = {
        "name": _is_plain(spec.place.name),
        "department": _is_plain(spec.place.department),
        "coordinates": is_on_earth(spec.coordinates),
        "fence_m": FENCE_M_MIN <= spec.fence_m <= FENCE_M_MAX,
        "scenes": 1 <= len(spec.scenes) <= _SCENES_MAX and all(map(_SCENE.fullmatch, spec.scenes)),
        "networks": len(spec.networks) <= _NETWORKS_MAX,
    }
    for item, is_sound in sound.items():
        if not is_sound:
            raise Refused(PLACE_INVALID, item=item)


def is_on_earth(coordinates: Coordinates) -> bool:
    """Whether the numbers are a point: finite and in range."""
    latitude, longitude = coordinates.latitude, coordinates.longitude
    return -90 <= latitude <= 90 and -180 <= longitude <= 180  # NaN fails every comparison


def distance_m(one: Coordinates, other: Coordinates) -> float:
    """Great-circle distance in metres, haversine formula (Sinnott 1984); within 0.6 %."""
    phi, other_phi = math.radians(one.latitude), math.radians(other.latitude)
    half_phi = (other_phi - phi) / 2
    half_lambda = math.radians(other.longitude - one.longitude) / 2
    across = math.sin(half_phi) ** 2
    along = math.cos(phi) * math.cos(other_phi) * math.sin(half_lambda) ** 2
    return 2 * _EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(across + along)))


def check_place(place: RegisteredPlace, claim: PlaceClaim) -> None:
    """Check that a claim agrees with the register.

    A fixed terminal need not know its position; a mobile one must. Vagueness counts in the
    terminal's favour up to 50 m, so that nobody gets out of the fence by claiming a vague
    position.

    Raises:
        Refused: ``terminals.place_disagrees`` with what disagrees.
    """
    if claim.place_id != place.place_id:
        raise Refused(PLACE_DISAGREES, found="another place")
    if claim.position is None:
        if place.spec.mobile:
            raise Refused(PLACE_DISAGREES, found="no position")
        return
    _check_position(place.spec, claim.position)


def _check_position(spec: PlaceSpec, position: Position) -> None:
    if not is_on_earth(position.coordinates) or not 0 <= position.accuracy_m <= ACCURACY_M_MAX:
        raise Refused(PLACE_DISAGREES, found="position too vague")
    away_m = distance_m(spec.coordinates, position.coordinates)
    if away_m > spec.fence_m + min(position.accuracy_m, _ACCURACY_CREDIT_M):
        raise Refused(PLACE_DISAGREES, found="outside the fence", away_m=round(away_m))


def check_scene(place: RegisteredPlace, scene: str) -> None:
    """Check that the place is registered for a scene.

    Raises:
        Refused: ``terminals.scene_not_allowed``.
    """
    if scene not in place.spec.scenes:
        raise Refused(SCENE_NOT_ALLOWED)


def check_network(address: str, allowed: Iterable[Network]) -> None:
    """Check that an address lies in one of the networks; none allowed: nobody passes.

    Raises:
        Refused: ``terminals.network_not_allowed``; also for what is no address.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        raise Refused(NETWORK_NOT_ALLOWED) from None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped  # how a socket for both protocols shows an IPv4 caller
    if not any(found in network for network in allowed):
        raise Refused(NETWORK_NOT_ALLOWED)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks in CIDR form with blanks between them.

    Raises:
        Refused: ``terminals.place_invalid``.
    """
    try:
        return tuple(ipaddress.ip_network(part) for part in text.split())
    except ValueError:
        raise Refused(PLACE_INVALID, item="networks") from None


def parse_place_list(content: bytes) -> Sequence[PlaceSpec]:
    """Places from a list: CSV in UTF-8 with the header ``LIST_HEADER``, all or none.

    ``scenes`` and ``networks`` have blanks between their values; ``mobile`` is ``yes`` or ``no``.

    Raises:
        Refused: ``terminals.place_invalid`` with line (the header is line 1) and item; also for
            two places of one name in a department.
    """
    if len(content) > LIST_BYTES_MAX:
        raise Refused(PLACE_INVALID, item="list", found="too long")
    try:
        text = content.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise Refused(PLACE_INVALID, item="list", found="not CSV in UTF-8") from None
    if not rows or tuple(rows[0]) != LIST_HEADER:
        raise Refused(PLACE_INVALID, item="header", line=1)
    if not 1 <= len(rows) - 1 <= PLACES_MAX:
        raise Refused(PLACE_INVALID, item="list", places=len(rows) - 1, places_max=PLACES_MAX)
    specs = [_spec_of_row(line, row) for line, row in enumerate(rows[1:], start=2)]
    _refuse_twins(specs)
    return specs


def _spec_of_row(line: int, row: Sequence[str]) -> PlaceSpec:
    if len(row) != len(LIST_HEADER):
        raise Refused(PLACE_INVALID, item="columns", line=line)
    try:
        spec = _spec(dict(zip(LIST_HEADER, row, strict=True)))
        check_place_spec(spec)
    except Refused as refused:
        raise Refused(refused.kind, line=line, **refused.details) from None
    return spec


def _spec(row: Mapping[str, str]) -> PlaceSpec:
    return PlaceSpec(
        place=Place(name=row["name"].strip(), department=row["department"].strip()),
        coordinates=Coordinates(_number(row, "latitude"), _number(row, "longitude")),
        fence_m=_whole_number(row, "fence_m"),
        terminal_class=_terminal_class(row["terminal_class"].strip()),
        scenes=frozenset(row["scenes"].split()),
        mobile=_yes_or_no(row["mobile"].strip()),
        networks=parse_networks(row["networks"]),
    )


def _number(row: Mapping[str, str], item: str) -> float:
    try:
        return float(row[item])
    except ValueError:
        raise Refused(PLACE_INVALID, item=item) from None


def _whole_number(row: Mapping[str, str], item: str) -> int:
    text = row[item].strip()
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise Refused(PLACE_INVALID, item=item)
    return int(text)


def _terminal_class(text: str) -> TerminalClass:
    try:
        return TerminalClass(text)
    except ValueError:
        raise Refused(PLACE_INVALID, item="terminal_class") from None


def _yes_or_no(text: str) -> bool:
    if text not in {"yes", "no"}:
        raise Refused(PLACE_INVALID, item="mobile")
    return text == "yes"


def _refuse_twins(specs: Sequence[PlaceSpec]) -> None:
    seen: set[Place] = set()
    for line, spec in enumerate(specs, start=2):
        if spec.place in seen:
            raise Refused(PLACE_INVALID, item="name", found="twice in the list", line=line)
        seen.add(spec.place)


def _is_plain(text: str) -> bool:
    """Whether words for people are there, short, without control characters or blank ends."""
    return 0 < len(text) <= _TEXT_MAX and text.isprintable() and text == text.strip()
