"""Counts what nobel.yaml must lead to, from the raw file alone. Uses nothing of Tidemill."""
import datetime
import json
import re
import sys

with open(sys.argv[1] + "/http/06_nobel_laureates/laureate.json", encoding="utf-8") as file:
    laureates = json.load(file)


def is_date(text):
    if text is None or text == "0000-00-00":
        return True
    try:
        datetime.date.fromisoformat(text)
        return True
    except ValueError:
        return False


def is_good(laureate):
    code = laureate.get("bornCountryCode")
    dates = is_date(laureate.get("born")) and is_date(laureate.get("died"))
    return dates and (code is None or re.search("^[A-Z]{2}$", code) is not None)


good = [laureate for laureate in laureates if is_good(laureate)]
prizes = [(laureate["id"], prize) for laureate in laureates for prize in laureate["prizes"]]
kept = [(of, prize) for of, prize in prizes if prize["category"] != "peace"]
ids = {(of, prize["year"], prize["category"]) for of, prize in kept}
named = [prize for _, prize in kept if prize["affiliations"] and isinstance(prize["affiliations"][0], dict) and prize["affiliations"][0].get("name") is not None]
print(json.dumps({
    "laureates": {
        "clean": {"in": len(laureates), "out": len(good), "rejected": len(laureates) - len(good), "dropped": 0, "duplicates": 0},
        "load": {"in": len(good), "inserted": len({l["id"] for l in good})},
        "sums": {
            "id": sum(int(l["id"]) for l in good),
            "died": sum(l["died"] not in (None, "0000-00-00") for l in good),
            "prizes": sum(len(l["prizes"]) for l in good),
        },
    },
    "prizes": {
        "clean": {"in": len(prizes), "out": len(kept), "rejected": 0, "dropped": len(prizes) - len(kept), "duplicates": 0},
        "load": {"in": len(kept), "inserted": len(ids)},
        "sums": {"share": sum(int(p["share"]) for _, p in kept), "affiliation": len(named)},
    },
}))
