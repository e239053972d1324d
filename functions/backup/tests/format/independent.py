"""Reads an archive (gzip) by its public description alone, and says what is in it. Uses nothing of Tidemill: only Python's standard library."""
import gzip
import hashlib
import json
import struct
import sys

TERMINATOR = b"\xff\xff\xff\xff"


def table():
    polynomial = int(f"{0x42F0E1EBA9EA3693:064b}"[::-1], 2)
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (polynomial if byte & 1 else 0)
        yield byte


TABLE = list(table())


def crc64(crc, data):
    crc ^= 0xFFFFFFFFFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFFFFFFFFFF


class Archive:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        taken = self.data[self.at:self.at + length]
        assert len(taken) == length, f"at {self.at}: the archive ends"
        self.at += length
        return taken

    def document(self):
        """The next document, or None for a terminator."""
        head = self.take(4)
        if head == TERMINATOR:
            return None
        (length,) = struct.unpack("<i", head)
        assert 5 <= length <= (16 << 20) + (16 << 10), f"at {self.at}: {length}"
        document = head + self.take(length - 4)
        assert document[-1] == 0
        return document


def fields(document):
    """Of a document of strings, numbers and booleans."""
    at, found = 4, {}
    while document[at]:
        kind = document[at]
        end = document.index(0, at + 1)
        name, at = document[at + 1:end].decode(), end + 1
        if kind == 2:
            (length,) = struct.unpack_from("<i", document, at)
            found[name], at = document[at + 4:at + 3 + length].decode(), at + 4 + length
        else:
            form, length = {8: ("<?", 1), 16: ("<i", 4), 18: ("<Q", 8)}[kind]
            (found[name],), at = struct.unpack_from(form, document, at), at + length
    assert at == len(document) - 1
    return found


with open(sys.argv[1], "rb") as file:
    archive = Archive(gzip.decompress(file.read()))
assert archive.take(4) == bytes.fromhex("6de29981")
header = fields(archive.document())
assert header["version"] == "0.1", header
namespaces = {}
while (document := archive.document()) is not None:
    described = fields(document)
    json.loads(described["metadata"])
    assert described["collection"] not in namespaces
    namespaces[described["collection"]] = {"view": described["type"] == "view", "documents": 0, "bytes": 0, "hash": 0, "crc64": 0, "ended": False}
while archive.at < len(archive.data):
    segment = fields(archive.document())
    found = namespaces[segment["collection"]]
    assert not found["ended"], segment
    if segment["EOF"]:
        assert archive.document() is None
        assert segment["CRC"] == found["crc64"], segment
        found["ended"] = True
        continue
    assert segment["CRC"] == 0 and not found["view"], segment
    while (document := archive.document()) is not None:
        found["documents"] += 1
        found["bytes"] += len(document)
        found["crc64"] = crc64(found["crc64"], document)
        found["hash"] = (found["hash"] + int.from_bytes(hashlib.sha256(document).digest(), "big")) % 2**256
assert all(found.pop("ended") for found in namespaces.values())
for found in namespaces.values():
    found["hash"], found["crc64"] = f"{found['hash']:064x}", f"{found['crc64']:016x}"
print(json.dumps(namespaces, sort_keys=True))
