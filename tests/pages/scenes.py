"""Videos for Chromium's own fake camera, and a link that says which one is seen."""

from collections.abc import Mapping
from pathlib import Path

from shualian.sandbox.player import Actor, FaceVideo, Scene
from shualian.sandbox.samples import SamplePicture

FRAMES = 45
"""Three seconds as they were drawn; Chromium plays any such file at 30 frames a second, again
and again."""


class FakeCamera:
    """Scenes as MJPEG files (frames one after the other), made when they are first asked for."""

    def __init__(self, folder: Path, samples: Mapping[str, SamplePicture]) -> None:
        self._folder = folder
        self._actor = Actor.of(samples["president_a_1"])
        self._bystander = Actor.of(samples["astronaut_1"])
        self.link = folder / "seen.mjpeg"
        self.shows(Scene.GOOD)

    @property
    def flags(self) -> list[str]:
        """For a browser that allows the camera without asking."""
        return ["--use-fake-ui-for-media-stream", *self.device_flags]

    @property
    def device_flags(self) -> list[str]:
        return [
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={self.link}",
        ]

    def shows(self, scene: Scene) -> None:
        """What is seen from the next opening of the camera on."""
        file = self._folder / f"{scene.value}.mjpeg"
        if not file.exists():
            video = FaceVideo(self._actor, scene, seed=3, bystander=self._bystander)
            file.write_bytes(b"".join(video.encoded_frames(FRAMES)))
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(file)
