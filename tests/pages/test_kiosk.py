"""The kiosk around a visit: idle, suspended, help, languages, sizes, and what a page may load."""

import httpx
import pytest
from playwright.sync_api import expect

from pages.audit import audit
from pages.kiosk import Kiosk, kiosk_in
from pages.world import World

NUMBER = "990000196203140"
HEARTBEATS_MAX = 20


def _typing(world: World, kiosk: Kiosk) -> None:
    """Somebody has typed most of a number and goes away."""
    kiosk.enrolled()
    kiosk.page.clock.install()
    kiosk.touch("start").at("home")
    kiosk.touch("task-activate").at("number").types(NUMBER)


def test_nobody_touches_then_everything_is_cleared(world: World) -> None:
    with kiosk_in(world) as kiosk:
        _typing(world, kiosk)
        kiosk.page.clock.fast_forward("01:01")
        expect(kiosk.part("idle")).to_contain_text("您还要继续办理吗？")
        audit(kiosk.page)
        kiosk.page.clock.fast_forward("00:21")
        kiosk.at("asleep")

        kept = kiosk.page.evaluate(
            "JSON.stringify([document.body.innerHTML, {...localStorage}, {...sessionStorage},"
            " location.href, history.length])"
        )
        assert NUMBER not in kept
        assert "•" not in kept
        kiosk.touch("start").at("home")
        kiosk.touch("task-activate").at("number")
        expect(kiosk.page.locator(".out-of-sight")).to_contain_text("已输入 0 位")
        assert kiosk.errors == []


def test_whoever_goes_on_keeps_what_was_typed(world: World) -> None:
    with kiosk_in(world) as kiosk:
        _typing(world, kiosk)
        kiosk.page.clock.fast_forward("01:01")
        kiosk.touch("idle-more")
        expect(kiosk.part("idle")).to_have_count(0)
        expect(kiosk.page.locator(".out-of-sight")).to_contain_text(f"已输入 {len(NUMBER)} 位")
        kiosk.page.clock.fast_forward("01:01")
        kiosk.touch("idle-stop").at("asleep")


def test_who_helps_another_is_given_twice_the_time(world: World) -> None:
    with kiosk_in(world) as kiosk:
        _typing(world, kiosk)
        kiosk.touch("helper")
        kiosk.page.clock.fast_forward("01:01")
        kiosk.page.clock.run_for(1000)
        expect(kiosk.part("idle")).to_have_count(0)
        kiosk.page.clock.fast_forward("01:00")
        expect(kiosk.part("idle")).to_be_visible()


def test_a_suspended_terminal_closes_and_opens_again_by_itself(world: World) -> None:
    with kiosk_in(world) as kiosk:
        kiosk.enrolled()
        terminal = kiosk.terminal_id
        kiosk.page.clock.install()
        kiosk.touch("start").at("home")
        world.suspend(terminal)
        closed = kiosk.page.locator("[data-at=closed]")
        kiosk.page.clock.run_for(61_000)
        for _ in range(HEARTBEATS_MAX):
            # A heartbeat that met a busy server is sent again some seconds later.
            kiosk.page.wait_for_timeout(500)
            if closed.count():
                break
            kiosk.page.clock.run_for(6_000)
        kiosk.at("closed")
        expect(kiosk.page.locator("[data-standing=suspended]")).to_contain_text("暂时不能用")
        audit(kiosk.page)
        world.resume(terminal)
        kiosk.page.clock.run_for(6_000)
        kiosk.at("asleep")
        assert kiosk.errors == []


def test_the_kiosk_remembers_who_it_is_after_a_restart(world: World) -> None:
    with kiosk_in(world) as kiosk:
        kiosk.enrolled()
        kiosk.page.reload()
        kiosk.at("asleep")


def test_a_wrong_code_is_refused_with_a_way_on(world: World) -> None:
    with kiosk_in(world) as kiosk:
        kiosk.open()
        kiosk.part("code").fill("0000-0000-0000-0000")
        kiosk.part("certificate").fill("BROWSER-0001")
        audit(kiosk.page)
        kiosk.touch("enrol")
        expect(kiosk.page.get_by_role("alert")).to_contain_text("登记码不对")


def test_where_nobody_can_be_rung_the_screen_does_not_say_that_somebody_comes(
    world: World,
) -> None:
    with kiosk_in(world) as kiosk:
        kiosk.enrolled()
        kiosk.touch("start").at("home")
        kiosk.touch("help").at("help")
        expect(kiosk.part("help-words")).to_contain_text("没有通知到工作人员")
        expect(kiosk.part("help-words")).not_to_contain_text("马上过来")
        kiosk.touch("back").at("home")


@pytest.mark.parametrize("size", [(1080, 1920), (1080, 1200), (1920, 1080)])
def test_both_languages_and_both_sizes_fit(world: World, size: tuple[int, int]) -> None:
    width, height = size
    with kiosk_in(world, width=width, height=height) as kiosk:
        kiosk.enrolled()
        kiosk.touch("start").at("home")
        audit(kiosk.page)
        kiosk.touch("size", "language")
        expect(kiosk.page.locator("h1")).to_contain_text("What would you like to do?")
        assert kiosk.page.evaluate("document.documentElement.lang") == "en"
        audit(kiosk.page)
        kiosk.touch("task-activate").at("number")
        audit(kiosk.page)
        kiosk.touch("low")
        audit(kiosk.page)
        kiosk.touch("home").at("home")
        kiosk.touch("safety").at("safety")
        expect(kiosk.page.locator("h2").first).to_contain_text("Who sees it")
        audit(kiosk.page)
        assert kiosk.errors == []
        assert kiosk.outside == []


def test_the_pages_may_load_nothing_from_outside_and_run_nothing_that_is_inline(
    world: World,
) -> None:
    answer = httpx.get(f"{world.origin}/kiosk/", trust_env=False)
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy.replace(world.origin.replace("http", "ws"), "")
    assert answer.headers["permissions-policy"].startswith("camera=(self)")
    assert "<script>" not in answer.text
    assert "style=" not in answer.text
