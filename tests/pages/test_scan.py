"""The camera page: every hint, no camera, a refused one, a lost network; the camera is freed."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import WebSocketRoute, expect

from pages.audit import audit
from pages.kiosk import Kiosk, kiosk_in
from pages.scenes import FakeCamera
from pages.world import World
from shualian.sandbox.player import Scene


@pytest.fixture(scope="module")
def camera(world: World, tmp_path_factory: pytest.TempPathFactory) -> FakeCamera:
    return FakeCamera(tmp_path_factory.mktemp("scenes"), world.samples)


@pytest.fixture(scope="module")
def before_camera(world: World, camera: FakeCamera) -> Iterator[Kiosk]:
    """One browser with Chromium's own fake camera, whose scene is switched."""
    with kiosk_in(world, flags=camera.flags, camera=False) as kiosk:
        yield kiosk.enrolled()


def _to_scan(kiosk: Kiosk) -> None:
    kiosk.touch("start").at("home")
    kiosk.touch("task-matters", "tick-comparison", "agree").at("scan")


@pytest.mark.parametrize(
    ("scene", "hint"),
    [
        (Scene.NOBODY, "no_face"),
        (Scene.TWO_PEOPLE, "several_people"),
        (Scene.DARK, "too_dark"),
        (Scene.BACK_LIT, "back_lit"),
        (Scene.FAR, "too_far"),
        (Scene.CLOSE, "too_close"),
        (Scene.OFF_CENTRE, "off_centre"),
        (Scene.TURNED, "turn_front"),
        (Scene.GOOD, "hold_still"),
    ],
)
def test_each_scene_brings_its_hint(
    before_camera: Kiosk, camera: FakeCamera, scene: Scene, hint: str
) -> None:
    kiosk = before_camera
    camera.shows(scene)
    _to_scan(kiosk)
    expect(kiosk.page.locator(f"[data-hint={hint}]")).to_be_visible()
    audit(kiosk.page)
    words = kiosk.part("hint").inner_text()

    kiosk.touch("home").at("home")
    kiosk.page.reload()
    kiosk.at("asleep")
    assert words.strip()
    assert kiosk.errors == []


def test_off_the_middle_an_arrow_shows_to_which_own_side(
    before_camera: Kiosk, camera: FakeCamera
) -> None:
    kiosk = before_camera
    camera.shows(Scene.OFF_CENTRE)
    _to_scan(kiosk)
    expect(kiosk.page.locator(".arrow")).to_be_visible()
    side = "left" if kiosk.page.locator(".arrow.left").count() else "right"
    expect(kiosk.part("hint")).to_contain_text({"left": "往左", "right": "往右"}[side])
    kiosk.touch("home")
    kiosk.page.reload()
    kiosk.at("asleep")


def test_without_a_camera_another_way_is_offered(world: World) -> None:
    flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=device-count=0"]
    with kiosk_in(world, flags=flags, camera=False) as kiosk:
        kiosk.enrolled()
        _to_scan_and_fail(kiosk)
        assert kiosk.errors == []


def test_a_refused_permission_is_no_camera(world: World, camera: FakeCamera) -> None:
    flags = ["--deny-permission-prompts", *camera.device_flags]
    with kiosk_in(world, flags=flags, camera=False) as kiosk:
        kiosk.enrolled()
        _to_scan_and_fail(kiosk)
        assert kiosk.errors == []


def _to_scan_and_fail(kiosk: Kiosk) -> None:
    kiosk.touch("start").at("home")
    kiosk.touch("task-matters", "tick-comparison", "agree").at("refused")
    expect(kiosk.part("reason")).to_have_attribute("data-code", "no_camera")
    expect(kiosk.part("reason")).to_contain_text("摄像头打不开")
    audit(kiosk.page)
    kiosk.touch("exit-home").at("home")


def test_a_lost_network_is_told_and_the_scan_goes_on_when_it_is_back(world: World) -> None:
    """The person stays where she is: same consent, same camera, a new capture."""
    with kiosk_in(world) as kiosk:
        kiosk.enrolled()
        lost: list[WebSocketRoute] = []

        def cut_at_first(route: WebSocketRoute) -> None:
            lost.append(route)
            if len(lost) <= 2:
                route.close()
            else:
                route.connect_to_server()

        kiosk.page.route_web_socket(re.compile("/captures/stream$"), cut_at_first)
        _to_scan(kiosk)
        expect(kiosk.page.locator("[data-hint=network]")).to_be_visible()
        expect(kiosk.part("hint")).to_contain_text("网络不通")
        expect(kiosk.page.locator("[data-prompt=left], [data-prompt=right]")).to_be_visible()
        kiosk.cameras(1)
        assert len(lost) == 3
        kiosk.touch("home").at("home").cameras(0)


def test_without_network_the_kiosk_says_so_and_comes_back_by_itself(world: World) -> None:
    with kiosk_in(world) as kiosk:
        kiosk.enrolled()
        kiosk.page.context.set_offline(True)
        kiosk.touch("start").at("home")
        kiosk.touch("task-activate").at("number")
        kiosk.touch("step-back")
        expect(kiosk.page.locator("[data-at=home], [data-at=closed]")).to_be_visible()
        kiosk.page.context.set_offline(False)
        kiosk.at("home")


def test_the_camera_is_freed_on_every_way_out(world: World) -> None:
    with kiosk_in(world) as kiosk:
        kiosk.enrolled()
        for leave in ("home", "help", "other"):
            _to_scan(kiosk)
            kiosk.cameras(1)
            if leave == "other":
                kiosk.touch("other").at("window")
            else:
                kiosk.touch(leave)
            kiosk.cameras(0)
            kiosk.touch("home").at("home")
            kiosk.page.reload()
            kiosk.at("asleep")
