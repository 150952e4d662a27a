"""What a body says it is, and what a client wants to have."""

from __future__ import annotations

from email.message import Message
from enum import StrEnum

from starlette.types import Scope

from orchestrator.columns.csv_wish import PLAIN_CSV, CsvWish
from orchestrator.serving.http.asgi import HttpError, header

BINARY_HEADER = b"inference-header-content-length"
JSON, CSV = "application/json", "text/csv"
# what clients say of JSON that were not told to say something, such as `curl -d`
UNSAID = frozenset({"", "text/plain", "application/x-www-form-urlencoded", "application/octet-stream", "text/json"})
CSV_TYPES = frozenset({CSV, "application/csv", "text/x-csv", "text/tab-separated-values"})
USUAL_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
LONGEST = 200


class BodyForm(StrEnum):
    """How the rows of a body are written."""

    JSON = "JSON"
    BINARY = "JSON with binary tensors behind it"
    CSV = "CSV"


def rows_form(scope: Scope) -> BodyForm:
    """Of the body of `/predict` or `/invocations`. Raises HttpError, 415, for anything but JSON and CSV."""
    media_type = _media_type(scope)
    if media_type in CSV_TYPES:
        return BodyForm.CSV
    if _is_json(media_type):
        return BodyForm.JSON
    raise _unknown(media_type, f"{JSON} or {CSV}")


def csv_wish(scope: Scope) -> CsvWish:
    """What the header says of a body in CSV: its encoding, where that is another one than UTF-8.

    Raises:
        HttpError: 415 for an encoding that is not known.
    """
    if _media_type(scope) not in CSV_TYPES:
        return PLAIN_CSV
    content = Message()
    content["content-type"] = (header(scope, b"content-type") or b"").decode("latin-1")
    charset = str(content.get_param("charset") or "").strip()
    # many clients say UTF-8 of anything; then the bytes tell
    if charset.lower().replace("_", "-") in USUAL_CHARSETS:
        return PLAIN_CSV
    try:
        return CsvWish(encoding=charset)
    except ValueError:
        shown = charset[:LONGEST].encode("ascii", "backslashreplace").decode()
        raise HttpError(
            415, f"the charset {shown} is not known; send UTF-8 (header Content-Type)", reason="content_type"
        ) from None


def tensors_form(scope: Scope) -> BodyForm:
    """Of the body of `/v2/models/NAME/infer`. Raises HttpError, 415, for anything but JSON with or without tensors."""
    media_type = _media_type(scope)
    if not _is_json(media_type):
        raise _unknown(media_type, f"{JSON}, or application/octet-stream with binary tensors; {CSV} goes to /predict")
    return BodyForm.JSON if header(scope, BINARY_HEADER) is None else BodyForm.BINARY


def wants_csv(scope: Scope) -> bool:
    """Whether a client would rather have CSV than JSON (RFC 9110, 12.5.1)."""
    accept = (header(scope, b"accept") or b"")[: 10 * LONGEST].decode("latin-1").lower()
    weights: dict[str, float] = {}
    for item in accept.split(","):
        media_type, *parameters = (part.strip() for part in item.split(";"))
        weight = next((value for name, _, value in (part.partition("=") for part in parameters) if name == "q"), "1")
        try:
            weights.setdefault(media_type, float(weight))
        except ValueError:
            continue
    wished = weights.get(CSV, 0.0)
    others = max((weights[name] for name in (JSON, "application/*") if name in weights), default=0.0)
    return wished > 0 and (wished > others or (wished == others and next(iter(weights)) == CSV))


def _media_type(scope: Scope) -> str:
    value = header(scope, b"content-type") or b""
    return value.decode("latin-1").partition(";")[0].strip().lower()


def _is_json(media_type: str) -> bool:
    return media_type == JSON or media_type in UNSAID or media_type.endswith("+json")


def _unknown(media_type: str, taken: str) -> HttpError:
    shown = media_type[:LONGEST].encode("ascii", "backslashreplace").decode()
    return HttpError(
        415, f"a body of the type {shown} is not taken; send {taken} (header Content-Type)", reason="content_type"
    )
