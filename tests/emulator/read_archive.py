"""Reads an archive as its public description says, and the database it is of, with nothing of Tidemill: gzip, struct, and MongoDB's own library for BSON.

On standard input: {"parts": [base64, …], "uri", "database"}. The hash of a collection is the sum of its documents' SHA-256, modulo 2^256.
https://github.com/mongodb/mongo-tools/blob/master/common/archive/spec.md
"""

import base64
import gzip
import hashlib
import json
import struct
import sys

import bson
import pymongo
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

MAGIC = bytes.fromhex("6de29981")
TERMINATOR = b"\xff\xff\xff\xff"


def blocks(archive):
    """Each block's documents."""
    at = len(MAGIC)
    while at < len(archive):
        documents = []
        while archive[at : at + 4] != TERMINATOR:
            (size,) = struct.unpack_from("<i", archive, at)
            documents.append(archive[at : at + size])
            at += size
        at += 4
        yield documents


def told(documents):
    total = sum(int.from_bytes(hashlib.sha256(one).digest(), "big") for one in documents)
    return {"documents": len(documents), "hash": f"{total % 2**256:064x}"}


def main():
    given = json.load(sys.stdin)
    archive = gzip.decompress(b"".join(map(base64.b64decode, given["parts"])))
    assert archive.startswith(MAGIC), archive[:4]
    (header, *described), *rest = blocks(archive)
    described = [bson.decode(one) for one in described]
    kept, ended = {one["collection"]: [] for one in described}, []
    for head, *documents in rest:
        head = bson.decode(head)
        assert head["db"] == given["database"], head
        if head["EOF"]:
            assert not documents
            ended.append(head["collection"])
        else:
            assert head["collection"] not in ended
            kept[head["collection"]].extend(documents)
    assert sorted(ended) == sorted(kept), ended
    database = pymongo.MongoClient(given["uri"])[given["database"]]
    raw = CodecOptions(document_class=RawBSONDocument)
    there = {name: told([one.raw for one in database.get_collection(name, raw).find()]) for name in kept}
    indexes = {one["collection"]: sorted(index["name"] for index in json.loads(one["metadata"])["indexes"]) for one in described}
    answer = {"version": bson.decode(header)["version"], "kept": {name: told(kept[name]) for name in kept}, "there": there, "indexes": indexes}
    json.dump(answer, sys.stdout)


main()
