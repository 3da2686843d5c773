"""The stand-in without its server, a platform that it knows, and a clock to set."""

import secrets
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from shualian.core.clock import SettableClock
from shualian.core.id_number import SANDBOX_REGION, IdNumber, check_character
from shualian.core.identifiers import new_identifier
from shualian.face.engine import FaceEngine
from shualian.face.model import Picture
from shualian.gateway.police_registry.model import (
    COMPARISON_PATH,
    ComparisonAnswer,
    ComparisonBody,
    ReceivedAnswer,
    SentRequest,
    Verdict,
    believed_answer,
)
from shualian.sandbox.police_registry.server import open_registry
from shualian.sandbox.police_registry.service import StandInRegistry
from shualian.terminals.agent.model import sign_request
from shualian.terminals.requests.model import SignedRequest
from shualian.trust.signatures import Algorithm, SigningKey
from shualian.verification.registry.model import RegistryQuery

ORIGIN = "http://127.0.0.1:8609"
TARGET = ORIGIN + COMPARISON_PATH
START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
NAME = "张示例"


def fictional(born: str = "19620314", sequence: str = "018") -> str:
    body = f"{SANDBOX_REGION}{born}{sequence}"
    return body + check_character(body)


NUMBER = fictional()


def jpeg(picture: Picture) -> bytes:
    return cv2.imencode(".jpg", picture)[1].tobytes()


GREY = jpeg(np.full((480, 640, 3), 128, np.uint8))
"""A picture of nobody."""


def body_of(
    picture: bytes,
    *,
    number: str = NUMBER,
    name: str = NAME,
    request_id: str | None = None,
) -> bytes:
    query = RegistryQuery(request_id or new_identifier(), IdNumber(number), name, picture)
    return ComparisonBody.made(query).model_dump_json().encode()


class World:
    """Use it in a ``with`` block."""

    def __init__(self, folder: Path, engine: FaceEngine) -> None:
        self.folder = folder
        self.clock = SettableClock(START)
        self.platform = SigningKey.generate(Algorithm.ECDSA_P256_SHA256)
        self._engine = engine
        self._opened = ExitStack()
        self.registry: StandInRegistry

    def __enter__(self) -> Self:
        self.open()
        self.registry.admit(self.platform.public_key)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def open(self) -> None:
        self.registry = self._opened.enter_context(
            open_registry(self.folder, engine=self._engine, clock=self.clock, origin=ORIGIN)
        )

    def restart(self) -> None:
        """As after a stop of the process."""
        self._opened.close()
        self.open()

    def wait(self, span: timedelta) -> None:
        self.clock.set(self.clock.now() + span)

    def signed(
        self,
        body: bytes,
        *,
        key: SigningKey | None = None,
        target: str = TARGET,
        created: datetime | None = None,
    ) -> SignedRequest:
        fields = sign_request(
            key or self.platform,
            method="POST",
            target_uri=target,
            body=body,
            created=created or self.clock.now(),
            nonce=secrets.token_urlsafe(16),
        )
        return SignedRequest(
            method="POST",
            target_uri=TARGET,
            signature_input=[fields["signature-input"]],
            signature=[fields["signature"]],
            content_digest=[fields["content-digest"]],
            address="127.0.0.1",
            body=body,
        )

    def answer(self, body: bytes) -> ComparisonAnswer:
        """Ask, and believe the answer as the client does."""
        request = self.signed(body)
        given = self.registry.answer(request)
        sent = SentRequest("POST", TARGET, request.content_digest[0], request.signature[0])
        return believed_answer(
            ReceivedAnswer(200, given.headers, given.content),
            sent=sent,
            expected_request_id=ComparisonBody.model_validate_json(body).request_id,
            expected_key=self.registry.public_key,
            now=self.clock.now(),
        )

    def verdict(self, picture: bytes, *, number: str = NUMBER, name: str = NAME) -> Verdict:
        return self.answer(body_of(picture, number=number, name=name)).verdict
