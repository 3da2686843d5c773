"""What is written for the pages, by itself; that it is committed is tried in tests/cli."""

from shualian.insurer.notices.store import load_notices, packaged_notices
from shualian.web.contract import notice_sentences, vectors_text


def test_the_vectors_are_the_same_every_time() -> None:
    assert vectors_text() == vectors_text()


def test_a_notice_is_read_aloud_whole_without_the_name_of_a_place() -> None:
    notice = load_notices(packaged_notices()).current
    said = "".join(notice_sentences(notice).values())

    assert "{" not in said
    assert "电话" not in said
    assert f"{notice.facts.template_months} 个月" in said
    assert all(sentence.zh.split("，")[-1][-4:] in said for sentence in notice.safety)
