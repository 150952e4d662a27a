"""Requests as nobody should send them, for `serving_fuzz.py`: valid ones, changed at random."""

from __future__ import annotations

import copy
import gzip
import json
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MODEL = "fuzzed"
PATHS = {"predict": "/predict", "invocations": "/invocations", "infer": f"/v2/models/{MODEL}/infer"}
# what a body may have at most, as the endpoint is started
MAX_BODY = 2 * 2**20
VALUES = (
    *(None, True, False, 0, -1, 1.5, 2**63, -(2**63), 10**400, 1e308, -1e308, 5e-324, "", " ", "NaN", "null", "\x00"),
    *("\ud800", "é" * 300, "x" * 100_000, "1e999", "2020-13-45", "٣", [], {}, [[]], {"a": 1}, [None] * 3),
)
# JSON that Python does not write
LITERALS = (
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-1e999",
    b"9" * 5000,
    b"01",
    b"+1",
    b".5",
    b"1.",
    b"0x10",
    b"-",
    b"1e",
    b"tru",
)
ODD_PATHS = (
    *(
        "/",
        "//",
        "/predict/",
        "/PREDICT",
        "/predict?x=1",
        "/predict#part",
        "/predict%00",
        "/pre%64ict",
        "/%2e%2e/etc/passwd",
    ),
    *(
        "/../../etc/passwd",
        "/models/%2e%2e/predict",
        "/models//predict",
        "/models/nobody/predict",
        "/%ff%fe",
        "/%",
        "/%zz",
    ),
    *(
        "/v2/models/nobody/infer",
        f"/v2/models/{MODEL}/versions/9/infer",
        f"/v2/models/{MODEL}/versions/-1",
        "/v2/models",
    ),
    *("/-/routes", "/-/healthz", "/-/", "/docs", "/redoc", "/metrics", "/schema", "/openapi.json", "/v2", "/healthz"),
    *("/predict;a=b", "/predict?" + "a" * 9000, "/" + "a" * 200_000, "/predict\\..", "*", "predict", "/\x7f", "/a b c"),
    *(
        "http://127.0.0.1/predict",
        "http://example.com:80/predict",
        "https://user:pass@x/predict",
        "http:///",
        "//x/predict",
    ),
)
METHODS = (
    "GET",
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "CONNECT",
    "BREW",
    "post",
    "P" * 5000,
    "",
    "G\x01T",
)
ODD_HEADERS = (
    ("Content-Encoding", "br"),
    ("Content-Encoding", "gzip, gzip"),
    ("Content-Encoding", "\xff"),
    ("Content-Type", "text/plain; charset=utf-16"),
    ("Content-Type", "x" * 5000),
    ("Expect", "100-continue"),
    ("Expect", "a miracle"),
    ("Upgrade", "websocket"),
    ("Upgrade", "h2c"),
    ("Connection", "close"),
    ("Connection", "Upgrade, HTTP2-Settings"),
    ("Connection", "content-length"),
    ("Accept-Encoding", "gzip;q=2"),
    ("Host", ""),
    ("Host", "a b"),
    ("Host", "x" * 10_000),
    ("Cookie", "a" * 30_000),
    ("Range", "bytes=5-1"),
    ("Authorization", "Bearer"),
    ("Authorization", "Bearer \xff\xfe"),
    ("Authorization", "Basic " + "A" * 4000),
    ("X-Forwarded-For", "1.2.3.4, " * 500),
    ("Origin", "null"),
    ("Content-Length", "-1"),
    ("Content-Length", "1e3"),
    ("Content-Length", "5, 5"),
    ("Content-Length", "99999999999999999999999"),
    ("Content-Length", ""),
    ("Transfer-Encoding", "identity"),
    ("Transfer-Encoding", "chunked, gzip"),
    ("Transfer-Encoding", "\x0bchunked"),
    ("Bad Name", "1"),
    ("X-Long", "y" * 120_000),
    ("", "nameless"),
    ("X-Null", "a\x00b"),
    ("X-Folded", "a\r\n b"),
)
LENGTHS = ("-1", "0", "1", "3", "99999999", "1e3", "", " 10", "0x10", "\u0661", "9" * 5000, "10, 10", "\xff", "true")
STRANGERS = 0.3
Headers = list[tuple[str, str]]


@dataclass
class Attack:
    """One connection's worth of bytes.

    Attributes:
        kind: which mutation.
        content: what is sent.
        answers: how many the client waits for; it also takes the end of the connection.
        half_close: whether the client says that nothing more will come, and looks for further answers.
        head_only: whether the answers have no bodies.
        stranger: whether a token is needed and there is none, so that nothing may be answered.
    """

    kind: str
    content: bytes
    answers: int = 1
    half_close: bool = False
    head_only: bool = False
    stranger: bool = False


def valid_bodies(schema: Any, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The rows as JSON content for each route."""
    kinds = {"numeric": "FP64", "boolean": "BOOL", "categorical": "BYTES", "datetime": "BYTES"}
    names = [column.name for column in schema.columns]
    inputs = [
        {
            "name": column.name,
            "datatype": kinds[column.kind.value],
            "shape": [len(rows)],
            "data": [row[column.name] for row in rows],
        }
        for column in schema.columns
    ]
    return {
        "predict": [dict(row) for row in rows],
        "invocations": {"dataframe_split": {"columns": names, "data": [[row[name] for name in names] for row in rows]}},
        "infer": {"id": "1", "inputs": inputs},
    }


def request(
    path: str, body: bytes, headers: Sequence[tuple[str, str]] = (), method: str = "POST", **more: Any
) -> bytes:
    """A request as bytes; `length` and `protocol` replace what is right."""
    length = more.get("length", str(len(body)))
    lines = [f"{method} {path} {more.get('protocol', 'HTTP/1.1')}"]
    names = {name.lower() for name, _ in headers}
    lines += [] if "host" in names else ["Host: 127.0.0.1"]
    lines += [] if "content-type" in names else ["Content-Type: application/json"]
    lines += [] if length is None or "content-length" in names else [f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


class Mutator:
    """Makes attacks from valid bodies; the same number gives the same attack."""

    def __init__(self, bodies: Mapping[str, Any], headers: Headers, seed: int) -> None:
        """Takes what to change.

        Args:
            bodies: valid content by route, see `valid_bodies`.
            headers: of all requests, such as a token.
            seed: of everything that is drawn.
        """
        self._bodies = bodies
        self._headers = headers
        self._seed = seed
        self._kinds: list[tuple[Callable[[random.Random], Attack], int]] = [
            (self._structure, 26),
            (self._bytes, 18),
            (self._literals, 6),
            (self._encoding, 5),
            (self._compression, 8),
            (self._nesting, 4),
            (self._size, 3),
            (self._keys, 4),
            (self._header, 7),
            (self._many_headers, 2),
            (self._length, 4),
            (self._chunks, 5),
            (self._method, 4),
            (self._path, 7),
            (self._pipeline, 3),
            (self._protocol, 3),
            (self._binary, 6),
            (self._cut, 1),
        ]

    def attack(self, number: int) -> Attack:
        """The attack of that number."""
        choose = random.Random(f"{self._seed}-{number}")
        kinds, weights = zip(*self._kinds, strict=True)
        (make,) = choose.choices(kinds, weights)
        attack = make(choose)
        if self._headers and choose.random() < STRANGERS:
            for name, value in self._headers:
                line = f"{name}: {value}\r\n".encode()
                other = choose.choice([b"", line[:-3] + b"\r\n", line.replace(b"Bearer", b"Basic"), b"X-" + line])
                attack.content = attack.content.replace(line, other)
            attack.stranger = True
        return attack

    def _content(self, choose: random.Random) -> tuple[str, Any]:
        route = choose.choice(list(self._bodies))
        return PATHS[route], copy.deepcopy(self._bodies[route])

    def _body(self, choose: random.Random) -> tuple[str, bytes]:
        path, content = self._content(choose)
        return path, json.dumps(content).encode()

    def _send(self, kind: str, path: str, body: bytes, headers: Sequence[tuple[str, str]] = (), **more: Any) -> Attack:
        return Attack(kind, request(path, body, [*self._headers, *headers], **more))

    def _structure(self, choose: random.Random) -> Attack:
        path, content = self._content(choose)
        for _ in range(choose.randint(1, 3)):
            content = _changed(content, choose)
        return self._send("structure", path, json.dumps(content).encode())

    def _bytes(self, choose: random.Random) -> Attack:
        path, body = self._body(choose)
        changed = bytearray(body)
        for _ in range(choose.randint(1, 5)):
            at = choose.randrange(len(changed))
            match choose.randrange(4):
                case 0:
                    changed[at] ^= 1 << choose.randrange(8)
                case 1:
                    changed[at : at + choose.randint(1, 30)] = choose.randbytes(choose.randint(0, 30))
                case 2:
                    del changed[at:]
                case _:
                    changed[at:at] = changed[choose.randrange(at + 1) : at]
            changed = changed or bytearray(b"\xff")
        return self._send("bytes", path, bytes(changed))

    def _literals(self, choose: random.Random) -> Attack:
        path, content = self._content(choose)
        content = _replaced(content, "MUTATED", choose)
        return self._send("literals", path, json.dumps(content).encode().replace(b'"MUTATED"', choose.choice(LITERALS)))

    def _encoding(self, choose: random.Random) -> Attack:
        path, body = self._body(choose)
        encoding = choose.choice(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "cp037"])
        changed = body.decode().encode(encoding)
        if choose.random() < 0.3:
            changed = body.replace(b"e", b"\xe9", 3) if choose.random() < 0.5 else body + b"\xc0\x80\xed\xa0\x80"
        return self._send("encoding", path, changed)

    def _compression(self, choose: random.Random) -> Attack:
        path, body = self._body(choose)
        packed = choose.choice([gzip.compress, zlib.compress, lambda data: zlib.compress(data)[2:-4]])(body)
        match choose.randrange(6):
            case 0:
                packed = gzip.compress(b" " * choose.choice([MAX_BODY - 10, 5 * MAX_BODY, 50 * MAX_BODY]))
            case 1:
                packed = packed[: choose.randrange(len(packed))]
            case 2:
                packed = bytes(byte ^ (choose.random() < 0.05) for byte in packed)
            case 3:
                packed = gzip.compress(packed)
            case 4:
                packed += choose.randbytes(20) + packed
            case _:
                pass
        encoding = choose.choice(["gzip", "deflate", "GZIP", "x-gzip", "gzip "])
        return self._send("compression", path, packed, [("Content-Encoding", encoding)])

    def _nesting(self, choose: random.Random) -> Attack:
        path, content = self._content(choose)
        depth = choose.choice([10, 200, 900, 1100, 5000, 100_000])
        opening, closing = choose.choice([(b"[", b"]"), (b'{"a":', b"}"), (b"[[],", b"]")])
        nested = opening * depth + b"1" + (closing * depth if choose.random() < 0.7 else b"")
        if choose.random() < 0.5:
            return self._send("nesting", path, nested)
        changed = json.dumps(_replaced(content, "MUTATED", choose)).encode()
        return self._send("nesting", path, changed.replace(b'"MUTATED"', nested))

    def _size(self, choose: random.Random) -> Attack:
        path, body = self._body(choose)
        wanted = choose.choice([MAX_BODY - 1, MAX_BODY, MAX_BODY + 1, 2 * MAX_BODY, 300_000])
        match choose.randrange(3):
            case 0:
                body += b" " * (wanted - len(body))
            case 1:
                body = b"[" + b",".join([b"{}"] * (wanted // 3)) + b"]"
            case _:
                row = json.dumps(self._bodies["predict"][0]).encode()
                path, body = PATHS["predict"], b"[" + b",".join([row] * (wanted // (len(row) + 1))) + b"]"
        return self._send("size", path, body)

    def _keys(self, choose: random.Random) -> Attack:
        path, body = self._body(choose)
        text = body.decode()
        name = choose.choice(list(self._bodies["predict"][0]))
        key = f'"{name}": '
        changed = text.replace(key, f"{key}{choose.choice(['1', 'null', '[]', '{}'])}, {key}")
        changed = choose.choice([changed, text.replace(name, choose.choice(["", "\\u0000", "x" * 3000, "\\ud800"]))])
        return self._send("keys", path, changed.encode())

    def _header(self, choose: random.Random) -> Attack:
        path, body = self._body(choose)
        headers = choose.sample(ODD_HEADERS, choose.randint(1, 2))
        attack = self._send("header", path, body, headers)
        attack.half_close = choose.random() < 0.1
        return attack

    def _many_headers(self, choose: random.Random) -> Attack:
        path, body = self._body(choose)
        count = choose.choice([50, 101, 500, 5000])
        same_name = choose.random() < 0.5
        headers = [(f"X-{0 if same_name else position}", "v" * choose.randrange(20)) for position in range(count)]
        return self._send("many headers", path, body, headers)

    def _length(self, choose: random.Random) -> Attack:
        path, body = self._body(choose)
        length = choose.choice([len(body) - 1, len(body) + 1, len(body) + 5000, 0, MAX_BODY + 1, 2**31, 2**64, None])
        attack = self._send("length", path, body, length=None if length is None else str(length))
        attack.half_close = choose.random() < 0.3
        return attack

    def _chunks(self, choose: random.Random) -> Attack:
        path, body = self._body(choose)
        size = choose.choice([1, 7, 1000]) if len(body) < 2000 else 1000
        chunks = [body[start : start + size] for start in range(0, len(body), size)]
        coded = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        match choose.randrange(6):
            case 0:
                coded = coded[: choose.randrange(len(coded))]
            case 1:
                coded = coded.replace(b"\r\n", choose.choice([b"\n", b"\r\r\n", b"\r"]), choose.randint(1, 3))
            case 2:
                coded = (
                    choose.choice([b"zz\r\n", b"-1\r\n", b"ffffffffffffffffff\r\n", b"7fffffff\r\n", b"\r\n"]) + coded
                )
            case 3:
                coded = coded[:-2] + b"Trailer: x\r\n" * choose.choice([1, 1000]) + b"\r\n"
            case 4:
                coded = coded.replace(b"\r\n", b";" + b"e" * choose.choice([10, 50_000]) + b"\r\n", 1)
            case _:
                pass
        attack = self._send("chunks", path, coded, [("Transfer-Encoding", "chunked")], length=None)
        if choose.random() < 0.2:
            attack = self._send("chunks", path, coded, [("Transfer-Encoding", "chunked")])
        attack.half_close = choose.random() < 0.3
        return attack

    def _method(self, choose: random.Random) -> Attack:
        path, body = self._body(choose)
        method = choose.choice(METHODS)
        attack = self._send("method", path, choose.choice([body, b""]), method=method)
        attack.head_only = method == "HEAD"
        return attack

    def _path(self, choose: random.Random) -> Attack:
        _, body = self._body(choose)
        path, method = choose.choice(ODD_PATHS), choose.choice(["GET", "POST"])
        return self._send("path", path, body if method == "POST" else b"", method=method)

    def _pipeline(self, choose: random.Random) -> Attack:
        parts = []
        for _ in range(choose.randint(2, 12)):
            path, body = self._body(choose)
            parts.append(request(path, body, self._headers))
        content = b"".join(parts)
        if choose.random() < 0.3:
            content = content[: choose.randrange(len(content))]
        return Attack("pipeline", content, len(parts), half_close=choose.random() < 0.2)

    def _protocol(self, choose: random.Random) -> Attack:
        path, body = self._body(choose)
        protocols = ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.1 ", "HTTP/9.9", "HTTP", "", "ICY/1.0"]
        attack = self._send("protocol", path, body, protocol=choose.choice(protocols))
        if choose.random() < 0.3:
            preface = [
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
                choose.randbytes(400),
            ]
            attack.content = choose.choice(preface)
        attack.half_close = choose.random() < 0.3
        return attack

    def _binary(self, choose: random.Random) -> Attack:
        """Binary tensors of the Open Inference Protocol, with lengths that do not fit."""
        content = copy.deepcopy(self._bodies["infer"])
        tails = []
        for entry in content["inputs"]:
            if choose.random() < 0.5:
                tail = choose.randbytes(choose.choice([0, 1, 8, 8 * entry["shape"][0], 100]))
                size = choose.choice([len(tail), len(tail), len(tail) + 1, -1, 2**40, None, "8", 1.5])
                entry["parameters"] = {"binary_data_size": size}
                if choose.random() < 0.9:
                    entry.pop("data")
                entry["datatype"] = choose.choice(
                    [entry["datatype"], "FP16", "INT8", "UINT64", "BYTES", "BOOL", "FP99", None]
                )
                tails.append(tail)
            if choose.random() < 0.1:
                entry["shape"] = choose.choice([[-1], [2**62], [], [1, 1], [[1]], [1.5], None, "1", [0], [10**30]])
        head = json.dumps(content).encode()
        length = choose.choice([str(len(head)), str(len(head)), choose.choice(LENGTHS)])
        body = head + b"".join(tails)
        return self._send("binary", PATHS["infer"], body, [("Inference-Header-Content-Length", length)])

    def _cut(self, choose: random.Random) -> Attack:
        """A request that stops somewhere, while the client stays."""
        path, body = self._body(choose)
        whole = request(path, body, self._headers)
        return Attack("cut", whole[: choose.randrange(1, len(whole))])


def _changed(content: Any, choose: random.Random) -> Any:
    """One change somewhere in JSON content."""
    if isinstance(content, dict) and content and choose.random() < 0.85:
        key = choose.choice(list(content))
        match choose.randrange(5):
            case 0:
                del content[key]
            case 1:
                content[choose.choice(["", "x", "__proto__", key * 2, "\ud800"])] = content.pop(key)
            case _:
                content[key] = _changed(content[key], choose)
        return content
    if isinstance(content, list) and content and choose.random() < 0.85:
        at = choose.randrange(len(content))
        match choose.randrange(6):
            case 0:
                del content[at]
            case 1:
                content.insert(at, copy.deepcopy(choose.choice(VALUES)))
            case 2:
                content[at:at] = [copy.deepcopy(content[at]) for _ in range(choose.choice([1, 10, 300]))]
            case _:
                content[at] = _changed(content[at], choose)
        return content
    return copy.deepcopy(choose.choice(VALUES))


def _replaced(content: Any, value: Any, choose: random.Random) -> Any:
    """One leaf replaced."""
    if isinstance(content, dict) and content:
        key = choose.choice(list(content))
        return content | {key: _replaced(content[key], value, choose)}
    if isinstance(content, list) and content:
        at = choose.randrange(len(content))
        return [*content[:at], _replaced(content[at], value, choose), *content[at + 1 :]]
    return value
