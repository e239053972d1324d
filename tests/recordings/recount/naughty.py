"""Prints the naughty strings, a JSON text a line, in order. Uses nothing of Tidemill."""
import json
import sys

with open(sys.argv[1] + "/nasty/blns/blns.json", encoding="utf-8") as file:
    for text in json.load(file):
        print(json.dumps(text))
