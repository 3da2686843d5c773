"""Values of the gallery: template records, probes, candidates, limits and refusals."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from shualian.core.identifiers import TemplateId
from shualian.core.refusals import Finality, Helper, KindsOf, Refused
from shualian.face.model import Embedding

SubjectId = str
"""Whose a template is: a ``PersonNo`` or a ``StaffId``; the gallery does not look inside."""

HalfVector = NDArray[np.float16]
"""A protected template as it is stored and searched: 1-D, half precision, about unit length."""

PEOPLE_MAX = 50_000
"""People in one gallery: as far as an exact scan of every template is the right tool."""
TEMPLATES_PER_PERSON_MAX = 8
"""Templates of one person under one operational path."""
DIMENSION_MAX = 1020
"""Longest vector: 255 blocks of HKDF-SHA256 (RFC 5869, 2.3) hold 1020 numbers of 8 bytes."""
RECORD_VERSION = 1
"""Layout of a sealed vector: protection version 1, IEEE 754 binary16, little-endian."""

_LENGTH_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class EmbeddingPath:
    """An operational path whose embeddings a gallery takes.

    Attributes:
        path_id: As in ``Measurement.path_id``; vectors of two paths are never compared.
        dimension: Length of its vectors, 2..1020.

    Raises:
        ValueError: For a dimension out of range: a fault of the program's configuration.
    """

    path_id: str
    dimension: int

    def __post_init__(self) -> None:
        if not 2 <= self.dimension <= DIMENSION_MAX:
            raise ValueError(f"dimension {self.dimension} is not in 2..{DIMENSION_MAX}")


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A biometric probe (ISO/IEC 2382-37): the vector that is compared with templates.

    Attributes:
        embedding: Unit vector, unprotected.
        path_id: The operational path that made it.
    """

    embedding: Embedding = field(repr=False)
    path_id: str


@dataclass(frozen=True, slots=True)
class TemplateRecord:
    """One template as the database holds it.

    Attributes:
        template_id: Its identifier.
        subject: Whose it is.
        path_id: The operational path (calibration) of the vector.
        key_id: The protection key under which the vector was transformed.
        version: Layout of the sealed vector.
        quality: Quality of the capture, 0..100 (ISO/IEC 29794-1).
        enrolled_at: UTC.
        sealed: The protected vector, encrypted; bound to all the other attributes.
    """

    template_id: TemplateId
    subject: SubjectId
    path_id: str
    key_id: str
    version: int
    quality: int
    enrolled_at: datetime
    sealed: bytes = field(default=b"", repr=False)

    def sealing_context(self, gallery: str) -> bytes:
        """What the seal is bound to: a sealed vector moved to another record does not open."""
        moment = int(self.enrolled_at.timestamp() * 1_000_000)
        bound = [gallery, self.template_id, self.subject, self.path_id, self.key_id]
        return json.dumps([*bound, self.version, self.quality, moment]).encode()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer of a search.

    Attributes:
        subject: Who.
        template_id: The best of this subject's templates.
        score: Cosine with the probe, -1..1; half precision moves it by at most 5e-4.
    """

    subject: SubjectId
    template_id: TemplateId
    score: float


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild of the index found.

    Attributes:
        people: With at least one template that can be found now.
        templates: That can be found now.
        unreadable: Records whose seal does not open (altered or damaged): left out, never
            matched, kept in the database until their subject is deleted.
        other_paths: Records of operational paths that this gallery no longer uses: left out.
    """

    people: int
    templates: int
    unreadable: tuple[TemplateRecord, ...]
    other_paths: int


@dataclass(frozen=True, slots=True)
class DeletionReceipt:
    """Proof to the person that nothing was left in the stores that the gallery owns.

    It speaks of live stores. Copies that an operator made before (backups) hold the sealed form
    and end with their own retention.

    Attributes:
        subject: Whose templates.
        templates: How many were deleted; 0 when there were none.
        stores: The names of the stores from which they are gone.
        deleted_at: UTC.
    """

    subject: SubjectId
    templates: int
    stores: tuple[str, ...]
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """What a rotation did; the old key protects nothing of this gallery any more."""

    old_key_id: str
    new_key_id: str
    templates: int


def check_probe(probe: Probe, path: EmbeddingPath) -> None:
    """Accept only what may be compared under ``path``.

    Raises:
        Refused: ``gallery.path_unknown`` or ``gallery.embedding_invalid``.
    """
    if probe.path_id != path.path_id:
        raise Refused(PATH_UNKNOWN, found=probe.path_id, expected=path.path_id)
    shape = probe.embedding.shape
    if shape != (path.dimension,):
        raise Refused(EMBEDDING_INVALID, shape=str(shape), expected=path.dimension)
    length = float(np.linalg.norm(probe.embedding.astype(np.float64)))
    # Written so that a length which is not a number is refused too.
    if not abs(length - 1) <= _LENGTH_TOLERANCE:
        raise Refused(EMBEDDING_INVALID, length=length, expected=1)


def path_of(path_id: str, paths: Mapping[str, EmbeddingPath]) -> EmbeddingPath:
    """The path with this id.

    Raises:
        Refused: ``gallery.path_unknown``.
    """
    if path_id not in paths:
        raise Refused(PATH_UNKNOWN, found=path_id, expected=", ".join(paths))
    return paths[path_id]


def check_quality(quality: int) -> None:
    """Accept 0..100.

    Raises:
        Refused: ``gallery.quality_invalid``.
    """
    if not 0 <= quality <= 100:
        raise Refused(QUALITY_INVALID, found=quality)


def check_room(people: int, templates_of_subject: int, *, people_max: int = PEOPLE_MAX) -> None:
    """Accept one more template of a subject.

    Args:
        people: In the gallery, other than this subject.
        templates_of_subject: That this subject has under the path already.
        people_max: Limit of the gallery.

    Raises:
        Refused: ``gallery.full`` or ``gallery.too_many_templates``.
    """
    if people >= people_max:
        raise Refused(GALLERY_FULL, people_max=people_max)
    if templates_of_subject >= TEMPLATES_PER_PERSON_MAX:
        raise Refused(TOO_MANY_TEMPLATES, templates_max=TEMPLATES_PER_PERSON_MAX)


_kind = KindsOf("gallery").kind


GALLERY_FULL = _kind(
    "full",
    "人脸底库已满",
    "The gallery is full",
    "这次请用医保卡、医保码或证件办理；由医保部门扩容",
    "Use the card, the e-voucher or a document now; the insurer must enlarge the gallery",
    Helper.INSURER,
)
TOO_MANY_TEMPLATES = _kind(
    "too_many_templates",
    "这个人的人脸模板已够多",
    "This person has enough templates",
    "请改为更新已有的模板",
    "Replace a template instead of adding one",
    Helper.CLERK,
)
PATH_UNKNOWN = _kind(
    "path_unknown",
    "这份人脸特征不是用底库的模型算出来的",
    "The vector was not made by a path that this gallery uses",
    "请用底库正在使用的人脸模型重新采集",
    "Capture again with the face model that the gallery uses",
    Helper.TECHNICIAN,
)
EMBEDDING_INVALID = _kind(
    "embedding_invalid",
    "人脸特征数据不正确",
    "The vector is not a valid embedding",
    "请重新采集；再次出现请联系技术人员",
    "Capture again; if it comes back, ask a technician",
    Helper.TECHNICIAN,
)
QUALITY_INVALID = _kind(
    "quality_invalid",
    "图像质量分数不正确",
    "The quality is not in 0..100",
    "请重新采集；再次出现请联系技术人员",
    "Capture again; if it comes back, ask a technician",
    Helper.TECHNICIAN,
)
NOT_ENROLLED = _kind(
    "not_enrolled",
    "还没有登记人脸",
    "There is no template of this person",
    "请用医保卡、医保码或证件办理，也可以先登记人脸",
    "Use the card, the e-voucher or a document, or enrol first",
    Helper.CLERK,
)
TEMPLATE_UNKNOWN = _kind(
    "template_unknown",
    "找不到要更新的人脸模板",
    "This person has no such template",
    "模板可能已被更新或删除，请刷新后再试",
    "It may have been replaced or deleted; look again",
    Helper.CLERK,
)
TEMPLATE_UNREADABLE = _kind(
    "template_unreadable",
    "有人脸模板被改动或损坏",
    "A stored template was altered or damaged",
    "请检查数据库和密钥；受影响的人需要重新登记",
    "Inspect the database and the keys; those affected must enrol again",
    Helper.TECHNICIAN,
)
NOT_READY = _kind(
    "not_ready",
    "人脸底库正在准备",
    "The gallery is not ready",
    "请稍后再试，或用医保卡、医保码、证件办理",
    "Try again shortly, or use the card, the e-voucher or a document",
    Helper.TECHNICIAN,
    Finality.TEMPORARY,
)

REFUSALS = (
    GALLERY_FULL,
    TOO_MANY_TEMPLATES,
    PATH_UNKNOWN,
    EMBEDDING_INVALID,
    QUALITY_INVALID,
    NOT_ENROLLED,
    TEMPLATE_UNKNOWN,
    TEMPLATE_UNREADABLE,
    NOT_READY,
)
