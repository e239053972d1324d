"""Counts what issues.yaml must lead to, from the raw file alone. Uses nothing of Tidemill."""
import json
import sys

with open(sys.argv[1] + "/http/04_github_rest_pages/issues_duckdb_page5.json", encoding="utf-8") as file:
    issues = json.load(file)
count = len(issues)
print(json.dumps({
    "issues": {
        "clean": {"in": count, "out": count, "rejected": 0, "dropped": 0, "duplicates": 0},
        "load": {"in": count, "inserted": len({issue["id"] for issue in issues})},
        "sums": {
            "id": sum(issue["id"] for issue in issues),
            "comments": sum(issue["comments"] for issue in issues),
            "labels": sum(len(issue["labels"]) for issue in issues),
            "closed_at": sum(issue["closed_at"] is not None for issue in issues),
            "body_characters": sum(len(issue["body"] or "") for issue in issues),
            # Not in the contract: kept as it came.
            "node_id_characters": sum(len(issue["node_id"]) for issue in issues),
            "reactions_total": sum(issue["reactions"]["total_count"] for issue in issues),
        },
    },
}))
