"""The two ceremonies of passkeys, each options and verification (Web Authentication Level 3, 7).

Proven: the authenticator that holds the key was unlocked by its user, for our origin, now. Not
proven: the make of the authenticator, as no attestation is asked for.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

import webauthn
from sqlalchemy import Connection
from webauthn.helpers import (
    base64url_to_bytes,
    options_to_json_dict,
    parse_client_data_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from shualian.core.identifiers import StaffId
from shualian.core.refusals import Refused
from shualian.staff.model import SERVICE_BUSY
from shualian.staff.passkeys import store
from shualian.staff.passkeys.model import (
    CHALLENGE_BYTES,
    CHALLENGE_VALID,
    CHALLENGES_MAX,
    CREDENTIAL_ID_MAX,
    PASSKEY_REFUSED,
    Ceremony,
    Passkey,
    RelyingParty,
)

Response = Mapping[str, Any]
"""What a browser made of our options: ``PublicKeyCredential.toJSON()``."""
Options = dict[str, Any]
"""What a browser takes: ``PublicKeyCredential.parse...OptionsFromJSON()``."""

_TIMEOUT_MS = int(CHALLENGE_VALID.total_seconds() * 1000)


@dataclass(frozen=True, slots=True)
class Presented:
    """What a response says of itself before anything about it is believed.

    Attributes:
        challenge: For which it claims to be the answer.
        credential_id: Of the passkey.
        user_handle: The account that the passkey holds, if it says so.
    """

    challenge: bytes
    credential_id: bytes
    user_handle: bytes | None


def registration_options(
    party: RelyingParty,
    *,
    staff_id: StaffId,
    login: str,
    known: Sequence[Passkey],
    challenge: bytes,
) -> Options:
    """Options for ``navigator.credentials.create()``.

    The passkey is discoverable, so that sign-in asks for no account name and tells nobody which
    accounts have passkeys; its user is verified.
    """
    options = webauthn.generate_registration_options(
        rp_id=party.rp_id,
        rp_name=party.name,
        user_id=staff_id.encode(),
        user_name=login,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=k.credential_id) for k in known],
    )
    return options_to_json_dict(options)


def verify_registration(
    response: Response,
    *,
    expected_party: RelyingParty,
    expected_challenge: bytes,
    staff_id: StaffId,
    now: datetime,
) -> Passkey:
    """The passkey that a browser has made for our options.

    Raises:
        Refused: ``staff.passkey_refused``.
    """
    try:
        verified = webauthn.verify_registration_response(
            credential=dict(response),
            expected_challenge=expected_challenge,
            expected_rp_id=expected_party.rp_id,
            expected_origin=expected_party.origin,
            require_user_verification=True,
        )
    except Exception:  # noqa: BLE001 - parsers over hostile bytes: whatever they raise is a no
        raise Refused(PASSKEY_REFUSED) from None
    # 7.1, step 25: no longer than 1023 bytes; and the name that was answered is the one attested.
    named = presented(response).credential_id == verified.credential_id
    if not named or len(verified.credential_id) > CREDENTIAL_ID_MAX:
        raise Refused(PASSKEY_REFUSED)
    return Passkey(
        credential_id=verified.credential_id,
        staff_id=staff_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        added_at=now,
    )


def authentication_options(party: RelyingParty, *, challenge: bytes) -> Options:
    """Options for ``navigator.credentials.get()``; the same for everybody."""
    options = webauthn.generate_authentication_options(
        rp_id=party.rp_id,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def verify_authentication(
    response: Response,
    *,
    expected_party: RelyingParty,
    expected_challenge: bytes,
    passkey: Passkey,
) -> int:
    """The signature counter of a response that this passkey has signed.

    The counter is judged by :func:`counter_advances` afterwards: the library would judge it before
    the signature, so that anybody could raise the alarm about a copied passkey.

    Raises:
        Refused: ``staff.passkey_refused``.
    """
    try:
        verified = webauthn.verify_authentication_response(
            credential=dict(response),
            expected_challenge=expected_challenge,
            expected_rp_id=expected_party.rp_id,
            expected_origin=expected_party.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception:  # noqa: BLE001 - parsers over hostile bytes: whatever they raise is a no
        raise Refused(PASSKEY_REFUSED) from None
    if verified.credential_id != passkey.credential_id:
        raise Refused(PASSKEY_REFUSED)
    return verified.new_sign_count


def presented(response: Response) -> Presented:
    """What a response says of itself.

    Raises:
        Refused: ``staff.passkey_refused``.
    """
    try:
        inner = response["response"]
        client_data = parse_client_data_json(base64url_to_bytes(inner["clientDataJSON"]))
        handle = inner.get("userHandle")
        return Presented(
            challenge=client_data.challenge,
            credential_id=base64url_to_bytes(response["rawId"]),
            user_handle=None if handle is None else base64url_to_bytes(handle),
        )
    except Exception:  # noqa: BLE001 - parsers over hostile bytes: whatever they raise is a no
        raise Refused(PASSKEY_REFUSED) from None


def give_challenge(
    connection: Connection, ceremony: Ceremony, staff_id: StaffId | None, *, now: datetime
) -> bytes:
    """A new challenge of 256 random bits, good once and for five minutes.

    Raises:
        Refused: ``staff.service_busy`` when too many are open.
    """
    if store.open_challenges(connection, now) >= CHALLENGES_MAX:
        raise Refused(SERVICE_BUSY)
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    digest = sha256(challenge).digest()
    store.put_challenge(connection, digest, ceremony, staff_id, now + CHALLENGE_VALID)
    return challenge


def take_challenge(
    connection: Connection,
    challenge: bytes,
    ceremony: Ceremony,
    staff_id: StaffId | None,
    *,
    now: datetime,
) -> bool:
    """Use a challenge up; whether it was open for this. Its transaction must be kept."""
    digest = sha256(challenge).digest()
    return store.take_challenge(connection, digest, ceremony, staff_id, now)
