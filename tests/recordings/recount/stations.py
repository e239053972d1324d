"""Counts what 200 polls of stations.yaml must lead to, from the raw file alone. Uses nothing of Tidemill."""
import gzip
import json
import sys

latest = {}
total = {"in": 0, "inserted": 0, "updated": 0, "unchanged": 0}
with gzip.open(sys.argv[1] + "/http/03_gbfs_oslobysykkel/polls_a_2022-10_2023-04.jsonl.gz", "rt", encoding="utf-8") as file:
    for line in file:
        for row in json.loads(json.loads(line)["body"])["data"]["stations"]:
            vehicles = row.get("vehicle_types_available")
            content = (
                bool(row["is_installed"]), bool(row["is_renting"]), bool(row["is_returning"]), row["num_bikes_available"], row["num_docks_available"],
                None if vehicles is None else tuple((v["vehicle_type_id"], v["count"]) for v in vehicles),
            )
            key = row["station_id"]
            total["in"] += 1
            total["inserted" if key not in latest else "unchanged" if latest[key][0] == content else "updated"] += 1
            latest[key] = (content, row)
rows = [row for _, row in latest.values()]
print(json.dumps({
    "status": {
        "clean": {"in": total["in"], "out": total["in"], "rejected": 0, "dropped": 0, "duplicates": 0},
        "load": total,
        "sums": {
            "bikes": sum(row["num_bikes_available"] for row in rows),
            "docks": sum(row["num_docks_available"] for row in rows),
            "last_reported": sum(row["last_reported"] * 1000 for row in rows),
            "vehicles": sum(len(row.get("vehicle_types_available") or []) for row in rows),
        },
    },
}))
