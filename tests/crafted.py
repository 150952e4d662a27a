"""Archives as an attacker would write them, and a process in which nobody may unpickle."""

from __future__ import annotations

import copy
import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

END = struct.Struct("<4s4H2LH")
ENTRY = struct.Struct("<4s6H3L5H2L")
SAMPLE_MEMBER = "network/data/sample_inputs/model.pt"

# for `python -c`: whatever would unpickle, or open an archive in torch's way, ends in `touched`
CANARY = """
import pickle, torch, torch._export.serde.serialize, torch._weights_only_unpickler as careful
touched = []
def trap(place, name):
    inner = getattr(place, name)
    def sprung(*arguments, **options):
        touched.append(name)
        raise RuntimeError(f"canary: {name}")
    setattr(place, name, sprung)
class Unpickler(pickle.Unpickler):
    def __init__(self, *arguments, **options):
        touched.append("Unpickler")
        raise RuntimeError("canary: Unpickler")
pickle.Unpickler = Unpickler
for name in ("find_class", "load", "load_build"):
    trap(pickle._Unpickler, name)
for code, function in list(pickle._Unpickler.dispatch.items()):
    if function.__name__ in ("load_reduce", "load_global", "load_stack_global", "load_inst", "load_obj", "load_newobj"):
        pickle._Unpickler.dispatch[code] = lambda self, name=function.__name__: touched.append(name)
for place, names in (
    (pickle, ("load", "loads")),
    (careful, ("load", "Unpickler")),
    (torch, ("load",)),
    (torch.serialization, ("load", "_load", "_legacy_load")),
    (torch._C, ("PyTorchFileReader", "_pickle_load_obj")),
    (torch.export, ("load",)),
    (torch.jit, ("load",)),
):
    for name in names:
        trap(place, name)
"""


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def members_of(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {member.filename: opened.read(member) for member in opened.infolist()}


def stored(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """An honest archive of these members."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return written.getvalue()


def split(archive: bytes) -> tuple[bytes, list[bytes], tuple]:
    """Of what `stored` wrote: members, directory entries, end record."""
    end = END.unpack(archive[-END.size :])
    size, offset = end[5], end[6]
    directory, entries = archive[offset : offset + size], []
    while directory:
        fields = ENTRY.unpack_from(directory)
        length = ENTRY.size + fields[10] + fields[11] + fields[12]
        entries.append(directory[:length])
        directory = directory[length:]
    return archive[:offset], entries, end


def joined(body: bytes, entries: list[bytes], suffix: bytes = b"", **changes: int) -> bytes:
    directory = b"".join(entries)
    fields = {"disk": 0, "first": 0, "here": len(entries), "all": len(entries)}
    fields |= {"size": len(directory), "offset": len(body), "comment": len(suffix)} | changes
    numbers = [value & (0xFFFF if name not in ("size", "offset") else 0xFFFFFFFF) for name, value in fields.items()]
    return body + directory + END.pack(b"PK\x05\x06", *numbers) + suffix


def moved(entry: bytes, by: int) -> bytes:
    fields = list(ENTRY.unpack_from(entry))
    fields[16] += by
    return ENTRY.pack(*fields) + entry[ENTRY.size :]


def two_directories(honest: dict[str, bytes], evil: dict[str, bytes]) -> bytes:
    """An archive that shows `honest` to Python's zipfile and `evil` (the same names) to torch."""
    shown, entries, _ = split(stored(honest))
    hidden, others, _ = split(stored(evil))
    padding = bytes(len(shown))
    offset = len(padding) + len(hidden)
    body = padding + hidden + b"".join(moved(entry, len(padding)) for entry in others) + shown
    return joined(body, [moved(entry, offset - len(shown)) for entry in entries], offset=offset)


def attack(archive: bytes, touched: Path) -> bytes:
    """The archive with a second directory, in which the sample inputs are a pickle that makes a file."""
    honest = members_of(archive)
    return two_directories(honest, honest | {SAMPLE_MEMBER: pickle.dumps(Touch(touched))})


# --- mutations, for the fuzz

NUMBERS = (0, 1, 2, 8, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
NAMES = ("../x", "/x", "network/../x", "network\\x", "network/\0x", "", "x", "NETWORK/MODELS/MODEL.JSON", "network//x")
NAMES += ("other/models/model.json", "network/models/model.json\0.txt", "network/data/weights/model.pt", "network/é")
VALUES = (None, True, -1, 0, 2**31, 2**63, 10**30, 1.5, "", "x", "../x", "weight_0", [], {}, [[]], {"as_int": -1})
VALUES += ({"as_int": 2**40}, {"as_expr": {"expr_str": "9**9**9**9", "hint": None}}, "torch.load", "#x", "cuda")


def flip(archive: bytes, draw: random.Random) -> bytes:
    content = bytearray(archive)
    start = draw.choice((0, max(0, len(content) - 2000), max(0, len(content) - 30)))
    for _ in range(draw.randint(1, 4)):
        content[draw.randrange(start, len(content))] = draw.randrange(256)
    return bytes(content)


def cut(archive: bytes, draw: random.Random) -> bytes:
    junk = draw.randbytes(draw.randint(1, 60))
    return draw.choice(
        (archive[: draw.randrange(len(archive))], archive[draw.randrange(99) :], junk + archive, archive + junk)
    )


def end_record(archive: bytes, draw: random.Random) -> bytes:
    body, entries, _ = split(archive)
    field = draw.choice(("disk", "first", "here", "all", "size", "offset", "comment"))
    suffix = draw.choice((b"", b"", b"comment", END.pack(b"PK\x05\x06", 0, 0, 1, 1, 46, 0, 0)))
    return joined(body, entries, suffix, **{field: draw.choice((*NUMBERS, len(body), len(body) - 1))})


def directory_field(archive: bytes, draw: random.Random) -> bytes:
    body, entries, _ = split(archive)
    place = draw.randrange(len(entries))
    fields = list(ENTRY.unpack_from(entries[place]))
    field = draw.randrange(1, len(fields))
    limit = 0xFFFFFFFF if field in (7, 8, 9, 15, 16) else 0xFFFF
    fields[field] = draw.choice((*NUMBERS, fields[field] ^ (1 << draw.randrange(16)))) & limit
    entries[place] = ENTRY.pack(*fields) + entries[place][ENTRY.size :]
    return joined(body, entries)


def local_header(archive: bytes, draw: random.Random) -> bytes:
    body, entries, _ = split(archive)
    start = ENTRY.unpack_from(draw.choice(entries))[16]
    content = bytearray(body)
    content[start + draw.randrange(40)] = draw.randrange(256)
    return joined(bytes(content), entries)


def repeated(archive: bytes, draw: random.Random) -> bytes:
    body, entries, _ = split(archive)
    entry = draw.choice(entries)
    if draw.random() < 0.5:
        entry = entry[: ENTRY.size] + entry[ENTRY.size :].upper()
    kept = [other for other in entries if draw.random() < 0.95]
    return joined(body, [*kept, *[entry] * draw.choice((1, 1, 2, 3000))])


def renamed(archive: bytes, draw: random.Random) -> bytes:
    members = list(members_of(archive).items())
    place = draw.randrange(len(members))
    members[place] = (draw.choice(NAMES), members[place][1])
    written = stored({name: data for name, data in members if name})
    # zipfile ends a name at a NUL when it writes one
    return written.replace(b"network/models/model.jsom", b"network/models/model\0json")


def compressed(archive: bytes, draw: random.Random) -> bytes:
    method = draw.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    members = members_of(archive)
    name = draw.choice(list(members))
    return stored(members | {name: members[name] + bytes(draw.choice((0, 10_000)))}, method)


def zip64(archive: bytes, draw: random.Random) -> bytes:
    body, entries, end = split(archive)
    size, offset = end[5], end[6]
    numbers = [44, 45, 45, 0, 0, len(entries), len(entries), size, offset]
    locator = [0, len(body) + size, 1]
    if draw.random() < 0.9:
        numbers[draw.randrange(9)] = draw.choice((*NUMBERS, 2**63, offset + 1))
    if draw.random() < 0.3:
        locator[draw.randrange(3)] = draw.choice(NUMBERS)
    numbers[1:5] = [number & 0xFFFF for number in numbers[1:5]]
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", *numbers)
    place = struct.pack("<4sLQL", b"PK\x06\x07", *locator)
    most = draw.random() < 0.5
    tail = END.pack(
        b"PK\x05\x06", 0, 0, *[0xFFFF if most else len(entries)] * 2, size, 0xFFFFFFFF if most else offset, 0
    )
    return body + b"".join(entries) + record + place + tail


def descriptors(archive: bytes, draw: random.Random) -> bytes:
    body, entries, _ = split(archive)
    bit = draw.choice((0x1, 0x8, 0x20, 0x40, 0x2000))
    fields = list(ENTRY.unpack_from(entries[0]))
    fields[3] |= bit
    entries[0] = ENTRY.pack(*fields) + entries[0][ENTRY.size :]
    content = bytearray(body)
    content[fields[16] + 6] |= bit & 0xFF
    return joined(bytes(content), entries)


def second_directory(archive: bytes, draw: random.Random) -> bytes:
    honest = members_of(archive)
    evil = honest | {SAMPLE_MEMBER: pickle.dumps(Touch(Path("never")))}
    first, second = draw.choice(((honest, evil), (evil, honest), (honest, honest), (evil, evil)))
    found = two_directories(first, second)
    return flip(found, draw) if draw.random() < 0.3 else found


def member_bytes(archive: bytes, draw: random.Random) -> bytes:
    """Other contents: pickles, strangers, and weights that are too long or too short."""
    members = members_of(archive)
    name = draw.choice(
        [*members, SAMPLE_MEMBER, "network/data/weights/weight_0", "network/data/constants/opaque_obj_0"]
    )
    data = members.get(name, b"")
    changes = (
        data[:-1],
        data + b"\0",
        b"",
        data * 2,
        pickle.dumps(Touch(Path("never"))),
        b"\x80\x02." + data,
        data[::-1],
    )
    return stored(members | {name: draw.choice(changes)})


def document_value(archive: bytes, draw: random.Random) -> bytes:
    """Another value somewhere in one of the JSON members."""
    members = members_of(archive)
    name = draw.choice([name for name in members if name.endswith(".json")])
    document = json.loads(members[name])
    for _ in range(draw.choice((1, 1, 1, 3))):
        _change(document, draw)
    return stored(members | {name: json.dumps(document).encode()})


def _change(document: object, draw: random.Random) -> None:
    place: object = document
    while isinstance(place, dict | list) and place:
        key = draw.choice(list(place)) if isinstance(place, dict) else draw.randrange(len(place))
        inner = place[key]  # type: ignore[index,call-overload]
        if not isinstance(inner, dict | list) or not inner or draw.random() < 0.08:
            place[key] = copy.deepcopy(draw.choice(VALUES))  # type: ignore[index,call-overload]
            return
        place = inner


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip,
    cut,
    end_record,
    directory_field,
    local_header,
    repeated,
    renamed,
    compressed,
    zip64,
    descriptors,
    second_directory,
    member_bytes,
    document_value,
    document_value,
    document_value,
)


def fuzz(archive: bytes, numbers: range, touched: list[str], *, real: bool) -> dict[str, int]:
    """Loads mutated archives; to be called in a process with `CANARY`, whose list `touched` is.

    Args:
        archive: made by `stored`.
        numbers: of the mutations; each is always the same.
        touched: what would have unpickled.
        real: torch builds the networks; else it is only looked at what torch would get, which is much faster.

    Returns:
        How many were refused, how many got to torch.
    """
    import torch
    from torch._export.serde import serialize

    from orchestrator.bundle import archive as archives
    from orchestrator.errors import BundleError

    given = []
    original = serialize.ExportedProgramDeserializer.deserialize
    to_program = archives.serialized_program

    def deserialize(self, program, weights, constants, example_inputs, **options):
        assert example_inputs is None
        assert not options
        assert not (program.guards_code if real else program.get("guards_code"))
        for name, tensor in (*weights.items(), *constants.items()):
            assert isinstance(name, str)
            assert type(tensor) in (torch.Tensor, torch.nn.Parameter)
            assert (tensor.device.type, tensor.layout) == ("cpu", torch.strided)
            # reads each number: one outside of the memory would end the process or be noticed here
            last = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
            inside = (tensor.storage_offset() + last + 1) * tensor.itemsize <= tensor.untyped_storage().nbytes()
            assert tensor.numel() == 0 or inside
        given.append(program)
        return original(self, program, weights, constants, example_inputs) if real else None

    refused = 0
    with (
        mock.patch.object(serialize.ExportedProgramDeserializer, "deserialize", deserialize),
        mock.patch.object(archives, "serialized_program", to_program if real else lambda document: document),
    ):
        for number in numbers:
            draw = random.Random(number)
            change = draw.choice(MUTATIONS)
            mutated = change(archive, draw)
            try:
                archives.load_program(mutated, "network.pt2")
            except BundleError as error:
                assert "\n" not in str(error), error
                refused += 1
            assert not touched, (change.__name__, number, touched)
    return {"refused": refused, "given": len(given)}
