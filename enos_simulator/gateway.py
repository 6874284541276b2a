"""Gateway: answers one request: token service, signature check, organization, permission, then the call.

Envelopes are documented [D]. The form of a rejection and the HTTP status of a business error are not [U]: they follow
the switches `gateway_http`, `gateway_form` and `business_http`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from enos_simulator.errors import GATEWAY_ERRORS, BusinessError, Code, RejectedError, TokenCode, invalid
from enos_simulator.jobs import CallResult, PartialCancelError, device_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from enos_simulator.environment import Environment
    from enos_simulator.fleet import App
    from enos_simulator.jobs import OtaJobs
    from enos_simulator.journal import Change
    from enos_simulator.tokens import Tokens

OTA_JOBS: Final = "/connect-service/v2.1/ota-jobs"
TOKEN_GET: Final = "/apim-token-service/v2.0/token/get"  # noqa: S105 - a path
TOKEN_REFRESH: Final = "/apim-token-service/v2.0/token/refresh"  # noqa: S105 - a path

# Documented method, and the permission it takes [D].
_ACTIONS: Final = {
    "get": ("GET", "read"),
    "search": ("POST", "read"),
    "searchTask": ("POST", "read"),
    "cancelTask": ("POST", "control"),
    "retryTask": ("POST", "control"),
    "start": ("POST", "control"),
    "stop": ("POST", "control"),
}
_METHODS: Final = frozenset({"GET", "POST"})
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request. `query`: decoded pairs; `headers`: names in lower case."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes

    def parameter(self, name: str) -> str:
        """Return the first value of a query parameter; empty if there is none."""
        return next((value for known, value in self.query if known == name), "")


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, and how to send it: after `delay` seconds, while other requests do not wait.

    `kind` is `answer`: `body` as JSON; `raw`: the bytes in `raw`; `truncated`: the connection ends after the first half
    of what Content-Length announced; `closed`: it ends without a byte.
    """

    http: int
    body: dict[str, Any]
    kind: Literal["answer", "raw", "truncated", "closed"] = "answer"
    delay: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    raw: bytes = b""

    def content(self) -> bytes:
        """Return the body as announced."""
        if self.kind == "raw":
            return self.raw
        text = json.dumps(self.body, ensure_ascii=False, separators=(",", ":"))
        # A lone surrogate, which JSON can spell, cannot be sent as UTF-8.
        return text.encode(errors="replace")

    def sent(self) -> bytes:
        """Return the bytes of the body that are sent."""
        content = self.content()
        return {"closed": b"", "truncated": content[: len(content) // 2]}.get(self.kind, content)


class Answer(NamedTuple):
    """A reply, and what the journal records of it: the envelope, the caller's appKey, the changes."""

    reply: Reply
    envelope: Mapping[str, Any]
    by: str = ""
    changes: tuple[Change, ...] = ()


class Gateway:
    """Answers requests, for the organizations `orgs`."""

    def __init__(self, tokens: Tokens, jobs: OtaJobs, orgs: Collection[str], environment: Environment) -> None:
        self._tokens = tokens
        self._jobs = jobs
        self._orgs = orgs
        self._environment = environment

    def answer(self, request: Request) -> Answer:
        """Answer a request; raises nothing, an internal error of the simulator is 99500."""
        if request.path in {TOKEN_GET, TOKEN_REFRESH}:
            envelope = self._answer_token(request)
            return Answer(Reply(200, envelope), envelope)
        if request.path == OTA_JOBS:
            return self._answer_job(request)
        envelope = self._envelope(Code.NOT_FOUND, f"no such path: {request.path}")
        return Answer(Reply(_NOT_FOUND, envelope), envelope)

    def _answer_token(self, request: Request) -> dict[str, Any]:
        try:
            body = _token_body(request)
            token, seconds = self._tokens.get(body) if request.path == TOKEN_GET else self._tokens.refresh(body)
        except RejectedError as refusal:
            return _rejection(refusal)
        except Exception:  # noqa: BLE001 - a caller always gets a documented answer
            return _rejection(RejectedError(TokenCode.INTERNAL, "internal error"))
        data = {"accessToken": token, "expire": seconds}
        return {"status": 0, "msg": "SUCCESS", "business": "apim-token-service", "data": data}

    def _answer_job(self, request: Request) -> Answer:
        switches = self._environment.switches
        http, by = 200, ""
        changes: tuple[Change, ...] = ()
        try:
            app = self._tokens.check(request.headers, request.query, request.body)
            by = app.app_key
            done = self._call(app, request)
            envelope, changes = self._envelope(Code.OK, "OK", done), done.changes
        except RejectedError as refusal:
            http, envelope = switches.gateway_http, _rejection(refusal)
        except BusinessError as refusal:
            http, envelope = switches.business_http, self._envelope(refusal.code, refusal.msg)
            if isinstance(refusal, PartialCancelError):
                changes = refusal.changes
        except Exception:  # noqa: BLE001 - a caller always gets a documented answer
            http, envelope = 500, self._envelope(Code.INTERNAL, "Internal Server Error")
        own = http == _UNAUTHORIZED and switches.gateway_form == "message"
        return Answer(Reply(http, gateway_message(http) if own else envelope), envelope, by, changes)

    def _call(self, app: App, request: Request) -> CallResult:
        action = request.parameter("action")
        self._check_access(app, action, request)
        org_id, job_id = request.parameter("orgId"), request.parameter("jobId")
        jobs = self._jobs
        calls: dict[str, Callable[[], CallResult]] = {
            "get": lambda: jobs.get(org_id, job_id),
            "search": lambda: jobs.search(org_id, _json_object(request)),
            "searchTask": lambda: jobs.search_task(org_id, _json_object(request)),
            "cancelTask": lambda: jobs.cancel_task(org_id, job_id, _json_object(request)),
            "retryTask": lambda: jobs.retry_task(org_id, job_id, _json_object(request)),
            "start": lambda: jobs.set_status(org_id, job_id, "started"),
            "stop": lambda: jobs.set_status(org_id, job_id, "stopped"),
        }
        return calls[action]()

    def _check_access(self, app: App, action: str, request: Request) -> None:
        if not action:
            raise invalid("action", "action is missing")
        if action not in _ACTIONS:
            raise invalid("action", f"action {action} is not supported")
        method, permission = _ACTIONS[action]
        # Official samples use either method for every action [S].
        if request.method not in ({method} if self._environment.switches.strict_method == "on" else _METHODS):
            raise invalid("action", f"action {action} is not supported with method {request.method}")
        org_id = request.parameter("orgId")
        if not org_id:
            raise invalid("orgId", "orgId is missing")
        if org_id not in self._orgs:
            raise invalid("orgId", "  orgId does not exist")  # the blanks are in the documented text
        if (app.orgs is not None and org_id not in app.orgs) or permission not in app.permissions:
            raise BusinessError(Code.DENIED, f"Denied resource:  orgId {org_id}")

    def _envelope(self, code: Code, msg: str, done: CallResult | None = None) -> dict[str, Any]:
        envelope = {
            "code": int(code),
            "msg": msg,
            "requestId": self._environment.new_id(),
            "data": done.data if done else None,
        }
        if done and done.pagination:
            envelope["pagination"] = done.pagination
        return envelope


def operation_of(request: Request) -> str:
    """Return the operation: `token/get`, `cancelTask`, …; `unknown` if the simulator has no such call."""
    if request.path in {TOKEN_GET, TOKEN_REFRESH}:
        return request.path.partition("/v2.0/")[2]
    action = request.parameter("action")
    return action if request.path == OTA_JOBS and action in _ACTIONS else "unknown"


def gateway_message(http: int) -> dict[str, Any]:
    """Build an error of the gateway itself: the text [D] in the form of Kong, whose text it is [I]."""
    return {"message": GATEWAY_ERRORS[http]}


def sent_keys(request: Request) -> tuple[str, ...] | None:
    """Return the device keys in the body of a request; None if there are no readable ones."""
    return device_keys(_loads(request.body)) if request.body else None


def _rejection(refusal: RejectedError) -> dict[str, Any]:
    return {"status": int(refusal.code), "msg": refusal.msg, "business": "apim-token-service", "data": None}


def _token_body(request: Request) -> dict[str, Any]:
    if request.method != "POST":
        raise RejectedError(TokenCode.BAD_PARAMETER, f"method {request.method} is not supported")
    try:
        return _json_object(request)
    except BusinessError as refusal:
        raise RejectedError(TokenCode.BAD_PARAMETER, refusal.msg) from None


def _json_object(request: Request) -> dict[str, Any]:
    if not request.body:
        raise invalid("body", "body is missing")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise invalid("body", f"content type must be application/json, not {content_type or 'empty'}")
    body = _loads(request.body)
    if not isinstance(body, dict):
        raise invalid("body", "body is not a JSON object")
    return body


def _loads(body: bytes) -> object:
    """Parse a JSON text; None if it is invalid."""
    try:
        loaded: object = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    return loaded
