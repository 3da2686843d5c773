"""Signatures: standard vectors hold, what was signed verifies, and nothing else does."""

import base64
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from shualian.core.mode import Mode
from shualian.core.refusals import Refused
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.model import Key
from shualian.trust.signatures import Algorithm, PublicKey, SigningKey, sm3, verify

P256, SM2 = Algorithm.ECDSA_P256_SHA256, Algorithm.SM2_SM3
KEYS = {algorithm: SigningKey.generate(algorithm) for algorithm in Algorithm}
BOTH = pytest.mark.parametrize("algorithm", Algorithm)

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def refusal_of_raw(algorithm: Algorithm, raw: bytes) -> str:
    with pytest.raises(Refused) as refused:
        PublicKey(algorithm, raw)
    return refused.value.kind.code


# Standard vectors


GB_32918_5_KEY = PublicKey(
    SM2,
    bytes.fromhex(
        "04"
        "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
        "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
    ),
)
GB_32918_5_SIGNATURE = bytes.fromhex(
    "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
    "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
)


def test_sm2_verifies_the_example_of_gb_t_32918_5_and_refuses_a_changed_message() -> None:
    assert verify(GB_32918_5_KEY, b"message digest", GB_32918_5_SIGNATURE)
    assert not verify(GB_32918_5_KEY, b"message digesu", GB_32918_5_SIGNATURE)


def test_sm2_signs_with_the_private_key_of_gb_t_32918_5() -> None:
    private = "3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8"
    signature = SigningKey(GB_32918_5_KEY, bytes.fromhex(private)).sign(b"message digest")
    assert verify(GB_32918_5_KEY, b"message digest", signature)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"abc", "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd" * 16, "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ],
    ids=["A.1", "A.2"],
)
def test_sm3_gives_the_examples_of_gb_t_32905(content: bytes, expected: str) -> None:
    assert sm3(content).hex() == expected


RFC_6979_KEY = PublicKey(
    P256,
    bytes.fromhex(
        "04"
        "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
        "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
    ),
)


@pytest.mark.parametrize(
    ("message", "r", "s"),
    [
        (
            b"sample",
            "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
            "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
        ),
        (
            b"test",
            "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
            "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
        ),
    ],
)
def test_p256_verifies_the_signatures_of_rfc_6979_a_2_5(message: bytes, r: str, s: str) -> None:
    assert verify(RFC_6979_KEY, message, bytes.fromhex(r + s))
    assert not verify(RFC_6979_KEY, message + b".", bytes.fromhex(r + s))


def test_p256_signs_with_the_private_key_of_rfc_6979_a_2_5() -> None:
    private = "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"
    signature = SigningKey(RFC_6979_KEY, bytes.fromhex(private)).sign(b"sample")
    assert verify(RFC_6979_KEY, b"sample", signature)


# What was signed verifies, and nothing else


@given(st.sampled_from(Algorithm), st.binary(max_size=300))
@settings(max_examples=40, deadline=None)
def test_what_was_signed_verifies_in_64_bytes(algorithm: Algorithm, message: bytes) -> None:
    signature = KEYS[algorithm].sign(message)
    assert len(signature) == 64
    assert verify(KEYS[algorithm].public_key, message, signature)


@given(
    st.sampled_from(Algorithm), st.binary(min_size=1, max_size=100), st.integers(0), st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_any_flipped_bit_of_message_or_signature_is_refused(
    algorithm: Algorithm, message: bytes, place: int, in_message: bool
) -> None:
    parts = [message, KEYS[algorithm].sign(message)]
    altered = bytearray(parts[not in_message])
    altered[place // 8 % len(altered)] ^= 1 << place % 8
    parts[not in_message] = bytes(altered)
    assert not verify(KEYS[algorithm].public_key, *parts)


@BOTH
def test_any_flipped_bit_of_a_public_key_makes_it_no_key(algorithm: Algorithm) -> None:
    raw = KEYS[algorithm].public_key.raw
    for place in range(len(raw) * 8):
        altered = bytearray(raw)
        altered[place // 8] ^= 1 << place % 8
        assert refusal_of_raw(algorithm, bytes(altered)) == "trust.public_key_invalid"


@given(st.sampled_from(Algorithm), st.binary(max_size=80), st.binary(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_no_signature_and_raise_nothing(
    algorithm: Algorithm, message: bytes, signature: bytes
) -> None:
    assert not verify(KEYS[algorithm].public_key, message, signature)


@given(st.sampled_from(Algorithm), st.binary(min_size=64, max_size=64))
@settings(max_examples=60, deadline=None)
def test_any_64_bytes_are_no_signature_and_raise_nothing(
    algorithm: Algorithm, signature: bytes
) -> None:
    assert not verify(KEYS[algorithm].public_key, b"message", signature)


@BOTH
@pytest.mark.parametrize("half", [slice(0, 32), slice(32, 64)])
@pytest.mark.parametrize("value", [0, P256_ORDER, 2**256 - 1])
def test_numbers_out_of_range_are_no_signature(
    algorithm: Algorithm, half: slice, value: int
) -> None:
    signature = bytearray(KEYS[algorithm].sign(b"message"))
    signature[half] = value.to_bytes(32, "big")
    assert not verify(KEYS[algorithm].public_key, b"message", bytes(signature))


@BOTH
def test_another_length_or_another_form_is_no_signature(algorithm: Algorithm) -> None:
    key = KEYS[algorithm]
    signature = key.sign(b"message")
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
    padded = signature[:32] + b"\0" + signature[32:]
    for other in (signature[:63], signature + b"\0", padded, b"", encode_dss_signature(r, s)):
        assert not verify(key.public_key, b"message", other)


def test_a_signature_of_one_algorithm_is_none_of_the_other() -> None:
    for algorithm, other in ((P256, SM2), (SM2, P256)):
        signature = KEYS[algorithm].sign(b"message")
        assert not verify(KEYS[other].public_key, b"message", signature)


@BOTH
def test_a_signature_of_another_key_is_refused(algorithm: Algorithm) -> None:
    signature = SigningKey.generate(algorithm).sign(b"message")
    assert not verify(KEYS[algorithm].public_key, b"message", signature)


def test_p256_has_a_second_signature_so_signatures_must_not_be_names() -> None:
    """Documents the malleability that the module's text warns of."""
    signature = KEYS[P256].sign(b"message")
    other = (P256_ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    assert verify(KEYS[P256].public_key, b"message", signature[:32] + other)


def test_signatures_of_p256_are_those_of_other_programs() -> None:
    """Both ways against the library's own interface."""
    theirs = ec.generate_private_key(ec.SECP256R1())
    r, s = decode_dss_signature(theirs.sign(b"message", ec.ECDSA(SHA256())))
    raw = theirs.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    ours = PublicKey(P256, raw)
    assert verify(ours, b"message", r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    signature = KEYS[P256].sign(b"message")
    der = encode_dss_signature(
        int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    )
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), KEYS[P256].public_key.raw)
    point.verify(der, b"message", ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        point.verify(der, b"massage", ec.ECDSA(SHA256()))


# Public keys


@BOTH
@pytest.mark.parametrize(
    "raw",
    [b"", b"\x04", bytes(65), b"\x04" + bytes(64), b"\x04" + b"\xff" * 64, b"\x00"],
)
def test_what_is_no_point_is_no_key(algorithm: Algorithm, raw: bytes) -> None:
    assert refusal_of_raw(algorithm, raw) == "trust.public_key_invalid"


@BOTH
def test_a_point_in_another_form_is_refused(algorithm: Algorithm) -> None:
    raw = KEYS[algorithm].public_key.raw
    compressed = bytes((2 + (raw[-1] & 1),)) + raw[1:33]
    for other in (raw[1:], compressed, raw + b"\0", raw[:-1]):
        assert refusal_of_raw(algorithm, other) == "trust.public_key_invalid"


def test_a_point_of_one_curve_is_none_of_the_other() -> None:
    assert refusal_of_raw(P256, KEYS[SM2].public_key.raw) == "trust.public_key_invalid"
    assert refusal_of_raw(SM2, KEYS[P256].public_key.raw) == "trust.public_key_invalid"


def p256_public() -> ec.EllipticCurvePublicKey:
    raw = KEYS[P256].public_key.raw
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)


def p256_jwk() -> dict[str, object]:
    raw = KEYS[P256].public_key.raw
    x, y = (base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (raw[1:33], raw[33:]))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "ext": True, "key_ops": ["verify"]}


def test_a_key_of_a_browser_is_read_from_spki_and_jwk() -> None:
    spki = p256_public().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert PublicKey.from_spki(spki) == KEYS[P256].public_key
    assert PublicKey.from_jwk(p256_jwk()) == KEYS[P256].public_key


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "RSA"},
        {"crv": "P-384"},
        {"crv": None},
        {"d": "AAAA"},
        {"x": None},
        {"x": 5},
        {"x": ""},
        {"x": "A" * 43},
        {"x": "é" * 43},
        {"x": "*" * 43},
        {"x": "_" * 43},
        {"y": "A" * 44},
    ],
)
def test_a_jwk_that_is_not_exactly_a_public_point_of_p256_is_refused(
    change: dict[str, object],
) -> None:
    with pytest.raises(Refused, match="public_key_invalid"):
        PublicKey.from_jwk({**p256_jwk(), **change})


def test_a_jwk_has_one_spelling() -> None:
    jwk = p256_jwk()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    x = str(jwk["x"])
    same_bytes = x[:-1] + alphabet[alphabet.index(x[-1]) + 1]
    assert base64.urlsafe_b64decode(same_bytes + "=") == base64.urlsafe_b64decode(x + "=")
    with pytest.raises(Refused, match="base64url"):
        PublicKey.from_jwk({**jwk, "x": same_bytes})


def test_spki_of_another_kind_of_key_is_refused() -> None:
    others: list[ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey] = [
        ec.generate_private_key(ec.SECP384R1()).public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        ed25519.Ed25519PrivateKey.generate().public_key(),
        rsa.generate_private_key(65537, 2048).public_key(),
    ]
    for other in others:
        spki = other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(Refused, match="public_key_invalid"):
            PublicKey.from_spki(spki)


@given(st.binary(max_size=120))
def test_any_bytes_are_no_spki(der: bytes) -> None:
    with pytest.raises(Refused, match="public_key_invalid"):
        PublicKey.from_spki(der)


def test_the_fingerprint_is_the_hash_of_the_raw_key_in_groups_of_four() -> None:
    """The SHA-256 and SM3 of these points were computed with another program (OpenSSL 3)."""
    assert RFC_6979_KEY.fingerprint == P256_FINGERPRINT
    assert GB_32918_5_KEY.fingerprint == SM2_FINGERPRINT


P256_FINGERPRINT = "b18b 86ce 1389 e46d e87a a4a5 131c e83c 1160 fa33 c087 ab15 b863 574d 31d8 ff3c"
SM2_FINGERPRINT = "e6a4 f976 5fca 89e8 b7d6 4019 b900 d57c d86b 4677 fa5d c702 84c9 0de0 5fa7 7f9c"


# Private keys


@BOTH
def test_two_new_keys_differ_and_a_key_never_shows_its_secret(algorithm: Algorithm) -> None:
    one, other = SigningKey.generate(algorithm), SigningKey.generate(algorithm)
    assert one.secret != other.secret
    assert one.public_key != other.public_key
    assert one.secret.hex() not in repr(one)
    assert repr(one.secret) not in repr(one)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_private_key_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey(KEYS[P256].public_key, bytes(length))


@BOTH
def test_a_saved_key_is_for_its_owner_only_and_signs_as_before(
    algorithm: Algorithm, tmp_path: Path
) -> None:
    file = tmp_path / "terminal.key"
    KEYS[algorithm].save(file, mode=Mode.SANDBOX)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["terminal.key"]
    loaded = SigningKey.load(file, mode=Mode.SANDBOX)
    assert loaded.public_key == KEYS[algorithm].public_key
    assert verify(KEYS[algorithm].public_key, b"message", loaded.sign(b"message"))


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "terminal.key"
    KEYS[P256].save(file, mode=Mode.SANDBOX)
    before = file.read_bytes()
    with pytest.raises(FileExistsError):
        KEYS[SM2].save(file, mode=Mode.SANDBOX)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["terminal.key"]


@pytest.mark.parametrize(
    ("saved", "wanted"), [(Mode.SANDBOX, Mode.PRODUCTION), (Mode.PRODUCTION, Mode.SANDBOX)]
)
def test_production_refuses_a_key_of_the_sandbox_and_the_reverse(
    saved: Mode, wanted: Mode, tmp_path: Path
) -> None:
    KEYS[P256].save(tmp_path / "terminal.key", mode=saved)
    with pytest.raises(Refused, match="key_mode_differs"):
        SigningKey.load(tmp_path / "terminal.key", mode=wanted)


def test_a_key_that_others_can_read_or_that_is_not_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "terminal.key"
    with pytest.raises(Refused, match="key_missing"):
        SigningKey.load(file, mode=Mode.SANDBOX)
    KEYS[P256].save(file, mode=Mode.SANDBOX)
    file.chmod(0o640)
    with pytest.raises(Refused, match="key_exposed"):
        SigningKey.load(file, mode=Mode.SANDBOX)


@pytest.mark.parametrize(("algorithm", "step"), [(P256, 1), (SM2, 17)])
def test_a_saved_key_with_a_flipped_bit_is_refused(
    algorithm: Algorithm, step: int, tmp_path: Path
) -> None:
    file = tmp_path / "terminal.key"
    KEYS[algorithm].save(file, mode=Mode.SANDBOX)
    whole = file.read_bytes()
    for place in range(0, len(whole) * 8, step):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        file.write_bytes(damaged)
        with pytest.raises(Refused, match="key_damaged"):
            SigningKey.load(file, mode=Mode.SANDBOX)


@BOTH
def test_a_private_key_beside_the_public_key_of_another_is_refused(
    algorithm: Algorithm, tmp_path: Path
) -> None:
    mixed = SigningKey(SigningKey.generate(algorithm).public_key, KEYS[algorithm].secret)
    mixed.save(tmp_path / "terminal.key", mode=Mode.SANDBOX)
    with pytest.raises(Refused, match="key_damaged"):
        SigningKey.load(tmp_path / "terminal.key", mode=Mode.SANDBOX)


@pytest.mark.parametrize("content", [b"", b"\n\n\n\n", b"\xff" * 200, b"x" * 10_000])
def test_a_file_that_is_no_key_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "terminal.key"
    file.touch(mode=0o600)
    file.write_bytes(content)
    with pytest.raises(Refused, match="key_damaged"):
        SigningKey.load(file, mode=Mode.SANDBOX)


def test_a_derived_key_follows_the_key_the_purpose_and_the_info() -> None:
    def derived(number: int, purpose: str, info: bytes) -> bytes:
        return SigningKey.derive(Key(purpose, number, bytes(range(32))), info=info).secret

    one = derived(1, "audit.checkpoint", b"")
    assert one == derived(1, "audit.checkpoint", b"")
    others = {derived(1, "audit.checkpoint", b"x"), derived(1, "audit.other", b"")}
    assert len({one, *others}) == 3


def test_a_derived_key_is_pinned() -> None:
    """Checkpoints of years ago must verify."""
    derived = SigningKey.derive(Key("audit.checkpoint", 1, bytes(range(32))), info=b"")
    assert derived.public_key.fingerprint == DERIVED_FINGERPRINT


DERIVED_FINGERPRINT = (
    "9bd8 4d8c c93c 5b19 bd76 688a db69 fa93 f3b3 292f 404a 947e f00d b00f 322d 2170"
)


def test_a_derived_key_signs(tmp_path: Path) -> None:
    key = SigningKey.derive(DevelopmentKeys(tmp_path).current("audit.checkpoint"), info=b"")
    assert verify(key.public_key, b"message", key.sign(b"message"))
