"""Compares what became of JSONTestSuite with what Python's own reader says. Uses nothing of Tidemill.

Arguments: the folder of recordings; a file of lines {"name", "stored"} or {"name", "reason"}, one for each text of the suite.
Prints every text that was lost, changed or wrongly accepted, and the counts.
"""
import decimal
import json
import os
import sys

# What a document can't hold, so that a reject is right, with this reason: a zero byte in a key, and two members of one name.
MAY_BE_REJECTED = {
    "y_object_escaped_null_in_key.json": "nul_in_key",
    "y_object_duplicated_key.json": "duplicate_key",
    "y_object_duplicated_key_and_value.json": "duplicate_key",
}
folder = sys.argv[1] + "/nasty/JSONTestSuite/test_parsing"


class Members(list):
    """An object with its members in order, keys that come twice included."""


def same(expected, stored):
    if isinstance(stored, Members) and len(stored) == 1 and stored[0][0] in ("$numberLong", "$numberDouble", "$numberDecimal", "$numberInt"):
        stored = decimal.Decimal(stored[0][1])
    if isinstance(expected, decimal.Decimal) and isinstance(stored, decimal.Decimal):
        return expected == stored or float(expected) == float(stored)
    if isinstance(expected, Members):
        return isinstance(stored, Members) and len(expected) == len(stored) and all(a == c and same(b, d) for (a, b), (c, d) in zip(expected, stored))
    if isinstance(expected, list):
        return type(stored) is list and len(expected) == len(stored) and all(map(same, expected, stored))
    return type(expected) is type(stored) and expected == stored


def read(text):
    return json.loads(text, object_pairs_hook=Members, parse_int=decimal.Decimal, parse_float=decimal.Decimal)


faults, accepted, refused = [], 0, 0
seen = {}
with open(sys.argv[2], encoding="utf-8") as file:
    for line in file:
        entry = dict(read(line))
        seen[entry["name"]] = entry
names = sorted(name for name in os.listdir(folder) if name[:2] in ("y_", "n_"))
for name in names:
    entry = seen.get(name)
    if entry is None:
        faults.append(name + ": is neither stored nor rejected")
    elif name.startswith("n_"):
        refused += 1
        if "stored" in entry:
            faults.append(name + ": is not JSON, but was stored")
    elif "reason" in entry:
        refused += 1
        if MAY_BE_REJECTED.get(name) != entry["reason"]:
            faults.append(name + ": is JSON, but was rejected as " + entry["reason"])
    else:
        accepted += 1
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            expected = read(file.read())
        if not same(expected, entry["stored"]):
            faults.append(f"{name}: {expected!r} became {entry['stored']!r}")
print(json.dumps({"texts": len(names), "accepted": accepted, "refused": refused, "faults": faults}))
