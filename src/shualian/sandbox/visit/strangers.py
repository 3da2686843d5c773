"""Who is refused at a machine: somebody whom nobody knows, and a screen that shows a face."""

from shualian.sandbox.player import Actor
from shualian.sandbox.presentation_attacks import AttackKind, simulate
from shualian.sandbox.province.cast import STRANGER
from shualian.sandbox.simulated_person import does_nothing
from shualian.sandbox.steps import VisitWentWrong, expect
from shualian.sandbox.visit.faces import NOT_LIVE_CODE, FaceFinder
from shualian.sandbox.visit.kiosk import EXPECTED
from shualian.sandbox.visit.stage import HALL_2, Stage
from shualian.sandbox.visit.story import Done, Visit
from shualian.verification.captures.model import RefusedMessage, ResultMessage, TypedNumberBody
from shualian.verification.model import Scene


class Strangers:
    """Tries at the other machine in the hall."""

    def __init__(self, stage: Stage, finder: FaceFinder, *, seed: int) -> None:
        self._stage = stage
        self._finder = finder
        self._seed = seed
        self._terminal = stage.terminal(HALL_2)

    def unknown(self) -> Done:
        """Nobody among those expected today: nothing is done, and who it may be is not guessed."""
        faces = self._stage.faces
        person = faces.person(STRANGER)
        scan = faces.scan(self._terminal, person, scene=Scene.REGISTRATION, look_for=EXPECTED)
        answer = scan.answer
        if not isinstance(answer, ResultMessage) or answer.unknown is None:
            raise VisitWentWrong(f"expected nobody, found {scan.told}")
        expect(answer.person is None, "nobody", "a person")
        return Done(
            f"陌生人刷脸（{scan.frames} 帧）：没有认出（{answer.unknown.value}），什么都没有办；"
            "可以改用医保码、医保卡或身份证"
        )

    def screen(self, visit: Visit) -> Done:
        """A screen with the patient's face, held still before the camera."""
        faces = self._stage.faces
        shown = simulate(
            faces.picture(visit.player.seen), AttackKind.SCREEN_BEZEL_VISIBLE, self._seed
        )
        held = faces.instrument(Actor(shown, self._finder(shown)), does_nothing)
        look_for = TypedNumberBody(kind="typed_number", id_number=visit.id_number)
        scan = faces.scan(
            self._terminal, held, scene=Scene.REGISTRATION, look_for=look_for, tries=1
        )
        answer = scan.answer
        if not isinstance(answer, RefusedMessage) or answer.code != NOT_LIVE_CODE:
            raise VisitWentWrong(f"expected {NOT_LIVE_CODE}, found {scan.told}")
        return Done(
            f"屏幕翻拍（模拟的攻击，{scan.frames} 帧）被拒绝：{answer.message.zh}（{answer.code}）"
        )
