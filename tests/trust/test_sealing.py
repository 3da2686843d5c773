"""Sealing: what was sealed opens, and nothing else does."""

import hmac
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from shualian.core.refusals import Refused
from shualian.trust.keys import DevelopmentKeys
from shualian.trust.model import KEY_MISSING, Key, KeyId
from shualian.trust.sealing import DerivedSecrets, Sealer, derive_key, hkdf_sha256

PURPOSE = "hospital.record.name"
CONTEXT = b"record 7, name"


class OneKey:
    """A provider of one fixed key for every purpose."""

    def __init__(self, secret: bytes = bytes(range(32))) -> None:
        self._secret = secret

    def current(self, purpose: str) -> Key:
        return Key(purpose, 1, self._secret)

    first = current

    def key(self, purpose: str, key_id: KeyId) -> Key:
        key = self.current(purpose)
        if key.id != key_id:
            raise Refused(KEY_MISSING)
        return key


SEALER = Sealer(OneKey())


@pytest.fixture
def keys(tmp_path: Path) -> DevelopmentKeys:
    return DevelopmentKeys(tmp_path / "keys")


def code_of_opening(sealer: Sealer, sealed: bytes, purpose: str, context: bytes) -> str:
    with pytest.raises(Refused) as refused:
        sealer.open(sealed, purpose=purpose, context=context)
    return refused.value.kind.code


@given(
    st.binary(max_size=500),
    st.binary(max_size=50),
    st.from_regex(r"[a-z][a-z.]{0,20}", fullmatch=True),
)
def test_what_was_sealed_opens(plain: bytes, context: bytes, purpose: str) -> None:
    sealed = SEALER.seal(plain, purpose=purpose, context=context)
    assert SEALER.open(sealed, purpose=purpose, context=context) == plain
    assert len(sealed) == len(plain) + 43
    assert len(plain) < 4 or plain not in sealed


def test_every_single_flipped_bit_is_refused_with_one_code(keys: DevelopmentKeys) -> None:
    sealer = Sealer(keys)
    sealed = sealer.seal("张建国".encode(), purpose=PURPOSE, context=CONTEXT)
    for place in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[place // 8] ^= 1 << place % 8
        assert code_of_opening(sealer, bytes(altered), PURPOSE, CONTEXT) == "trust.seal_broken"


def test_every_cut_and_every_addition_is_refused() -> None:
    sealed = SEALER.seal(b"plain", purpose=PURPOSE, context=CONTEXT)
    for length in range(len(sealed)):
        assert code_of_opening(SEALER, sealed[:length], PURPOSE, CONTEXT) == "trust.seal_broken"
    assert code_of_opening(SEALER, sealed + b"\0", PURPOSE, CONTEXT) == "trust.seal_broken"


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(content: bytes) -> None:
    assert code_of_opening(SEALER, content, PURPOSE, CONTEXT) == "trust.seal_broken"


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_content_moved_to_another_record_or_column_is_refused(here: bytes, there: bytes) -> None:
    sealed = SEALER.seal(b"plain", purpose=PURPOSE, context=here)
    if here != there:
        assert code_of_opening(SEALER, sealed, PURPOSE, there) == "trust.seal_broken"
    assert code_of_opening(SEALER, sealed, "hospital.other", here) == "trust.seal_broken"


def test_content_sealed_under_another_key_is_refused(tmp_path: Path) -> None:
    sealed = SEALER.seal(b"plain", purpose=PURPOSE, context=CONTEXT)
    other = Sealer(OneKey(bytes(32)))
    assert code_of_opening(other, sealed, PURPOSE, CONTEXT) == "trust.seal_broken"
    elsewhere = Sealer(DevelopmentKeys(tmp_path))
    assert code_of_opening(elsewhere, sealed, PURPOSE, CONTEXT) == "trust.seal_broken"


def test_a_lost_key_is_named(keys: DevelopmentKeys, tmp_path: Path) -> None:
    sealed = Sealer(keys).seal(b"plain", purpose=PURPOSE, context=CONTEXT)
    with pytest.raises(Refused) as refused:
        Sealer(DevelopmentKeys(tmp_path / "other")).open(sealed, purpose=PURPOSE, context=CONTEXT)
    assert refused.value.details["unknown_key"] == keys.current(PURPOSE).id


def test_after_rotation_old_content_opens_and_new_content_has_the_new_key(
    keys: DevelopmentKeys,
) -> None:
    sealer = Sealer(keys)
    old = sealer.seal(b"old", purpose=PURPOSE, context=CONTEXT)
    new_id = keys.rotate(PURPOSE)
    new = sealer.seal(b"new", purpose=PURPOSE, context=CONTEXT)
    assert sealer.open(old, purpose=PURPOSE, context=CONTEXT) == b"old"
    assert sealer.open(new, purpose=PURPOSE, context=CONTEXT) == b"new"
    assert new_id.encode() in new
    assert new_id.encode() not in old


def test_sealing_the_same_twice_gives_different_bytes() -> None:
    sealed = {SEALER.seal(b"same", purpose=PURPOSE, context=CONTEXT) for _ in range(100)}
    assert len({content[15:] for content in sealed}) == 100


def test_the_layout_is_as_documented() -> None:
    """Opened here by hand with another interface of the library, from the written description."""
    sealed = SEALER.seal(b"plain text", purpose=PURPOSE, context=CONTEXT)
    assert sealed[0] == 1
    name_end = 2 + sealed[1]
    name, nonce = sealed[2:name_end], sealed[name_end : name_end + 12]
    ciphertext, tag = sealed[name_end + 12 : -16], sealed[-16:]
    assert name.decode() == Key(PURPOSE, 1, bytes(range(32))).id
    key = hkdf_by_hand(bytes(range(32)), b"", b"shualian seal 1\0" + PURPOSE.encode(), 32)
    opener = Cipher(algorithms.AES(key), modes.GCM(nonce, tag)).decryptor()
    for part in (b"\x01", PURPOSE.encode(), name, CONTEXT):
        opener.authenticate_additional_data(len(part).to_bytes(4, "big") + part)
    assert opener.update(ciphertext) + opener.finalize() == b"plain text"


def test_content_sealed_by_an_earlier_version_opens() -> None:
    pinned = bytes.fromhex(
        "010d303030312d66343962346432310a15f45917a92a58540d755861e210d7781ee4294e6768192dd214170f669a3d4b0a917fda"
    )
    assert SEALER.open(pinned, purpose=PURPOSE, context=CONTEXT) == "张建国".encode()


def hkdf_by_hand(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, sections 2.2 and 2.3."""
    pseudorandom = hmac.digest(salt or bytes(32), secret, "sha256")
    output = block = b""
    counter = 1
    while len(output) < length:
        block = hmac.digest(pseudorandom, block + info + bytes((counter,)), "sha256")
        output += block
        counter += 1
    return output[:length]


@pytest.mark.parametrize(
    ("secret", "salt", "info", "expected"),
    [
        (
            "0b" * 22,
            "000102030405060708090a0b0c",
            "f0f1f2f3f4f5f6f7f8f9",
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            bytes(range(0x50)).hex(),
            bytes(range(0x60, 0xB0)).hex(),
            bytes(range(0xB0, 0x100)).hex(),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c6"
            "5e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            "0b" * 22,
            "",
            "",
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ],
    ids=["A.1", "A.2", "A.3"],
)
def test_hkdf_gives_the_vectors_of_rfc_5869(
    secret: str, salt: str, info: str, expected: str
) -> None:
    key, salt_bytes, info_bytes = (bytes.fromhex(text) for text in (secret, salt, info))
    length = len(expected) // 2
    made = hkdf_sha256(key, salt=salt_bytes, info=info_bytes, length=length)
    assert made == hkdf_by_hand(key, salt_bytes, info_bytes, length) == bytes.fromhex(expected)


def test_aes_256_gcm_gives_test_case_16_of_mcgrew_and_viega() -> None:
    """The Galois/Counter Mode of Operation, appendix B: the library that seals for us."""
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    plain = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    associated = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    sealed = AESGCM(key).encrypt(nonce, plain, associated)
    assert sealed.hex() == (
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )
    assert AESGCM(key).decrypt(nonce, sealed, associated) == plain


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_equal_values_share_a_hash_and_others_do_not(one: bytes, other: bytes) -> None:
    hashes = [SEALER.keyed_hash(value, purpose=PURPOSE) for value in (one, other)]
    assert (hashes[0] == hashes[1]) == (one == other)
    assert len(hashes[0]) == 32


def test_a_keyed_hash_is_hmac_sha256_under_a_key_of_its_own() -> None:
    key = hkdf_by_hand(bytes(range(32)), b"", b"shualian hash 1\0" + PURPOSE.encode(), 32)
    expected = hmac.digest(key, b"110101198001010010", "sha256")
    assert SEALER.keyed_hash(b"110101198001010010", purpose=PURPOSE) == expected
    assert SEALER.keyed_hash(b"110101198001010010", purpose="other") != expected
    assert Sealer(OneKey(bytes(32))).keyed_hash(b"110101198001010010", purpose=PURPOSE) != expected


def test_equal_values_are_found_after_rotation(keys: DevelopmentKeys) -> None:
    sealer = Sealer(keys)
    before = sealer.keyed_hash(b"value", purpose=PURPOSE)
    keys.rotate(PURPOSE)
    assert sealer.keyed_hash(b"value", purpose=PURPOSE) == before


def test_derived_secrets_follow_the_key_the_purpose_and_the_info(keys: DevelopmentKeys) -> None:
    def secret(purpose: str, info: bytes, key_id: str) -> bytes:
        return DerivedSecrets(keys, purpose, info).secret(key_id)

    first = DerivedSecrets(keys, "gallery.protection", b"insured").current_key_id()
    other_purpose = keys.current("gallery.other").id
    second = keys.rotate("gallery.protection")
    assert DerivedSecrets(keys, "gallery.protection", b"insured").current_key_id() == second
    made = {
        secret("gallery.protection", b"insured", first),
        secret("gallery.protection", b"insured", second),
        secret("gallery.protection", b"doctors", first),
        secret("gallery.other", b"insured", other_purpose),
        keys.key("gallery.protection", KeyId(first)).secret,
    }
    assert len(made) == 5
    assert secret("gallery.protection", b"insured", first) in made
    with pytest.raises(Refused, match="key_missing"):
        secret("gallery.protection", b"insured", "0009-00000000")


def test_a_derived_key_has_the_length_asked_for_and_a_shorter_one_is_its_beginning() -> None:
    key = Key(PURPOSE, 1, bytes(range(32)))
    long = derive_key(key, info=b"i", length=8160)
    assert len(long) == 8160
    assert derive_key(key, info=b"i") == long[:32]


def test_what_is_derived_is_pinned() -> None:
    """Protected templates depend on it: another value would make them all useless."""
    key = Key(PURPOSE, 1, bytes(range(32)))
    root = hkdf_by_hand(bytes(range(32)), b"", b"shualian derive 1\0" + PURPOSE.encode(), 32)
    assert derive_key(key, info=b"insured") == hkdf_by_hand(root, b"", b"insured", 32)
    assert (
        derive_key(key, info=b"insured").hex()
        == "1abdce4701112e9b6fd18c2b324356e1d30d75f2ce01a8018b78a0ec8cd0a0ad"
    )
