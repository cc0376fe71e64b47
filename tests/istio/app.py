"""The governed workload of the interop run: a tool server that writes down what reaches it, a line of JSON a request.

    app.py PORT FILE

MCP calls get a result in MCP's form, with the credential that the query asks for, made up. All else gets a small JSON object.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


CREDENTIALS = {"aws": "it is " + "AKIA" + "Z7QK3M5XW2TNB4VD", "github": "it is gh" + "p_q7Zp2Lx9Vb4Nc8Md" + "1Ks6Jh3Gf5Td0RwEy7Uu"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one(self) -> None:
        seen = {"method": self.command, "path": self.path, "headers": [[k.lower(), v] for k, v in self.headers.items()]}
        # Written before the body is read: a request that is broken off must be seen, too.
        self.server.note({**seen, "part": "head"})
        body = self.body()
        self.server.note({**seen, "part": "whole", "length": len(body)})
        answer = json.dumps(self.answer(body)).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = handle_one

    def body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self, body: bytes) -> object:
        if self.path != "/mcp":
            return {"path": self.path}
        call = json.loads(body)
        text = CREDENTIALS.get(call["params"]["arguments"].get("q"), "found nothing")
        return {"jsonrpc": "2.0", "id": call["id"], "result": {"content": [{"type": "text", "text": text}]}}

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def note(self, seen: dict) -> None:
        with open(sys.argv[2], "a") as file:
            file.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    Server(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
