"""Reading and checking signatures: the agreed form, nothing beside it, and other people's code."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import http_message_signatures
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from http_message_signatures import algorithms
from hypothesis import example, given
from hypothesis import strategies as st

from shualian.core.refusals import Refused
from shualian.terminals.agent.model import sign_request
from shualian.terminals.enrolment.model import key_id_of
from shualian.terminals.requests.model import (
    REFUSALS,
    SIGNATURE_MALFORMED,
    ClaimedSignature,
    FreshnessLimits,
    content_digest_of,
    counter_name,
    parse_signature_headers,
    signature_base,
    verify_request,
)
from shualian.trust.signatures import Algorithm, SigningKey
from terminals.district import BODY, LIMITS, START, TARGET, answer_of

NONCE = "bm9uY2Utb2YtMTI4LWJpdHM"
KEY_ID = "0123456789abcdef" * 4
MOMENT = int(START.timestamp())
PARAMETERS = f'created={MOMENT};nonce="{NONCE}";keyid="{KEY_ID}"'
INPUT = f'sig=("@method" "@target-uri" "content-digest");{PARAMETERS}'
SIGNATURE = f"sig=:{base64.b64encode(bytes(64)).decode()}:"
DIGEST = content_digest_of(BODY)


def read(
    signature_input: str = INPUT, signature: str = SIGNATURE, content_digest: str = DIGEST
) -> object:
    return parse_signature_headers(
        signature_input=[signature_input], signature=[signature], content_digest=[content_digest]
    )


def test_the_agreed_form_is_read_to_the_last_part() -> None:
    claimed = parse_signature_headers(
        signature_input=[INPUT], signature=[SIGNATURE], content_digest=[f"  {DIGEST} "]
    )
    assert claimed.key_id == KEY_ID
    assert claimed.created == START
    assert claimed.nonce == NONCE
    assert claimed.signature == bytes(64)
    assert claimed.digest == hashlib.sha256(BODY).digest()
    assert claimed.content_digest == DIGEST
    assert claimed.parameters == INPUT.removeprefix("sig=")


def test_the_base_is_the_one_of_the_standard() -> None:
    base = signature_base(
        method="POST", target_uri=TARGET, content_digest=DIGEST, parameters="(params)"
    )
    assert base.decode() == (
        f'"@method": POST\n"@target-uri": {TARGET}\n"content-digest": {DIGEST}\n'
        '"@signature-params": (params)'
    )


def test_the_digest_is_the_one_of_rfc_9530() -> None:
    # RFC 9530, appendix D, for the content {"hello": "world"} and a line feed.
    found = content_digest_of(b'{"hello": "world"}\n')
    assert found == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


@pytest.mark.parametrize(
    "signature_input",
    [
        "",
        "sig",
        "sig=1",
        "sig=()",
        f"sig=();{PARAMETERS}",
        f'sig=("@method" "@target-uri");{PARAMETERS}',
        f'sig=("@target-uri" "@method" "content-digest");{PARAMETERS}',
        f'sig=("@method" "@target-uri" "content-digest" "host");{PARAMETERS}',
        f'sig=("@method" "@target-uri" "content-digest";sf);{PARAMETERS}',
        f'sig=("@method" "@target-uri" content-digest);{PARAMETERS}',
        f"{INPUT}, other={INPUT.removeprefix('sig=')}",
        f"{INPUT}, {INPUT}",
        f"{INPUT};created=1",
        f'{INPUT};alg="ecdsa-p256-sha256"',
        f"{INPUT};expires=9999999999",
        INPUT.replace(f"created={MOMENT};", ""),
        INPUT.replace(f"created={MOMENT}", f'created="{MOMENT}"'),
        INPUT.replace(f"created={MOMENT}", f"created={MOMENT}.5"),
        INPUT.replace(f"created={MOMENT}", "created"),
        INPUT.replace(f"created={MOMENT}", "created=-1"),
        INPUT.replace(f"created={MOMENT}", f"created=@{MOMENT}"),
        INPUT.replace(f"created={MOMENT}", "created=999999999999999"),
        INPUT.replace(NONCE, "short"),
        INPUT.replace(NONCE, "a" * 65),
        INPUT.replace(NONCE, NONCE + "+"),
        INPUT.replace(f'nonce="{NONCE}"', f"nonce={NONCE}"),
        INPUT.replace(KEY_ID, KEY_ID.upper()),
        INPUT.replace(KEY_ID, "a" * 63),
        INPUT.replace(f'"{KEY_ID}"', f":{base64.b64encode(b'a' * 48).decode()}:"),
        INPUT + " " * 512,
        INPUT + "\n",
        "签=()",
    ],
)
def test_another_form_of_signature_input_is_refused(signature_input: str) -> None:
    with pytest.raises(Refused) as refused:
        read(signature_input=signature_input)
    assert refused.value.kind is SIGNATURE_MALFORMED
    assert refused.value.details["field"] == "signature-input"


@pytest.mark.parametrize(
    "signature",
    ["", "sig", 'sig="text"', "other=:AAAA:", "sig=:AAAA:;x", "sig=:A:", f"{SIGNATURE}, a=:AAAA:"],
)
def test_another_form_of_signature_is_refused(signature: str) -> None:
    with pytest.raises(Refused) as refused:
        read(signature=signature)
    assert refused.value.kind is SIGNATURE_MALFORMED
    assert refused.value.details["field"] == "signature"


@pytest.mark.parametrize(
    "content_digest",
    [
        "",
        "sha-256=:AAAA:",
        DIGEST.replace("256", "512"),
        f"{DIGEST}, sha-256=:AAAA:",
        DIGEST + ";q",
    ],
)
def test_another_form_of_content_digest_is_refused(content_digest: str) -> None:
    with pytest.raises(Refused) as refused:
        read(content_digest=content_digest)
    assert refused.value.kind is SIGNATURE_MALFORMED
    assert refused.value.details["field"] == "content-digest"


PIECES = st.sampled_from(
    [
        *'sig = ( ) : ; , " \\ @ % ?1 created nonce keyid - 1 999999999999999 . é 刷'.split(),
        *('"@method"', '"@target-uri"', '"content-digest"', "AAAA", NONCE, KEY_ID, "sha-256"),
        *(" ", "\t", "\x00"),
    ]
)
LINES = st.lists(
    st.one_of(
        st.text(max_size=40),
        st.lists(PIECES, max_size=25).map("".join),
        st.sampled_from([INPUT, SIGNATURE, DIGEST]),
    ),
    max_size=2,
)


@given(signature_input=LINES, signature=LINES, content_digest=LINES)
@example(["sig=@999999999999999"], [SIGNATURE], [DIGEST])
@example([INPUT], ["sig=@-999999999999999"], [DIGEST])
@example([INPUT], [SIGNATURE], ['sha-256=%"%ff"'])
def test_whatever_stands_in_the_fields_is_read_or_refused(
    signature_input: list[str], signature: list[str], content_digest: list[str]
) -> None:
    claimed = answer_of(
        lambda: parse_signature_headers(
            signature_input=signature_input, signature=signature, content_digest=content_digest
        )
    )
    if claimed is not SIGNATURE_MALFORMED:
        assert isinstance(claimed, ClaimedSignature)
        assert len(signature_input) == len(signature) == len(content_digest) == 1
        assert len(claimed.digest) == 32


@given(edit=st.data())
def test_one_changed_letter_of_a_field_never_passes_as_another_request(edit: st.DataObject) -> None:
    key = KEYS[Algorithm.ECDSA_P256_SHA256]
    fields = dict(
        sign_request(key, method="POST", target_uri=TARGET, body=BODY, created=START, nonce=NONCE)
    )
    name = edit.draw(st.sampled_from(sorted(fields)))
    at = edit.draw(st.integers(0, len(fields[name]) - 1))
    letter = edit.draw(st.characters(min_codepoint=32, max_codepoint=126))
    before = fields[name]
    fields[name] = before[:at] + letter + before[at + 1 :]
    try:
        claimed = parse_signature_headers(
            signature_input=[fields["signature-input"]],
            signature=[fields["signature"]],
            content_digest=[fields["content-digest"]],
        )
        check(claimed, key)
    except Refused:
        return
    # Only what means the same may pass: the same signed values in the same bytes.
    assert (claimed.nonce, claimed.created, claimed.key_id) == (
        NONCE,
        START,
        key_id_of(key.public_key),
    )
    assert claimed.digest == hashlib.sha256(BODY).digest()


KEYS = {algorithm: SigningKey.generate(algorithm) for algorithm in Algorithm}


def check(claimed: object, key: SigningKey, *, now: datetime = START) -> None:
    verify_request(
        claimed,  # type: ignore[arg-type]
        method="POST",
        target_uri=TARGET,
        body=BODY,
        expected_key=key.public_key,
        now=now,
        limits=LIMITS,
    )


@pytest.mark.parametrize("algorithm", Algorithm)
def test_what_the_agent_signs_is_verified(algorithm: Algorithm) -> None:
    key = KEYS[algorithm]
    fields = sign_request(
        key, method="POST", target_uri=TARGET, body=BODY, created=START, nonce=NONCE
    )
    claimed = parse_signature_headers(
        signature_input=[fields["signature-input"]],
        signature=[fields["signature"]],
        content_digest=[fields["content-digest"]],
    )
    check(claimed, key)
    other = KEYS[next(each for each in Algorithm if each is not algorithm)]
    with pytest.raises(Refused):
        check(claimed, other)


@pytest.mark.parametrize(
    "target_uri",
    ["", "https://a\nb", "https://a b", "https://刷", "https://a/\x00", "https://a/" + "a" * 2048],
)
def test_a_target_that_could_forge_a_line_is_refused(target_uri: str) -> None:
    with pytest.raises(Refused) as refused:
        signature_base(method="GET", target_uri=target_uri, content_digest="", parameters="")
    assert refused.value.kind is SIGNATURE_MALFORMED


@pytest.mark.parametrize("method", ["", "post", "GET\n", "G", "GET POST"])
def test_a_method_that_could_forge_a_line_is_refused(method: str) -> None:
    with pytest.raises(Refused) as refused:
        signature_base(method=method, target_uri=TARGET, content_digest="", parameters="")
    assert refused.value.kind is SIGNATURE_MALFORMED


class OneKey(http_message_signatures.HTTPSignatureKeyResolver):
    """Resolves every name to one P-256 key of ``cryptography``."""

    def __init__(self, key: SigningKey) -> None:
        number = int.from_bytes(key.secret, "big")
        self.private = ec.derive_private_key(number, ec.SECP256R1())

    def resolve_private_key(self, key_id: str) -> ec.EllipticCurvePrivateKey:  # noqa: ARG002
        return self.private

    def resolve_public_key(self, key_id: str) -> ec.EllipticCurvePublicKey:  # noqa: ARG002
        return self.private.public_key()


def test_a_request_signed_by_another_implementation_is_verified() -> None:
    key = KEYS[Algorithm.ECDSA_P256_SHA256]
    message = SimpleNamespace(
        method="POST", url=TARGET, headers={"Content-Digest": content_digest_of(BODY)}
    )
    signer = http_message_signatures.HTTPMessageSigner(
        signature_algorithm=algorithms.ECDSA_P256_SHA256, key_resolver=OneKey(key)
    )
    signer.sign(
        message,
        key_id=key_id_of(key.public_key),
        created=START,
        nonce=NONCE,
        label="sig",
        include_alg=False,
        use_existing_digest=True,
        covered_component_ids=("@method", "@target-uri", "content-digest"),
    )
    claimed = parse_signature_headers(
        signature_input=[message.headers["Signature-Input"]],
        signature=[message.headers["Signature"]],
        content_digest=[message.headers["Content-Digest"]],
    )
    check(claimed, key)


def test_another_implementation_verifies_what_the_agent_signs() -> None:
    key = KEYS[Algorithm.ECDSA_P256_SHA256]
    now = datetime.now(UTC)
    fields = sign_request(
        key, method="POST", target_uri=TARGET, body=BODY, created=now, nonce=NONCE
    )
    message = SimpleNamespace(
        method="POST", url=TARGET, headers={name.title(): text for name, text in fields.items()}
    )
    verifier = http_message_signatures.HTTPMessageVerifier(
        signature_algorithm=algorithms.ECDSA_P256_SHA256, key_resolver=OneKey(key)
    )
    (result,) = verifier.verify(message, max_age=timedelta(minutes=5))
    assert result.parameters["nonce"] == NONCE


def test_the_limits_of_freshness_can_only_be_narrowed() -> None:
    assert FreshnessLimits(age_max_s=30, ahead_max_s=2).age_max_s == 30
    for looser in ({"age_max_s": 61}, {"ahead_max_s": 6}, {"unknown": 1}):
        with pytest.raises(ValueError, match="validation error"):
            FreshnessLimits(**looser)


def test_each_refusal_has_a_counter_of_its_own() -> None:
    names = {counter_name(kind) for kind in REFUSALS}
    assert len(names) == len(REFUSALS)
    assert all(name.isascii() and name.replace("_", "").isalpha() for name in names)
