"""Counts what flights.yaml must lead to, from the raw files alone. Uses nothing of Tidemill."""
import csv
import decimal
import gzip
import json
import sys

folder = sys.argv[1] + "/http/09_nycflights13/"


def rows(name):
    opener = gzip.open if name.endswith(".gz") else open
    with opener(folder + name, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def number(text):
    return 0 if text == "NA" else int(text)


def counts(all_rows, good, key, sums):
    return {
        "clean": {"in": len(all_rows), "out": len(good), "rejected": len(all_rows) - len(good), "dropped": 0, "duplicates": 0},
        "load": {"in": len(good), "inserted": len({tuple(row[part] for part in key) for row in good})},
        "sums": sums,
    }


flights, weather, planes, airports, airlines = (rows(n) for n in ("flights_2013Q1.csv.gz", "weather.csv.gz", "planes.csv", "airports.csv", "airlines.csv"))
calm = [row for row in weather if row["wind_speed"] == "NA" or float(row["wind_speed"]) <= 250]
print(json.dumps({
    "flights": counts(flights, flights, ["time_hour", "carrier", "flight", "origin"], {
        "distance": sum(int(row["distance"]) for row in flights),
        "dep_time": sum(number(row["dep_time"]) for row in flights),
        "arr_delay": sum(number(row["arr_delay"]) for row in flights),
        "tailnum": sum(row["tailnum"] != "NA" for row in flights),
    }),
    "weather": counts(weather, calm, ["origin", "time_hour"], {
        "temp_hundredths": sum(int(float(row["temp"]) * 100) for row in calm if row["temp"] != "NA"),
        "pressure_tenths": int(sum(decimal.Decimal(row["pressure"]) * 10 for row in calm if row["pressure"] != "NA")),
    }),
    "planes": counts(planes, planes, ["tailnum"], {"seats": sum(int(row["seats"]) for row in planes), "year": sum(number(row["year"]) for row in planes)}),
    "airports": counts(airports, airports, ["faa"], {"tz": sum(int(row["tz"]) for row in airports), "longitude_millionths": sum(int(float(row["lon"]) * 1e6) for row in airports)}),
    "airlines": counts(airlines, airlines, ["carrier", "name"], {"name": len(airlines)}),
}))
