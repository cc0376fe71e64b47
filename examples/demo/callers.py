"""The callers of the demo: real MCP SDK clients, plain HTTPS clients and a bare TLS client, all through the gate.

Every caller presents one certificate (or none) and talks to the service by its mesh name, while the connection goes to
the gate on this machine, as `curl --connect-to` would do. What comes back is a `Reply`: what the caller could see.

Limits: CALL_SECONDS for one call with everything it needs; a refusal's body is read up to what httpx2 buffers.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from server import CASE_HEADER

CALL_SECONDS = 20.0
"""One call, the SDK's handshake included; a gate that does not answer by then is an error, not a verdict."""

ALERT_SECONDS = 2.0
"""How long a TLS peer may take to reject a certificate after its side of the handshake (in TLS 1.3 it does so late)."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Identity:
    """A caller's certificate files, and the SPIFFE ID in them."""

    name: str
    spiffe_id: str
    certificate: Path
    key: Path


@dataclass(frozen=True)
class Gate:
    """Where the gate listens, what its certificate is called, and which service is behind it."""

    address: str
    port: int
    server_name: str
    ca: Path
    service: str

    def tls(self, identity: Identity | None) -> ssl.SSLContext:
        """Trusts the playground's CA only; presents `identity`, if any."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        return context


@dataclass(frozen=True)
class Reply:
    """What a caller saw of its call.

    `verdict` is `allow`, `deny`, `refused by TLS`, or `failed` with the cause in `detail`; `seen_as` is every identity
    that the server said it was told; `answers` is how many answers there were to its requests, those around the call too.
    """

    verdict: str
    reason: str | None = None
    status: int | None = None
    milliseconds: float = 0.0
    seen_as: tuple[str, ...] = ()
    detail: str = ""
    answers: int = 0


@dataclass
class Exchange:
    """One HTTP exchange as it was on the wire."""

    request: httpx2.Request
    status: int
    milliseconds: float
    body: Any

    @property
    def is_tool_call(self) -> bool:
        """Whether this was the call itself, not the session around it."""
        return b'"tools/call"' in self.request.content


class ToGate(httpx2.AsyncHTTPTransport):
    """Sends every request to the gate, whatever host its URL names; `Host` stays as it was."""

    def __init__(self, gate: Gate, identity: Identity | None) -> None:
        super().__init__(verify=gate.tls(identity), trust_env=False)
        self._gate = gate

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await super().handle_async_request(
            httpx2.Request(
                request.method,
                request.url.copy_with(host=self._gate.address, port=self._gate.port),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": self._gate.server_name},
            )
        )


class Tap:
    """Keeps what was answered on the wire: the SDK shows its callers neither status nor a plain JSON refusal."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []

    def hooks(self) -> dict[str, list[Any]]:
        """For `AsyncClient(event_hooks=…)`."""
        return {"request": [self._asked], "response": [self._answered]}

    @staticmethod
    async def _asked(request: httpx2.Request) -> None:
        request.extensions["asked_at"] = time.perf_counter()

    async def _answered(self, response: httpx2.Response) -> None:
        took = (time.perf_counter() - response.request.extensions["asked_at"]) * 1000
        body = None
        if response.is_error:
            await response.aread()
            body = as_json(response)
        self.exchanges.append(Exchange(response.request, response.status_code, took, body))

    def deciding(self) -> Exchange | None:
        """The tool call's exchange; where it never came to the call, the last one before."""
        calls = [exchange for exchange in self.exchanges if exchange.is_tool_call]
        return next(reversed(calls or self.exchanges), None)


def request_id(case: str) -> str:
    """The `x-request-id` of everything that belongs to `case`."""
    return f"00000000-0000-4000-8000-{int(case):012d}"


def client(gate: Gate, identity: Identity | None, case: str, headers: Headers, tap: Tap) -> httpx2.AsyncClient:
    """An HTTP client that presents `identity` and marks its requests as belonging to `case`."""
    return httpx2.AsyncClient(
        transport=ToGate(gate, identity),
        trust_env=False,
        headers=[(CASE_HEADER, case), ("x-request-id", request_id(case)), *headers],
        timeout=CALL_SECONDS,
        event_hooks=tap.hooks(),
    )


async def call_tool(
    gate: Gate, identity: Identity | None, case: str, tool: str, arguments: dict[str, str], era: str, headers: Headers
) -> Reply:
    """Calls a tool with an SDK client: connect, negotiate, call, disconnect."""
    tap = Tap()
    failure: BaseException | None = None
    seen_as: tuple[str, ...] = ()
    async with client(gate, identity, case, headers, tap) as http:
        endpoint = streamable_http_client(f"https://{gate.service}/mcp", http_client=http)
        try:
            async with Client(endpoint, mode=era, read_timeout_seconds=CALL_SECONDS) as session:
                result = await session.call_tool(tool, arguments)
            seen_as = tuple((result.structured_content or {}).get("caller", ()))
            if result.is_error:
                failure = RuntimeError(f"the tool failed: {result.content}")
        except* (MCPError, httpx2.HTTPError, OSError, TimeoutError) as group:
            failure = next(leaves(group))
    exchange = tap.deciding()
    if exchange is None:
        return Reply("failed", detail=f"no answer: {failure!r}")
    answers = len(tap.exchanges)
    # A refused call must be told to the SDK's caller; who is turned away before any call is told by HTTP alone.
    told = reason_of_error(failure) if exchange.is_tool_call else reason_in(exchange.body)
    detail = "" if failure is None else str(failure)
    return replace(judged(exchange.status, told, exchange.milliseconds, seen_as, detail), answers=answers)


async def get(gate: Gate, identity: Identity | None, case: str, target: str, headers: Headers) -> Reply:
    """A plain GET; `target` is put on the request line exactly as it is, dots, slashes and all."""
    tap = Tap()
    async with client(gate, identity, case, headers, tap) as http:
        try:
            response = await http.get(f"https://{gate.service}/", extensions={"target": target.encode()})
        except httpx2.HTTPError as error:
            return Reply("failed", detail=f"no answer: {error!r}")
    body = as_json(response)
    seen_as = tuple(body.get("caller", ())) if isinstance(body, dict) else ()
    detail = "" if response.is_success else response.text[:200]
    took = tap.exchanges[-1].milliseconds
    return replace(judged(response.status_code, reason_in(body), took, seen_as, detail), answers=len(tap.exchanges))


async def shake_hands(gate: Gate, identity: Identity) -> Reply:
    """A TLS handshake and nothing else, waiting for the peer to reject our certificate.

    Nothing is sent, because a peer that closes with data unread resets the connection and may lose its own alert.
    """
    return await asyncio.to_thread(_shake_hands, gate, identity)


def _shake_hands(gate: Gate, identity: Identity) -> Reply:
    started = time.perf_counter()
    try:
        with (
            socket.create_connection((gate.address, gate.port), timeout=ALERT_SECONDS) as plain,
            gate.tls(identity).wrap_socket(plain, server_hostname=gate.server_name) as tls,
        ):
            if not tls.recv(1):
                return Reply("failed", detail="the connection was closed without an alert")
            return Reply("failed", detail="the gate spoke first")
    except ssl.SSLCertVerificationError as error:
        return Reply("failed", detail=f"we refused the gate's certificate: {error}")
    except ssl.SSLError as error:
        took = (time.perf_counter() - started) * 1000
        alert = str(error.reason)
        about_us = "UNKNOWN_CA" in alert or "CERTIFICATE" in alert
        return Reply("refused by TLS" if about_us else "failed", milliseconds=took, detail=alert)
    except TimeoutError:
        return Reply("allow", detail="the handshake was accepted")
    except OSError as error:
        return Reply("failed", detail=f"no alert: {error!r}")


def judged(status: int, reason: str | None, milliseconds: float, seen_as: tuple[str, ...], detail: str) -> Reply:
    """A refusal is a refusal only if it says why; anything else that is not a success is a failure."""
    if reason is not None and status >= 400:
        verdict = "deny"
    elif reason is None and status < 400 and not detail:
        verdict = "allow"
    else:
        verdict = "failed"
    return Reply(verdict, reason, status, milliseconds, seen_as, detail)


def reason_in(body: Any) -> str | None:
    """The reason code of a refusal: `reason`, or `error.data.reason` in a JSON-RPC error."""
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    data = error.get("data") if isinstance(error, dict) else body
    reason = data.get("reason") if isinstance(data, dict) else None
    return reason if isinstance(reason, str) else None


def reason_of_error(error: BaseException | None) -> str | None:
    """The reason code that the SDK handed to its caller."""
    if not isinstance(error, MCPError) or not isinstance(error.error.data, dict):
        return None
    reason = error.error.data.get("reason")
    return reason if isinstance(reason, str) else None


def as_json(response: httpx2.Response) -> Any:
    """The body, or nothing if it is not JSON."""
    try:
        return response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """The single exceptions in a nest of groups."""
    for inner in group.exceptions:
        if isinstance(inner, BaseExceptionGroup):
            yield from leaves(inner)
        else:
            yield inner
