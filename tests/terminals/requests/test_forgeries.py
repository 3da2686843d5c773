"""Every forgery is refused with its own code and counted under its own name."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from shualian.core.database import SqliteDatabase
from shualian.core.mode import Mode
from shualian.core.refusals import RefusalKind, Refused
from shualian.terminals.agent.model import RotationBody
from shualian.terminals.model import (
    FACE_NOT_ALLOWED,
    SIMULATED_OUTSIDE_SANDBOX,
    TerminalClass,
    check_face_capture,
)
from shualian.terminals.register.model import (
    MODEL_EXPIRED,
    MODEL_WITHDRAWN,
    NETWORK_NOT_ALLOWED,
    PLACE_DISAGREES,
    SCENE_NOT_ALLOWED,
    SOFTWARE_OUTDATED,
    Coordinates,
    PlaceClaim,
    PlaceId,
    Position,
)
from shualian.terminals.requests.model import (
    BODY_ALTERED,
    KEY_RETIRED,
    KEY_UNKNOWN,
    NONCE_REPLAYED,
    SIGNATURE_FUTURE,
    SIGNATURE_MALFORMED,
    SIGNATURE_STALE,
    SIGNATURE_WRONG,
    SIGNED_BEFORE_START,
    TERMINAL_PENDING,
    TERMINAL_REVOKED,
    TERMINAL_SUSPENDED,
    RequestPurpose,
    SignedRequest,
    counter_name,
)
from shualian.terminals.requests.service import SignedRequests
from shualian.terminals.requests.store import MemoryNonces
from shualian.trust.signatures import SigningKey
from terminals.district import (
    ADMINISTRATOR,
    ALGORITHM_OF,
    HOSPITAL,
    LIMITS,
    NETWORKS,
    SUPERVISOR,
    Counters,
    Device,
    District,
    altered,
    place_spec,
    signed,
)

NATIVE = [TerminalClass.SCAN, TerminalClass.SCAN_FACE, TerminalClass.SCAN_FACE_PAY]


def refused_kind(work: Callable[[], object]) -> RefusalKind:
    with pytest.raises(Refused) as refused:
        work()
    return refused.value.kind


@pytest.mark.parametrize("terminal_class", [*NATIVE, TerminalClass.BROWSER])
def test_an_active_terminal_is_believed_with_the_algorithm_of_its_class(
    any_district: District, terminal_class: TerminalClass
) -> None:
    device = any_district.active(place_spec(terminal_class=terminal_class))
    verified = any_district.requests.verify(any_district.request(device))
    assert verified.terminal.terminal_id == device.terminal_id
    assert verified.terminal.institution == HOSPITAL
    assert verified.terminal.terminal_class is terminal_class
    assert verified.created == any_district.now()
    assert any_district.counters.counted == {}


def test_a_class_i_terminal_is_believed_but_cannot_open_a_face_capture(district: District) -> None:
    device = district.active(place_spec(terminal_class=TerminalClass.SCAN))
    terminal = district.requests.verify(district.request(device)).terminal
    assert (
        refused_kind(lambda: check_face_capture(terminal.terminal_class, mode=Mode.PRODUCTION))
        is FACE_NOT_ALLOWED
    )


def with_other_method(request: SignedRequest, _: Device) -> SignedRequest:
    return altered(request, method="PUT")


def with_other_target(request: SignedRequest, _: Device) -> SignedRequest:
    return altered(request, target_uri=request.target_uri + "&kind=other")


def at_other_service(request: SignedRequest, _: Device) -> SignedRequest:
    return altered(request, target_uri=request.target_uri.replace("insurer", "another"))


def with_other_body(request: SignedRequest, _: Device) -> SignedRequest:
    return altered(request, body=request.body.replace(b"01101", b"01301"))


def with_body_and_digest_changed(request: SignedRequest, device: Device) -> SignedRequest:
    other = signed(device.key, request_moment(request), body=b"{}")
    return altered(request, body=b"{}", content_digest=other.content_digest)


def with_signature_of_another_key(request: SignedRequest, device: Device) -> SignedRequest:
    thief = SigningKey.generate(device.key.public_key.algorithm)
    return altered(request, signature=signed(thief, request_moment(request)).signature)


def with_signature_of_another_request(request: SignedRequest, device: Device) -> SignedRequest:
    return altered(request, signature=signed(device.key, request_moment(request)).signature)


def with_later_creation(request: SignedRequest, _: Device) -> SignedRequest:
    moment = int(request_moment(request).timestamp())
    line = request.signature_input[0].replace(f"created={moment}", f"created={moment + 1}")
    assert line != request.signature_input[0]
    return altered(request, signature_input=[line])


def with_other_nonce(request: SignedRequest, _: Device) -> SignedRequest:
    line = request.signature_input[0]
    start = line.index('nonce="') + len('nonce="')
    letter = "A" if line[start] != "A" else "B"
    return altered(request, signature_input=[line[:start] + letter + line[start + 1 :]])


def from_unknown_key(request: SignedRequest, device: Device) -> SignedRequest:
    stranger = SigningKey.generate(device.key.public_key.algorithm)
    return signed(stranger, request_moment(request))


def with_an_algorithm_of_its_own_choice(request: SignedRequest, _: Device) -> SignedRequest:
    line = request.signature_input[0] + ';alg="ecdsa-p256-sha256"'
    return altered(request, signature_input=[line])


def without_the_body_covered(request: SignedRequest, _: Device) -> SignedRequest:
    line = request.signature_input[0].replace(' "content-digest"', "")
    return altered(request, signature_input=[line])


def without_a_signature(request: SignedRequest, _: Device) -> SignedRequest:
    return altered(request, signature=[])


def with_two_signatures(request: SignedRequest, _: Device) -> SignedRequest:
    return altered(request, signature=[request.signature[0], request.signature[0]])


def from_a_foreign_network(request: SignedRequest, _: Device) -> SignedRequest:
    return altered(request, address="192.0.2.9")


def from_no_address(request: SignedRequest, _: Device) -> SignedRequest:
    return altered(request, address="")


def request_moment(request: SignedRequest) -> datetime:
    text = request.signature_input[0].split("created=")[1].split(";")[0]
    return datetime.fromtimestamp(int(text), UTC)


FORGERIES: list[tuple[Callable[[SignedRequest, Device], SignedRequest], RefusalKind]] = [
    (with_other_method, SIGNATURE_WRONG),
    (with_other_target, SIGNATURE_WRONG),
    (at_other_service, SIGNATURE_WRONG),
    (with_other_body, BODY_ALTERED),
    (with_body_and_digest_changed, SIGNATURE_WRONG),
    (with_signature_of_another_key, SIGNATURE_WRONG),
    (with_signature_of_another_request, SIGNATURE_WRONG),
    (with_later_creation, SIGNATURE_WRONG),
    (with_other_nonce, SIGNATURE_WRONG),
    (from_unknown_key, KEY_UNKNOWN),
    (with_an_algorithm_of_its_own_choice, SIGNATURE_MALFORMED),
    (without_the_body_covered, SIGNATURE_MALFORMED),
    (without_a_signature, SIGNATURE_MALFORMED),
    (with_two_signatures, SIGNATURE_MALFORMED),
    (from_a_foreign_network, NETWORK_NOT_ALLOWED),
    (from_no_address, NETWORK_NOT_ALLOWED),
]


@pytest.mark.parametrize("terminal_class", [TerminalClass.SCAN_FACE_PAY, TerminalClass.BROWSER])
@pytest.mark.parametrize(("forge", "expected"), FORGERIES, ids=lambda value: str(value)[:40])
def test_a_forgery_is_refused_counted_and_uses_nothing_up(
    district: District,
    terminal_class: TerminalClass,
    forge: Callable[[SignedRequest, Device], SignedRequest],
    expected: RefusalKind,
) -> None:
    device = district.active(place_spec(terminal_class=terminal_class))
    request = district.request(device)
    assert refused_kind(lambda: district.requests.verify(forge(request, device))) is expected
    assert district.counters.counted == {counter_name(expected): 1}
    # The terminal's own request still passes: nobody else can use up its nonce.
    district.requests.verify(request)


def test_a_replay_is_refused_at_once_and_as_long_as_the_signature_is_fresh(
    district: District,
) -> None:
    request = district.request(district.active())
    district.requests.verify(request)
    assert refused_kind(lambda: district.requests.verify(request)) is NONCE_REPLAYED
    district.wait(timedelta(seconds=LIMITS.age_max_s))
    assert refused_kind(lambda: district.requests.verify(request)) is NONCE_REPLAYED
    district.wait(timedelta(seconds=1))
    assert refused_kind(lambda: district.requests.verify(request)) is SIGNATURE_STALE


def test_the_refusal_of_a_wrong_clock_tells_the_skew(district: District) -> None:
    device = district.active()
    slow = signed(device.key, district.now() - timedelta(seconds=61))
    fast = signed(device.key, district.now() + timedelta(seconds=6))
    with pytest.raises(Refused) as stale:
        district.requests.verify(slow)
    with pytest.raises(Refused) as future:
        district.requests.verify(fast)
    assert stale.value.kind is SIGNATURE_STALE
    assert stale.value.details["skew_s"] == -61
    assert future.value.kind is SIGNATURE_FUTURE
    assert future.value.details["skew_s"] == 6


@pytest.mark.parametrize("skew_s", [-60, 0, 5])
def test_a_clock_within_the_limits_is_good_enough(district: District, skew_s: int) -> None:
    device = district.active()
    district.requests.verify(signed(device.key, district.now() + timedelta(seconds=skew_s)))


def test_what_was_signed_before_the_start_of_the_nonce_store_is_refused(
    district: District,
) -> None:
    device = district.active()
    captured = signed(device.key, district.now() + timedelta(seconds=LIMITS.ahead_max_s))
    district.requests.verify(captured)
    restarted = after_restart(district)
    assert refused_kind(lambda: restarted.verify(district.request(device))) is SIGNED_BEFORE_START
    # Even what a fast clock had signed into the time after the start is remembered or refused.
    district.wait(timedelta(seconds=1))
    later = district.now() + timedelta(seconds=LIMITS.ahead_max_s)
    restarted.verify(signed(device.key, later))
    outcomes = {refused_kind(lambda: after_restart(district).verify(captured))}
    assert outcomes == {SIGNED_BEFORE_START}


def after_restart(district: District) -> SignedRequests:
    return SignedRequests(
        database=district.database,
        clock=district.clock,
        nonces=MemoryNonces(started_at=district.now(), limits=LIMITS),
        counter=Counters(),
        mode=Mode.PRODUCTION,
        networks=NETWORKS,
        limits=LIMITS,
    )


def test_a_terminal_is_refused_in_every_state_but_active_and_told_which(
    district: District,
) -> None:
    device = district.enrolled()
    requests = district.requests
    assert refused_kind(lambda: requests.verify(district.request(device))) is TERMINAL_PENDING
    district.approve(device)
    requests.verify(district.request(device))
    district.enrolments.suspend(actor=ADMINISTRATOR, terminal_id=device.terminal_id)
    assert refused_kind(lambda: requests.verify(district.request(device))) is TERMINAL_SUSPENDED
    district.enrolments.resume(actor=SUPERVISOR, terminal_id=device.terminal_id)
    requests.verify(district.request(device))
    district.enrolments.revoke(actor=SUPERVISOR, terminal_id=device.terminal_id)
    assert refused_kind(lambda: requests.verify(district.request(device))) is TERMINAL_REVOKED


def test_a_request_refused_while_suspended_does_not_pass_by_repetition_afterwards(
    district: District,
) -> None:
    device = district.active()
    district.enrolments.suspend(actor=SUPERVISOR, terminal_id=device.terminal_id)
    request = district.request(device)
    assert refused_kind(lambda: district.requests.verify(request)) is TERMINAL_SUSPENDED
    district.enrolments.resume(actor=SUPERVISOR, terminal_id=device.terminal_id)
    assert refused_kind(lambda: district.requests.verify(request)) is NONCE_REPLAYED


def test_who_holds_no_key_does_not_learn_the_state_of_a_terminal(district: District) -> None:
    device = district.enrolled()
    request = with_signature_of_another_key(district.request(device), device)
    assert refused_kind(lambda: district.requests.verify(request)) is SIGNATURE_WRONG


def test_a_withdrawn_model_is_refused_at_the_next_request(district: District) -> None:
    device = district.active()
    district.requests.verify(district.request(device))
    district.register.withdraw_model(actor=SUPERVISOR, certificate=device.certificate)
    assert (
        refused_kind(lambda: district.requests.verify(district.request(device))) is MODEL_WITHDRAWN
    )


def test_an_expired_model_is_refused_from_the_midnight_of_china(district: District) -> None:
    device = district.active()
    last_moment = district.now().replace(month=12, day=31, hour=15, minute=59, second=59)
    district.clock.set(last_moment)
    district.requests.verify(district.request(device))
    district.wait(timedelta(seconds=1))
    assert refused_kind(lambda: district.requests.verify(district.request(device))) is MODEL_EXPIRED
    district.register.renew_model(
        actor=SUPERVISOR, certificate=device.certificate, valid_until=date(2027, 12, 31)
    )
    district.requests.verify(district.request(device))


def test_old_software_is_refused_for_business_and_may_still_report(district: District) -> None:
    device = district.active()
    district.register.require_software(
        actor=SUPERVISOR,
        certificate=device.certificate,
        software_min=(2, 2),
        software_current=(2, 2),
    )
    with pytest.raises(Refused) as refused:
        district.requests.verify(district.request(device))
    assert refused.value.kind is SOFTWARE_OUTDATED
    assert refused.value.details == {"found": "2.1", "needed": "2.2"}
    district.requests.verify(district.request(device), purpose=RequestPurpose.UPKEEP)


def test_a_scene_that_the_place_is_not_registered_for_is_refused(district: District) -> None:
    device = district.active()
    verified = district.requests.verify(district.request(device))
    district.requests.check_business(verified, scene="01301", claim=device.claim())

    def other_scene() -> None:
        district.requests.check_business(verified, scene="01302", claim=device.claim())

    assert refused_kind(other_scene) is SCENE_NOT_ALLOWED
    assert district.counters.counted == {"terminals_scene_not_allowed_total": 1}


@pytest.mark.parametrize(
    "position",
    [
        None,
        Position(Coordinates(39.9042, 116.4074), accuracy_m=10),
        Position(Coordinates(39.9050, 116.4074), accuracy_m=10),
        Position(Coordinates(39.9053, 116.4074), accuracy_m=50),
    ],
)
def test_a_claim_inside_the_fence_agrees(district: District, position: Position | None) -> None:
    device = district.active()
    verified = district.requests.verify(district.request(device))
    district.requests.check_business(verified, scene="01101", claim=device.claim(position))


@pytest.mark.parametrize(
    "position",
    [
        Position(Coordinates(39.9042, 116.4100), accuracy_m=10),
        Position(Coordinates(40.9042, 116.4074), accuracy_m=200),
        Position(Coordinates(39.9062, 116.4074), accuracy_m=200),
        Position(Coordinates(39.9042, 116.4074), accuracy_m=201),
        Position(Coordinates(39.9042, 116.4074), accuracy_m=float("nan")),
        Position(Coordinates(float("nan"), 116.4074), accuracy_m=1),
        Position(Coordinates(39.9042, 116.4074), accuracy_m=-1),
    ],
)
def test_a_claim_outside_the_fence_or_too_vague_disagrees(
    district: District, position: Position
) -> None:
    device = district.active()
    verified = district.requests.verify(district.request(device))

    def outside() -> None:
        district.requests.check_business(verified, scene="01101", claim=device.claim(position))

    assert refused_kind(outside) is PLACE_DISAGREES


def test_a_claim_of_another_place_disagrees(district: District) -> None:
    device = district.active()
    other = district.active(place_spec("一层大厅 2 号机"))
    verified = district.requests.verify(district.request(device))

    def elsewhere() -> None:
        claim = PlaceClaim(PlaceId(other.place_id))
        district.requests.check_business(verified, scene="01101", claim=claim)

    assert refused_kind(elsewhere) is PLACE_DISAGREES


def test_a_mobile_terminal_must_say_where_it_is(district: District) -> None:
    device = district.active(place_spec(mobile=True))
    verified = district.requests.verify(district.request(device))

    def silent() -> None:
        district.requests.check_business(verified, scene="01101", claim=device.claim())

    assert refused_kind(silent) is PLACE_DISAGREES


def test_the_network_is_asked_before_anything_is_read(district: District) -> None:
    district.requests.check_network("10.20.255.1")
    district.requests.check_network("::ffff:10.20.0.7")
    district.requests.check_network("fd00:20::1")
    for address in ("10.21.0.1", "::ffff:10.21.0.1", "fd00:21::1", "terminal", "", "10.20.0.7 "):
        assert refused_kind(partial(district.requests.check_network, address)) is (
            NETWORK_NOT_ALLOWED
        )
    assert district.counters.counted == {"terminals_network_not_allowed_total": 6}


def test_without_an_allow_list_nobody_passes(district: District) -> None:
    closed = SignedRequests(
        database=district.database,
        clock=district.clock,
        nonces=MemoryNonces(started_at=district.now(), limits=LIMITS),
        counter=Counters(),
        mode=Mode.PRODUCTION,
        networks=(),
        limits=LIMITS,
    )
    assert refused_kind(lambda: closed.check_network("10.20.0.7")) is NETWORK_NOT_ALLOWED


def test_a_terminal_that_calls_from_the_network_of_another_place_is_refused(
    district: District,
) -> None:
    device = district.active(place_spec(networks="10.20.5.0/24"))
    request = district.request(device)
    assert refused_kind(lambda: district.requests.verify(request)) is NETWORK_NOT_ALLOWED
    district.requests.verify(signed(device.key, district.now(), address="10.20.5.9"))


def test_a_simulated_terminal_passes_in_the_sandbox_only(sqlite_database: SqliteDatabase) -> None:
    sandbox = District(sqlite_database, mode=Mode.SANDBOX)
    sandbox.register_models()
    device = sandbox.active(place_spec(terminal_class=TerminalClass.SIMULATED))
    sandbox.requests.verify(sandbox.request(device))
    production = District(sqlite_database, mode=Mode.PRODUCTION)
    assert (
        refused_kind(lambda: production.requests.verify(sandbox.request(device)))
        is SIMULATED_OUTSIDE_SANDBOX
    )


def test_a_replaced_key_is_refused(district: District) -> None:
    device = district.active()
    new_key = SigningKey.generate(ALGORITHM_OF[TerminalClass.SCAN_FACE_PAY])
    district.enrolments.rotate_key(RotationBody.made(device.key, new_key).request())
    assert refused_kind(lambda: district.requests.verify(district.request(device))) is KEY_RETIRED
    district.requests.verify(signed(new_key, district.now()))


def test_a_store_that_cannot_answer_refuses(sqlite_database: SqliteDatabase) -> None:
    district = District(sqlite_database)
    district.register_models(TerminalClass.SCAN_FACE_PAY)
    device = district.active()
    request = district.request(device)
    sqlite_database.close()
    with pytest.raises(Refused):
        district.requests.verify(request)
