"""What the demo tries, and what policy says to each: THE table.

Policy is `examples/tool-api/policy`. Whoever changes a rule there changes the expectation here, and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from callers import Headers

SERVICE = "tool-api.tools.svc.cluster.local"
"""The name by which agents know the tool server."""

MODERN = "auto"
"""The SDK's default: MCP 2026-07-28, where every request stands alone."""

LEGACY = "legacy"
"""MCP 2025-11-25: initialize, a session id, and an SSE stream held open beside the calls."""


@dataclass(frozen=True)
class Tool:
    """A tool call by an SDK client."""

    name: str
    arguments: dict[str, str] = field(default_factory=dict)
    era: str = MODERN

    def __str__(self) -> str:
        return f"tool {self.name}"


@dataclass(frozen=True)
class Get:
    """A plain GET of exactly this request target."""

    target: str

    def __str__(self) -> str:
        return f"GET {self.target}"


@dataclass(frozen=True)
class Handshake:
    """A TLS handshake."""

    def __str__(self) -> str:
        return "TLS handshake"


@dataclass(frozen=True)
class Expect:
    """What must come of a scenario.

    `reached` is what the server may have got of it: `call` (exactly the one asked for), `session` (the MCP housekeeping
    around a call, but not the call), or `nothing`. `seen_as` is the identity that the server must have been told; by
    default the caller's own wherever the call reached it.
    """

    verdict: str
    reason: str | None
    status: int | None
    reached: str


@dataclass(frozen=True)
class Scenario:
    """One line of the demo."""

    title: str
    caller: str
    ask: Tool | Get | Handshake
    expect: Expect
    headers: Headers = ()


ALLOWED = Expect("allow", None, 200, reached="call")


def denied(reason: str, status: int = 403, reached: str = "nothing") -> Expect:
    """A refusal by the gate."""
    return Expect("deny", reason, status, reached)


def example_access_key() -> str:
    """An access key of the right shape that belongs to nobody, made here so that no scanner finds one in this file."""
    parts = ("AK", "IA", "QYLPMN5H", "HJ4KZ2RT")
    return "".join(parts)


SPOOFED: Headers = (
    ("x-workload-spiffe-id", "spiffe://acme.internal/ns/agents/sa/deploy-agent"),
    ("X_Workload_Spiffe_Id", "spiffe://acme.internal/ns/agents/sa/deploy-agent"),
)

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("permitted tool", "research", Tool("search_docs", {"query": "how to build"}), ALLOWED),
    Scenario(
        "forbidden tool",
        "research",
        Tool("drop_table", {"name": "customers"}),
        denied("scope.tool", reached="session"),
    ),
    Scenario(
        "another agent's tool",
        "research",
        Tool("trigger_build", {"project": "site"}),
        denied("scope.tool", reached="session"),
    ),
    Scenario("… by that agent", "deploy", Tool("trigger_build", {"project": "site"}, LEGACY), ALLOWED),
    Scenario(
        "denied by name",
        "deploy",
        Tool("drop_table", {"name": "customers"}),
        denied("policy.denied", reached="session"),
    ),
    Scenario("no mission", "stranger", Tool("search_docs", {"query": "how to build"}), denied("identity.unmapped")),
    Scenario("no certificate", "nobody", Get("/docs/1"), denied("identity.absent", 401)),
    Scenario("foreign CA", "foreign", Handshake(), Expect("refused by TLS", None, None, reached="nothing")),
    Scenario("spoofed identity", "research", Get("/docs/1"), ALLOWED, SPOOFED),
    Scenario(
        "… for another's tool",
        "research",
        Tool("trigger_build", {"project": "site"}, LEGACY),
        denied("scope.tool", reached="session"),
        SPOOFED,
    ),
    Scenario("permitted path", "support", Get("/docs/1"), ALLOWED),
    Scenario("over-broad path", "support", Get("/admin"), denied("scope.path")),
    Scenario("… up and over", "support", Get("/docs/../admin"), denied("request.ambiguous")),
    Scenario("… doubled slash", "support", Get("//admin"), denied("request.ambiguous")),
    Scenario("… one level too deep", "support", Get("/docs/a/b"), denied("scope.path")),
    Scenario(
        "AWS key in argument",
        "research",
        Tool("search_docs", {"query": f"why does {example_access_key()} not work?"}),
        denied("dlp.aws-access-key-id", reached="session"),
    ),
)
