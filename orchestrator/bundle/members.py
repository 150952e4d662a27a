"""What is in a zip archive, for archives as torch.export writes them: stored, one directory, at the end.

Python's reader does the work on bytes in memory; what two readers could understand in two ways is refused before.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile

from orchestrator.errors import BundleError

MAX_MEMBERS = 20_000
MAX_DIRECTORY = 4 * 2**20
MAX_NAME = 200
NAME = re.compile(r"[\w.][\w.-]*(/[\w.][\w.-]*)+", re.ASCII)
# names are UTF-8; sizes follow the data as well
HARMLESS_FLAGS = 0x800 | 0x8
END = struct.Struct("<4s4H2LH")
END_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")
MANY, LARGE = 0xFFFF, 0xFFFFFFFF


def read_members(content: bytes, where: str) -> dict[str, bytes]:
    """All members by name, without the archive's folder: `network/models/model.json` is `models/model.json`.

    Args:
        content: of the archive.
        where: what the sentence of an error begins with.

    Raises:
        BundleError: it is damaged, or can be understood in more than one way.
    """
    try:
        _check_end(content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            _check_members(members, len(content))
            return {member.filename.partition("/")[2]: archive.read(member) for member in members}
    except BundleError as error:
        raise BundleError(f"{where}: {error}; it was not loaded") from None
    except Exception as error:  # zipfile raises many kinds on damaged archives
        raise BundleError(f"{where}: damaged ({error})") from error


def _check_end(content: bytes) -> None:
    """The archive ends with one end record, without a comment, and the directory is directly before it."""
    tail = content[-END.size :]
    if len(tail) < END.size:
        raise BundleError("damaged (too short for an archive)")
    mark, disk, first_disk, here, entries, size, offset, comment = END.unpack(tail)
    if mark != b"PK\x05\x06" or comment:
        raise BundleError("damaged (it does not end as an archive does)")
    end = len(content) - END.size
    long_end = end - LOCATOR.size - END_64.size
    if long_end >= 0 and content[end - LOCATOR.size :].startswith(b"PK\x06\x07"):
        _, locator_disk, place, disks = LOCATOR.unpack_from(content, end - LOCATOR.size)
        found = END_64.unpack_from(content, long_end)
        mark_64, length, _, _, disk_64, first_64, here_64, entries_64, size_64, offset_64 = found
        short = (here, entries, size, offset)
        long = (here_64, entries_64, size_64, offset_64)
        agree = all(one in (two, most) for one, two, most in zip(short, long, (MANY, MANY, LARGE, LARGE), strict=True))
        if (locator_disk, place, disks, disk_64, first_64) != (0, long_end, 1, 0, 0) or not agree:
            raise BundleError("its two end records say different things")
        if mark_64 != b"PK\x06\x06" or length != END_64.size - 12:
            raise BundleError("damaged (its end record)")
        here, entries, size, offset = long
        end = long_end
    if (disk, first_disk) != (0, 0) or here != entries:
        raise BundleError("it is a part of an archive on several disks")
    if not 0 < entries <= MAX_MEMBERS or size > MAX_DIRECTORY:
        raise BundleError(f"it has {entries:,} members; 1 to {MAX_MEMBERS:,} are allowed")
    if offset + size != end:
        raise BundleError("its directory is not where its end says, so that it can be read in two ways")


def _check_members(members: list[zipfile.ZipInfo], size: int) -> None:
    if len(members) > MAX_MEMBERS:
        raise BundleError(f"it has more than {MAX_MEMBERS:,} members")
    folder = members[0].filename.partition("/")[0] if members else ""
    seen: set[str] = set()
    for member in members:
        name = member.filename
        if name != member.orig_filename or len(name) > MAX_NAME or not NAME.fullmatch(name):
            raise BundleError(f"the member {member.orig_filename[:40]!r} has no plain name")
        if name.partition("/")[0] != folder or {".", ".."} & set(name.split("/")):
            raise BundleError(f"{name} is outside of the archive's folder")
        if name.casefold() in seen:
            raise BundleError(f"two members have the same name, {name}")
        seen.add(name.casefold())
        if member.flag_bits & ~HARMLESS_FLAGS:
            raise BundleError(f"{name} is encrypted, or stored in another unusual way")
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise BundleError(f"{name} is compressed, which hides its size")
        if member.volume:
            raise BundleError(f"{name} is on another disk")
    # members that share their bytes would be more than the file
    if sum(member.file_size for member in members) > size:
        raise BundleError("its members are larger than itself")
