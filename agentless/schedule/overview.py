"""What `schedule list` tells of an entry, without asking anybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentless.model.times import Moment, iso
from agentless.schedule.coming import Forecast, fire_json
from agentless.schedule.pushes import OnHosts
from agentless.schedule.schedule_file import Entry
from agentless.values import dataclass

__all__ = ["Overview"]


@dataclass(frozen=True, slots=True)
class Overview:
    """An entry with what is known of it here.

    Args:
        host: the inventory name that the splay of the next fire is drawn for.
        forecast: the next fire.
        last_fire: Unix seconds.
        last_result: its hosts by state, as in `jobs list`.
        last_skip: the reason and when; of fires on hosts, they know.
        last_result_as_of: Unix seconds, when it was learned, where a host is said to run it or was out of reach.
        pushed: which of its hosts have it as it is in the file; None where the controller fires it.
    """

    entry: Entry
    host: str
    forecast: Forecast
    last_fire: float | None
    last_result: Mapping[str, int] | None
    last_skip: tuple[str, float] | None
    last_result_as_of: float | None = None
    pushed: OnHosts | None = None

    last_fire_at = Moment("last_fire")

    def to_json(self) -> dict[str, Any]:
        """`next` null with `next_known` false: it may come, but only the hosts know when, or all that was looked at
        is skipped.

        Keys:
            enabled (boolean): whether neither it nor the whole schedule is switched off.
            function (string): `cmd.run` or `cmd.script`, or a function of the controller.
            arguments (list): what it runs.
            target (string): the pattern.
            runs_on (string): who fires it.
            timing (object): when, as the file says it: strings by key.
            pushed (object or null): which of its hosts have it as it is in the file, as far as pushes and checks from
                here tell: `same` and `others` (lists of strings), `as_of` (time or null); null where the controller
                fires it.
            metadata (object): strings by name.
            next (object or null): its next fire, as in `schedule next`.
            next_known (boolean): whether `next` is known here.
            last_fire (time or null): its newest fire, as far as it came home.
            last_result (object or null): the hosts of that by state, as in `summary`.
            last_skip (object or null): its newest skip: `reason`, `time`.
        """
        entry, fire = self.entry, self.forecast.fire
        return {
            "enabled": entry.enabled,
            "function": entry.function,
            "arguments": list(entry.args),
            "target": entry.target,
            "runs_on": entry.runs_on,
            "timing": dict(entry.said),
            "pushed": None
            if self.pushed is None
            else {
                "same": list(self.pushed.same),
                "others": list(self.pushed.others),
                "as_of": iso(self.pushed.as_of),
            },
            "metadata": dict(entry.metadata),
            "next": fire_json(fire, entry, self.host) if fire else None,
            "next_known": self.forecast.known,
            "last_fire": iso(self.last_fire),
            "last_result": dict(self.last_result) if self.last_result is not None else None,
            "last_skip": {"reason": self.last_skip[0], "time": iso(self.last_skip[1])} if self.last_skip else None,
        }
