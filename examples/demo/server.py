"""The tool server that the demo puts behind the gate.

One Starlette application on one loopback port: an MCP endpoint at `/mcp`, made with the official Python SDK, and three
plain REST routes beside it. It checks nothing: every refusal that the demo shows is the gate's.

It tells its parent, as JSON lines on stdout, first `{"port": N}` and then of each request that reached it: once when
its headers arrive, and for an MCP call again when its body is complete. It stops when its stdin closes.

Limits: 127.0.0.1 only; bodies up to the SDK's 4 MiB; keeps nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import socket
import sys
from collections.abc import Iterable
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

IDENTITY_HEADER = "x-workload-spiffe-id"
"""The header in which the gate tells the server who calls."""

CASE_HEADER = "x-demo-case"
"""The header by which the demo tells its own scenarios apart; the gate has no meaning for it."""

Json = dict[str, Any]


def text(header: bytes) -> str:
    """HTTP header bytes as text, byte for byte."""
    return header.decode("latin-1")


def seen_callers(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """Every copy of the identity header, also those spelt with other case or underscores, in order of arrival."""
    return [text(value) for name, value in headers if text(name).lower().replace("_", "-") == IDENTITY_HEADER]


def tool_server() -> MCPServer:
    """The MCP half: four tools, each of which returns whom it took the caller for."""
    server = MCPServer("tool-api", version="1.0.0", log_level="WARNING")

    def answer(ctx: Context[Any, Any], **result: Any) -> Json:
        request = ctx.request_context.request
        headers = request.headers.raw if request is not None else []
        return {**result, "caller": seen_callers(headers)}

    @server.tool()
    def search_docs(query: str, ctx: Context[Any, Any]) -> Json:
        """Search the documentation."""
        return answer(ctx, hits=[f"docs/1 mentions {len(query.split())} of your words"])

    @server.tool()
    def fetch_doc(id: str, ctx: Context[Any, Any]) -> Json:
        """Fetch one document."""
        return answer(ctx, id=id, text="How to build")

    @server.tool()
    def trigger_build(project: str, ctx: Context[Any, Any]) -> Json:
        """Start a build."""
        return answer(ctx, project=project, build=7)

    @server.tool()
    def drop_table(name: str, ctx: Context[Any, Any]) -> Json:
        """Delete a table (it only says so)."""
        return answer(ctx, dropped=name)

    return server


async def doc(request: Request) -> JSONResponse:
    """`GET /docs/{id}`"""
    return reply(request, id=request.path_params["id"], text="How to build")


async def build(request: Request) -> JSONResponse:
    """`GET /builds/{id}`"""
    return reply(request, id=request.path_params["id"], state="green")


async def admin(request: Request) -> JSONResponse:
    """`GET /admin`, which nobody in the example policy may use."""
    return reply(request, secrets="all of them")


def reply(request: Request, **body: Any) -> JSONResponse:
    """A REST answer that says whom the server took the caller for."""
    return JSONResponse({**body, "caller": seen_callers(request.headers.raw)})


REST_ROUTES = (Route("/docs/{id}", doc), Route("/builds/{id}", build), Route("/admin", admin))


def mcp_operation(body: bytes) -> str:
    """`tools/call search_docs`, `initialize`, …: what a JSON-RPC body asks for."""
    try:
        message = json.loads(body)
        method = str(message["method"])
    except (ValueError, TypeError, KeyError):
        return "unreadable JSON-RPC"
    params = message.get("params")
    name = params.get("name") if isinstance(params, dict) else None
    return f"{method} {name}" if name is not None else method


class Arrivals:
    """ASGI wrapper that reports every request it passes on, without changing it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        arrival: Json = {
            "number": next(self._numbers),
            "case": self._case(scope),
            "operation": f"{scope['method']} {text(scope['raw_path'])}",
            "callers": seen_callers(scope["headers"]),
        }
        tell(arrival)
        if scope["path"] == "/mcp" and scope["method"] == "POST":
            receive = self._reading(arrival, receive)
        await self._app(scope, receive, send)

    @staticmethod
    def _case(scope: Scope) -> str | None:
        return next((text(value) for name, value in scope["headers"] if text(name) == CASE_HEADER), None)

    @staticmethod
    def _reading(arrival: Json, receive: Receive) -> Receive:
        """Name the operation as soon as the whole body has been handed on."""
        body = bytearray()

        async def wrapped() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    tell({**arrival, "operation": mcp_operation(bytes(body))})
            return message

        return wrapped


def tell(line: Json) -> None:
    """One JSON line to the parent; a parent that is gone is noticed by `until_stdin_closes`."""
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(line), flush=True)


async def until_stdin_closes(server: uvicorn.Server) -> None:
    """Ask the HTTP server to stop when the parent goes away, however it goes."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(4096):
        pass
    server.should_exit = True


async def serve(hosts: list[str]) -> None:
    """Listen on a free loopback port, say which, and serve until stdin closes."""
    # The SDK refuses foreign Host headers (DNS rebinding); behind a gate the service's own names arrive.
    security = TransportSecuritySettings(allowed_hosts=[*hosts, "127.0.0.1:*"])
    app = tool_server().streamable_http_app(transport_security=security)
    app.router.routes.extend(REST_ROUTES)
    config = uvicorn.Config(
        Arrivals(app), log_level="warning", access_log=False, timeout_graceful_shutdown=2, server_header=False
    )
    server = uvicorn.Server(config)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        tell({"port": listener.getsockname()[1]})
        watch = asyncio.create_task(until_stdin_closes(server))
        await server.serve(sockets=[listener])
        watch.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description="An MCP and REST server for the demo, on a free loopback port.")
    parser.add_argument("--host", action="append", default=[], help="a Host header to accept (may be repeated)")
    asyncio.run(serve(parser.parse_args().host))


if __name__ == "__main__":
    main()
