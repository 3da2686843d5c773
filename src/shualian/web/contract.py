"""What the pages are built against: OpenAPI documents, and the sentences that are spoken.

Each is written to a file of ``web/contract`` and committed; a test says when one is stale.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from fastapi import FastAPI

from shualian.core.identifiers import SessionId
from shualian.insurer.notices.model import Notice
from shualian.terminals.enrolment.model import key_id_of, parse_code, possession_message
from shualian.terminals.requests.model import (
    content_digest_of,
    signature_base,
    signature_parameters,
)
from shualian.trust.model import Key
from shualian.trust.signatures import SigningKey
from shualian.verification.captures.model import Chain, end_statement, pack_frame
from shualian.verification.failures.model import ScanFailure

_TELEPHONE = re.compile(r"（电话 \{insurer_phone\}）")
_VECTOR_KEY = Key("web.vectors", 1, bytes(32))
"""Signs nothing anywhere; its public key and fingerprint are in the vectors."""
_ANYBODY = {"institution": "本医院", "insurer": "医保局"}


def openapi_text(listener: FastAPI) -> str:
    """The OpenAPI document of a listener, as it is committed.

    The messages of a capture's WebSocket are in it: they are the answer of its address to a GET.
    """
    return _text(listener.openapi())


def vectors_text() -> str:
    """What a terminal signs and chains for pinned inputs, so that the pages can be compared."""
    key, nonce = SigningKey.derive(_VECTOR_KEY, info=b"vectors"), "n" * 22
    key_id, body = key_id_of(key.public_key), '{"言":1}'.encode()
    created = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
    parameters = signature_parameters(key_id=key_id, created=created, nonce=nonce)
    base = signature_base(
        method="POST",
        target_uri="https://terminal.example:8443/terminal/v1/heartbeat",
        content_digest=content_digest_of(body),
        parameters=parameters,
    )
    code = parse_code("7K2M-9QXV-0H4T-C6PA")
    begun = Chain.begun(nonce)
    after, message = pack_frame(begun, b"\xff\xd8\xff frame")
    statement = end_statement(SessionId("01K0000000000000000000000A"), nonce=nonce, chain=after)
    return _text(
        {
            "public_key": key.public_key.raw.hex(),
            "key_id": key_id,
            "body": body.decode(),
            "content_digest": content_digest_of(body),
            "created": int(created.timestamp()),
            "nonce": nonce,
            "parameters": parameters,
            "base": base.decode(),
            "possession": possession_message(code, key.public_key).decode(),
            "chain_begun": begun.value.hex(),
            "frame_message": message.hex(),
            "end_statement": statement.decode(),
        }
    )


def spoken_text(failures: Iterable[ScanFailure], notices: Iterable[Notice]) -> str:
    """Every sentence by the name of its clip, as it is committed."""
    spoken = {each.clip: each.spoken.zh for each in failures}
    for notice in notices:
        spoken |= notice_sentences(notice)
    return _text(dict(sorted(spoken.items())))


def notice_sentences(notice: Notice) -> Mapping[str, str]:
    """What is read aloud of a notice; who handles the data is named on the screen alone.

    A clip is made ahead, and so it cannot name the hospital in which it is played.
    """
    clip = f"notice.{notice.version}"
    return {
        f"{clip}.spoken": _aloud(notice, [notice.spoken.zh]),
        f"{clip}.text": _aloud(notice, [each.zh for each in notice.clause]),
        f"{clip}.safety": _aloud(notice, [each.zh for each in notice.safety]),
    }


def _aloud(notice: Notice, sentences: Iterable[str]) -> str:
    text = _TELEPHONE.sub("", "".join(_ended(each) for each in sentences))
    facts = {name: str(value) for name, value in asdict(notice.facts).items()}
    for name, value in {**facts, **_ANYBODY}.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(("。", "？", "！")) else f"{sentence}。"


def _text(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
