# mypy: ignore-errors
"""Run by a Python that has `salt`: when Salt's own evaluator fires entries, a second at a time. UTC.

salt_walk.py  < {"start": Unix seconds, "seconds": N, "whens": {}, "schedules": [{"it": entry}]}  > [[seconds]]
"""

import datetime
import json
import sys
import tempfile

import dateutil.parser
import salt.utils.schedule


class _Dates:
    """Salt asks dateutil, which takes what a text leaves out from the day; here, from the day that is walked."""

    day = datetime.datetime(1970, 1, 1)

    @classmethod
    def parse(cls, text):
        return dateutil.parser.parse(text, default=cls.day)


class Walked(salt.utils.schedule.Schedule):
    """Salt's scheduler, of which nothing runs."""

    def option(self, opt):
        return {}

    def _run_job(self, func, data, jid=None):
        self.fired.append(self.second)

    def _check_max_running(self, func, data, opts, now):
        return data


def walk(schedule, start, seconds, whens, cachedir):
    opts = {
        "cachedir": cachedir,
        "loop_interval": 1,
        "schedule": schedule,
        "pillar": {"whens": whens},
        "grains": {},
        "unique_jid": False,
    }
    walked = Walked(opts, {"cmd.run": None}, {}, utils={}, new_instance=True)
    walked.fired = []
    for second in range(start, start + seconds + 1):
        now = datetime.datetime.utcfromtimestamp(second)
        _Dates.day = now.replace(hour=0, minute=0, second=0)
        walked.second = second
        walked.eval(now=now)
    return walked.fired


if __name__ == "__main__":
    salt.utils.schedule.dateutil_parser = _Dates
    asked = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as cachedir:
        found = [walk(one, asked["start"], asked["seconds"], asked["whens"], cachedir) for one in asked["schedules"]]
    json.dump(found, sys.stdout)
