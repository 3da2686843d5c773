"""The sandbox's own wire between the halves: a hospital's ports as JSON of our types over loopback.

It is no national interface and proves nothing about one: it has no signatures and no envelope. It
exists so that the halves are two processes between which messages can be lost.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, cast, get_type_hints

import httpx
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shualian.core.database import forbid_in_transaction
from shualian.core.identifiers import AuthNo, InstitutionCode
from shualian.core.refusals import Refused
from shualian.hospital.model import refusal_from_text, refusal_to_text
from shualian.hospital.ports import FaceProofs, InsurerPlatform, ask_insurer
from shualian.verification.model import FaceProof

PATH = "/insurer"
REFUSED = HTTPStatus.UNPROCESSABLE_ENTITY


@dataclass(frozen=True, slots=True)
class ProofQuestion:
    """Whose proof a number is."""

    auth_no: AuthNo
    institution: InstitutionCode


@dataclass(frozen=True, slots=True)
class _Form:
    """What goes there and what comes back."""

    question: TypeAdapter[Any]
    answer: TypeAdapter[Any]


def _form_of(method: Callable[..., object]) -> _Form:
    """The form of a transaction, by the types that the port declares: one message, one answer."""
    hints = get_type_hints(method)
    answer = hints.pop("return")
    (question,) = hints.values()
    return _Form(TypeAdapter(question), TypeAdapter(answer))


_PROOF = "check_proof"
_TRANSACTIONS = tuple(name for name in vars(InsurerPlatform) if not name.startswith("_"))
_FORMS: Mapping[str, _Form] = MappingProxyType(
    {name: _form_of(getattr(InsurerPlatform, name)) for name in _TRANSACTIONS}
    | {_PROOF: _Form(TypeAdapter(ProofQuestion), TypeAdapter(FaceProof))}
)


class _Far:
    """The other end: every transaction of the port is a message."""

    def __init__(self, wire: "Wire") -> None:
        self._wire = wire

    def __getattr__(self, name: str) -> Callable[[object], Any]:
        if name not in _TRANSACTIONS:
            raise AttributeError(name)
        return lambda message: self._wire.ask(name, message)


class Wire:
    """A hospital's end: what it sees of the insurer at the other end."""

    def __init__(self, http: httpx.Client) -> None:
        """Ask with ``http``, which has the base address and its times."""
        self._http = http

    @property
    def platform(self) -> InsurerPlatform:
        """The national transactions; the forms are made of the port itself."""
        return cast("InsurerPlatform", _Far(self))

    def check(self, auth_no: AuthNo, *, expected_institution: InstitutionCode) -> FaceProof:
        """See :meth:`FaceProofs.check`."""
        asked = ProofQuestion(auth_no, expected_institution)
        found: FaceProof = ask_insurer(lambda each: self.ask(_PROOF, each), asked)
        return found

    def ask(self, name: str, message: object) -> Any:
        """Send a message and hear its answer.

        Raises:
            Refused: What the other end refuses, whole.
            httpx.HTTPError: When there is no answer.
        """
        forbid_in_transaction("a message to the insurer")
        form = _FORMS[name]
        response = self._http.post(f"{PATH}/{name}", content=form.question.dump_json(message))
        if response.status_code == REFUSED:
            raise refusal_from_text(response.text)
        response.raise_for_status()
        return form.answer.validate_json(response.content)


def insurer_routes(platform: InsurerPlatform, proofs: FaceProofs) -> list[Route]:
    """The insurer's end of the wire."""

    def check(asked: ProofQuestion) -> FaceProof:
        return proofs.check(asked.auth_no, expected_institution=asked.institution)

    def act(name: str) -> Callable[[Any], object]:
        if name == _PROOF:
            return check
        found: Callable[[Any], object] = getattr(platform, name)
        return found

    async def answer(request: Request) -> Response:
        name, body = request.path_params["name"], await request.body()
        form = _FORMS[name]
        try:
            found = await run_in_threadpool(act(name), form.question.validate_json(body))
        except Refused as refused:
            text = refusal_to_text(refused)
            return Response(text, REFUSED, media_type="application/json")
        return Response(form.answer.dump_json(found), media_type="application/json")

    return [Route(PATH + "/{name}", answer, methods=["POST"])]
