"""Loads the sample province into a new data folder, with the settings that serve it."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from shualian.assembly import House, open_house
from shualian.core.clock import CHINA, Clock, SettableClock, business_date
from shualian.core.identifiers import InstitutionCode, PersonNo, TerminalId
from shualian.core.mode import Mode
from shualian.core.money import Fen
from shualian.core.refusals import Finality, Helper, RefusalKind, Refused
from shualian.core.settings import HospitalSettings, Settings
from shualian.face.engine import FaceEngine
from shualian.face.weights.source import WeightSource
from shualian.hospital.wallet.model import PayerRef
from shualian.sandbox.ewallet.model import Terms
from shualian.sandbox.ewallet.server import open_wallet
from shualian.sandbox.police_registry.server import open_registry, put_people
from shualian.sandbox.province.cast import FACES, PLAYERS
from shualian.sandbox.province.history import Visitor, play_history
from shualian.sandbox.province.hospital import (
    DAYS_AHEAD,
    PASSPHRASE,
    Opened,
    open_accounts,
    set_up,
)
from shualian.sandbox.province.insurer import (
    LoadedPeople,
    contract,
    install_terminals,
    register_doctors,
    settle_people,
)
from shualian.sandbox.province.model import PEOPLE, Province, SampleHospital, sample_province
from shualian.sandbox.samples import sample_pictures
from shualian.terminals.agent.store import AgentFolder

SETTINGS_FILE = "sandbox.toml"
PROVINCE_FILE = "province.json"
PORTS = 40
"""So many in a row hold every listener of the province."""
_NOWHERE = "http://127.0.0.1:1"
_WALLET_MONEY = Fen(2_000_00)
_WALLET_LIMITS = (Fen(800_00), Fen(3_000_00))
_AGREED_FOR = timedelta(days=365)

PROVINCE_LOADED = RefusalKind(
    code="sandbox.province_loaded",
    zh="这个数据目录里已经有数据",
    en="There is data in this folder already",
    next_zh="换一个空目录，或先删掉它",
    next_en="Use another folder, or delete this one first",
    helper=Helper.TECHNICIAN,
    finality=Finality.FINAL,
)
REFUSALS = (PROVINCE_LOADED,)


@dataclass(frozen=True, slots=True)
class Ports:
    """On which loopback ports everything listens.

    Attributes:
        first: Of the insurer; the others follow it.
    """

    first: int

    def at(self, place: int) -> str:
        """The origin of the listener at a place."""
        return f"http://localhost:{self.first + place}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded, for whoever plays in it; names no person.

    Attributes:
        settings_file: What `shualian serve` is started with.
        terminals: Folders of the simulated terminals, by institution and place.
        people: What happened to the people.
    """

    settings_file: Path
    terminals: Mapping[InstitutionCode, Mapping[str, Path]]
    people: LoadedPeople


Tell = Callable[[str], None]


def load_province(
    folder: Path,
    *,
    seed: int,
    clock: Clock,
    people: int = PEOPLE,
    history_days: int = 0,
    ports: Ports | None = None,
    tell: Tell = lambda _: None,
) -> Loaded:
    """Load the province of a seed into a folder that holds no data yet.

    Everything goes through the use cases of both halves; the stand-ins keep their own folders.

    Args:
        folder: New or empty.
        seed: Of names, numbers and money.
        clock: For moments and business days.
        people: Insured persons beside those with a face.
        history_days: Days before today on which people came.
        ports: Where the listeners will be.
        tell: Is told of each part that is done.

    Raises:
        Refused: ``sandbox.province_loaded``; what refuses weights, samples or databases.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Refused(PROVINCE_LOADED)
    province = sample_province(seed, people=people)
    settings = settings_of(folder, province.hospitals, ports or Ports(8443))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    days = _days(business_date(clock.now()), history_days)
    # What is loaded was there before its history: its clock begins with the first day.
    past = SettableClock(datetime.combine(days[0], time(), CHINA))
    then = past if history_days else clock
    with ExitStack() as opened:
        # Nobody is asked while loading; the notice promises a registry and a listener checks it.
        house = open_house(opened, settings, mode=Mode.SANDBOX, clock=then)
        loaded, hospitals = _load(house, province, folder, then, days, tell)
        if history_days:
            visits = _play(house, hospitals, province, loaded, days[:history_days], past)
            tell(f"过去 {history_days} 天在三家机构就诊 {visits} 次，凭身份证或医保码，没有人刷脸")
    _stand_ins(folder, clock, loaded)
    tell("替身：公安人口信息里有示例照片，电子支付账户里有演练用的钱")
    file = folder / SETTINGS_FILE
    file.write_text(_toml(settings), encoding="utf-8")
    _write_province(folder, seed, hospitals)
    return Loaded(file, {each.sample.code: each.terminals for each in hospitals}, loaded)


def settings_of(folder: Path, hospitals: Sequence[SampleHospital], ports: Ports) -> Settings:
    """The settings of the province; each hospital has listeners of its own.

    No database and no outside party of the operator's own settings is touched.
    """
    return Settings(
        data_dir=folder,
        insurer_database_url=None,
        audit_checkpoints_dir=None,
        registry_url=None,
        ewallet_url=None,
        terminal_origin=ports.at(0),
        channel_origin=ports.at(1),
        staff_origin=ports.at(2),
        registry_stand_in_port=ports.first + 3,
        ewallet_stand_in_port=ports.first + 4,
        hospitals=tuple(
            HospitalSettings(
                code=each.code,
                name=each.institution.name,
                name_en=each.name_en,
                terminal_origin=ports.at(10 * place),
                staff_origin=ports.at(10 * place + 1),
                wallet_news_origin=ports.at(10 * place + 2).replace("localhost", "127.0.0.1"),
            )
            for place, each in enumerate(hospitals, start=1)
        ),
    )


def _days(today: date, past: int) -> Sequence[date]:
    """Past days and coming ones, today among them."""
    return [today + timedelta(days=each) for each in range(-past, DAYS_AHEAD)]


def _play(
    house: House,
    hospitals: Sequence[Opened],
    province: Province,
    people: LoadedPeople,
    days: Sequence[date],
    clock: SettableClock,
) -> int:
    visitors = [
        Visitor(psn_no, resident.person.id_number, psn_no in people.regulars)
        for psn_no, resident in zip(people.residents, province.residents, strict=True)
    ]
    return play_history(house.insurer, hospitals, visitors, days, clock=clock, seed=province.seed)


def _load(
    house: House,
    province: Province,
    folder: Path,
    clock: Clock,
    days: Sequence[date],
    tell: Tell,
) -> tuple[LoadedPeople, Sequence[Opened]]:
    insurer = house.insurer
    contract(insurer, province)
    people = settle_people(insurer, province, clock)
    tell(
        f"参保人 {len(people.residents) + len(people.players)} 人，两个参保地；"
        f"其中 {len(people.regulars)} 人留有特征（随机向量，不是人脸）"
    )
    made: list[Opened] = []
    for hospital, sample in zip(house.hospitals, province.hospitals, strict=True):
        folders = install_terminals(insurer, sample, folder / "terminals" / sample.code)
        accounts = open_accounts(hospital, sample)
        numbers = {name: _number(at) for name, at in folders.items()}
        set_up(hospital, sample, accounts, numbers, days)
        made.append(Opened(hospital, sample, accounts, folders))
        register_doctors(insurer, sample)
        for player in PLAYERS:
            hospital.agreements.link(
                psn_no=people.players[player.person.name],
                payer=payer_of(people.players[player.person.name]),
            )
        tell(
            f"{sample.institution.name}：{len(sample.departments)} 个科室，"
            f"{len(sample.doctors)} 位医生，{len(folders)} 台终端"
        )
    return people, made


def payer_of(psn_no: PersonNo) -> PayerRef:
    """The fictional e-payment account of a sample person."""
    return PayerRef(f"SANDBOX-{psn_no[-12:]}")


def _stand_ins(folder: Path, clock: Clock, people: LoadedPeople) -> None:
    engine = FaceEngine(WeightSource(None))
    registry = open_registry(
        folder / "police-registry", engine=engine, clock=clock, origin=_NOWHERE
    )
    with registry as opened:
        put_people(opened, [player.person for player in FACES], sample_pictures())
    now = clock.now()
    terms = Terms(*_WALLET_LIMITS, now - timedelta(days=1), now + _AGREED_FOR)
    with open_wallet(folder / "e-wallet", clock=clock, origin=_NOWHERE) as wallet:
        for psn_no in people.players.values():
            wallet.open_account(payer_of(psn_no), last_four="1234", balance=_WALLET_MONEY)
            wallet.agree(payer_of(psn_no), terms)


def _number(folder: Path) -> TerminalId:
    return AgentFolder(folder, mode=Mode.SANDBOX).identity().terminal_id


def _write_province(folder: Path, seed: int, hospitals: Sequence[Opened]) -> None:
    known = {
        "sample_data": "演练用的示例数据，没有真人 / sample data for the sandbox, no real people",
        "seed": seed,
        "passphrase_of_sample_accounts": PASSPHRASE,
        "passkeys_of_sample_administrators": {
            each.sample.code: each.accounts.passkey.saved() for each in hospitals
        },
        "terminals": {
            each.sample.code: {
                name: str(at.relative_to(folder)) for name, at in each.terminals.items()
            }
            for each in hospitals
        },
    }
    text = json.dumps(known, ensure_ascii=False, indent=2)
    (folder / PROVINCE_FILE).write_text(text, encoding="utf-8")


def _toml(settings: Settings) -> str:
    """The settings as a file; only what differs from the defaults."""
    own = settings.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    hospitals = own.pop("hospitals")
    lines = ["# 演练用的示例数据，没有真人。Sample data for the sandbox: no real people."]
    lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in own.items()]
    for hospital in hospitals:
        lines += ["", "[[hospitals]]"]
        lines += [
            f"{name} = {json.dumps(value, ensure_ascii=False)}"
            for name, value in hospital.items()
            if value is not None
        ]
    return "\n".join(lines) + "\n"
