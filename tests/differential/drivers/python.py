"""Python's JSON parsers. Argument: json, or pydantic (what the MCP SDK for Python reads messages with).

src/parser.rs says what is read and written, src/canonical.rs what the canonical form is.
"""

import hashlib
import json
import platform
import struct
import sys


def canonical(value, out):
    if value is None:
        out.append(b"n")
    elif value is True:
        out.append(b"t")
    elif value is False:
        out.append(b"f")
    elif isinstance(value, str):
        text = value.encode()
        out.append(b"s%d:%s" % (len(text), text))
    elif isinstance(value, int):
        exact = abs(value) <= 1 << 53 or int(float(value)) == value
        out.append(b"d" + struct.pack(">d", value).hex().encode() if exact else b"i%d" % value)
    elif isinstance(value, float):
        out.append(b"d" + struct.pack(">d", value).hex().encode())
    elif isinstance(value, list):
        out.append(b"a%d:" % len(value))
        for item in value:
            canonical(item, out)
    else:
        out.append(b"o%d:" % len(value))
        for key in sorted(value):  # code points sort as their UTF-8 does
            canonical(key, out)
            canonical(value[key], out)


def parser(name):
    if name == "json":
        return json.loads, f"Python {platform.python_version()} json"
    import pydantic_core

    return pydantic_core.from_json, f"pydantic-core {pydantic_core.__version__} from_json"


def main():
    parse, version = parser(sys.argv[1])
    show = sys.argv[-1] == "show"
    read, write = sys.stdin.buffer.read, sys.stdout.buffer.write
    write(version.encode() + b"\n")
    sys.stdout.buffer.flush()
    while head := read(4):
        lines = []
        for _ in range(int.from_bytes(head, "big")):
            body = read(int.from_bytes(read(4), "big"))
            try:
                out = []
                canonical(parse(body), out)
                form = b"".join(out)
                lines.append(form.hex() if show else hashlib.sha256(form).hexdigest())
            except (ValueError, RecursionError) as why:
                lines.append("- " + repr(why).encode("ascii", "replace").decode()[:78])
        write("\n".join(lines).encode() + b"\n")
        sys.stdout.buffer.flush()


main()
