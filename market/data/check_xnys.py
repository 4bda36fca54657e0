#!/usr/bin/env python3
"""Checks xnys.txt and xnys.digest against the Python package exchange_calendars, day by day from 1990 to 2035.

The digest is the SHA-256 of the canonical text: a line `DATE,OPEN,CLOSE` for every day, the two times in UTC as
`2024-03-13T13:30:00Z`, both empty on a day without a session. The Rust tests compute the same text from the shipped
table and compare.

    pip install exchange_calendars==4.13.2 tzdata && python3 market/data/check_xnys.py

`--write` puts the digest of the package's text in xnys.digest. The status is 1 where anything differs.
"""

import datetime
import hashlib
import pathlib
import sys

from generate_xnys import FIRST, LAST, NEW_YORK, RULE, hours_by_date

FOLDER = pathlib.Path(__file__).parent
DIGEST = FOLDER / "xnys.digest"


def every_day():
    return (FIRST + datetime.timedelta(days=n) for n in range((LAST - FIRST).days + 1))


def shipped_hours():
    exceptions = dict(line.split(" ", 1) for line in (FOLDER / "xnys.txt").read_text().splitlines())
    hours = {}
    for day in every_day():
        said = exceptions.get(day.isoformat(), "closed" if day.weekday() >= 5 else " ".join(RULE))
        if said != "closed":
            hours[day] = tuple(said.split(" "))
    return hours


def in_utc(day, time):
    local = datetime.datetime.combine(day, datetime.time.fromisoformat(time), NEW_YORK)
    return local.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def line(day, hours):
    open_and_close = [in_utc(day, time) for time in hours[day]] if day in hours else ["", ""]
    return ",".join([day.isoformat(), *open_and_close])


def canonical(hours):
    return "".join(line(day, hours) + "\n" for day in every_day())


def main():
    oracle, shipped = canonical(hours_by_date()), canonical(shipped_hours())
    digest = hashlib.sha256(oracle.encode()).hexdigest()
    if "--write" in sys.argv:
        DIGEST.write_text(digest + "\n")
    differing = [(a, b) for a, b in zip(oracle.splitlines(), shipped.splitlines()) if a != b]
    for want, have in differing:
        print(f"exchange_calendars says {want}, xnys.txt says {have}")
    committed = DIGEST.read_text().strip()
    lines = oracle.splitlines()
    print(f"{len(lines)} days, {sum(not line.endswith(',,') for line in lines)} of them sessions; {len(differing)} differ")
    print(f"digest {digest} {'matches' if digest == committed else f'is not the committed {committed}'}")
    sys.exit(bool(differing) or digest != committed)


if __name__ == "__main__":
    main()
