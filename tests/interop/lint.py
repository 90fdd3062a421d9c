"""Runs pkilint's commands on many certificates in one process.

Reads a JSON list of argument lists, each led by the command's name; prints a JSON list of what
each command printed, which is JSON itself.
"""

import contextlib
import importlib
import io
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    runs = json.load(file)

answers = []
for command, *arguments in runs:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        importlib.import_module(f"pkilint.bin.{command}").main(arguments)
    answers.append(json.loads(output.getvalue()))
json.dump(answers, sys.stdout)
