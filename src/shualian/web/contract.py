"""What the pages are built against: OpenAPI documents, and the sentences that are spoken.

Each is written to a file of ``web/contract`` and committed; a test says when one is stale.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from fastapi import FastAPI

from shualian.insurer.notices.model import Notice
from shualian.verification.failures.model import ScanFailure

_TELEPHONE = re.compile(r"（电话 \{insurer_phone\}）")
_ANYBODY = {"institution": "本医院", "insurer": "医保局"}


def openapi_text(listener: FastAPI) -> str:
    """The OpenAPI document of a listener, as it is committed.

    The messages of a capture's WebSocket are in it: they are the answer of its address to a GET.
    """
    return _text(listener.openapi())


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
