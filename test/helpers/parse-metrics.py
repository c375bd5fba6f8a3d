"""Reads a scrape with the parsers of Prometheus' own Python client and writes what they understood as JSON.

usage: parse-metrics.py text|openmetrics < scrape
"""

import json
import math
import sys

import prometheus_client.openmetrics.parser
import prometheus_client.parser

PARSERS = {
    "text": prometheus_client.parser.text_string_to_metric_families,
    "openmetrics": prometheus_client.openmetrics.parser.text_string_to_metric_families,
}


def number(value):
    return value if math.isfinite(value) else str(value)


families = [
    {
        "name": family.name,
        "type": family.type,
        "help": family.documentation,
        "samples": [
            {"name": sample.name, "labels": sample.labels, "value": number(sample.value)} for sample in family.samples
        ],
    }
    for family in PARSERS[sys.argv[1]](sys.stdin.read())
]
json.dump(families, sys.stdout)
