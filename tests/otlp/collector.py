"""A collector of OTLP logs and metrics over HTTP, made of OpenTelemetry's own types: what they do not know, or know as another type, is refused.

Prints its port on the first line of stdout, then each request as one line of JSON. With an argument N, the first N requests are
answered with 503.
"""

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

failures = int(sys.argv[1]) if len(sys.argv) > 1 else 0


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        global failures
        body = self.rfile.read(int(self.headers["content-length"]))
        if failures > 0:
            failures -= 1
            self.answer(503, b"")
            return
        try:
            if self.path not in READERS or self.headers["content-type"] != "application/json":
                raise ValueError(f"{self.path}, {self.headers['content-type']}")
            request = READERS[self.path](json.loads(body))
        except Exception as why:
            print(json.dumps({"refused": str(why)}), flush=True)
            self.answer(400, b"")
            return
        print(json.dumps(json_format.MessageToDict(request)), flush=True)
        self.answer(200, b"{}")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def logs(document):
    """OTLP's JSON writes ids in hexadecimal where protobuf's has base64."""
    for resource in document["resourceLogs"]:
        for scope in resource["scopeLogs"]:
            for record in scope["logRecords"]:
                # An empty one is none.
                if record.get("traceId"):
                    trace = bytes.fromhex(record["traceId"])
                    if len(trace) != 16:
                        raise ValueError("a trace id has 16 bytes")
                    record["traceId"] = base64.b64encode(trace).decode()
    return json_format.ParseDict(document, ExportLogsServiceRequest())


def metrics(document):
    return json_format.ParseDict(document, ExportMetricsServiceRequest())


READERS = {"/v1/logs": logs, "/v1/metrics": metrics}


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
