"""What the pages are built against is what the listeners answer."""

import json
from pathlib import Path

import pytest

from shualian.insurer.notices.store import load_notices, packaged_notices
from shualian.verification.failures.model import FAILURES
from shualian.web.contract import (
    notice_sentences,
    openapi_text,
    spoken_text,
    vectors_text,
)
from web.insurer import Listeners

WEB = Path(__file__).parents[2] / "web"
CONTRACT = WEB / "contract"
STALE = "stale: run `shualian contract web/contract` and `npm run types` in web/"


@pytest.mark.parametrize("name", ["terminal", "staff"])
def test_the_committed_document_is_the_listeners_own(
    lasting_listeners: Listeners, name: str
) -> None:
    listener = getattr(lasting_listeners, name)

    assert (CONTRACT / f"{name}.json").read_text("utf-8") == openapi_text(listener), STALE


def test_the_messages_of_the_capture_socket_are_in_the_document(
    lasting_listeners: Listeners,
) -> None:
    schemas = json.loads(openapi_text(lasting_listeners.terminal))["components"]["schemas"]

    assert {"OpenMessage", "EndMessage", "SeenMessage", "ResultMessage"} <= schemas.keys()


def test_the_committed_sentences_are_those_that_are_said() -> None:
    current = load_notices(packaged_notices()).current

    assert (CONTRACT / "spoken.json").read_text("utf-8") == spoken_text(
        FAILURES.values(), [current]
    ), STALE


def test_the_committed_vectors_are_what_a_terminal_signs() -> None:
    assert (CONTRACT / "vectors.json").read_text("utf-8") == vectors_text(), STALE


def test_a_notice_is_read_aloud_whole_without_the_name_of_a_place() -> None:
    notice = load_notices(packaged_notices()).current
    said = "".join(notice_sentences(notice).values())

    assert "{" not in said
    assert "电话" not in said
    assert f"{notice.facts.template_months} 个月" in said
    assert all(sentence.zh.split("，")[-1][-4:] in said for sentence in notice.safety)
