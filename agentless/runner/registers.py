"""Jobs as a register has them, which a returner wrote: Salt's `ext_source`. No host is asked, nor the job cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from agentless import config as configuration
from agentless.errors import UnknownJob, UsageError
from agentless.model.jid import JID
from agentless.model.job import Report
from agentless.model.returner import SqlReturner
from agentless.runner.parts import Parts

# SQLAlchemy is imported by who asks a register.
if TYPE_CHECKING:
    from agentless.returners.register import Register

__all__ = ["look_up", "opened"]


@contextmanager
def opened(parts: Parts, name: str) -> Iterator[Register]:
    """The register that a returner of this name writes.

    Raises:
        UsageError: there is no such returner, it is none that can be read, or its URL is none.
        CacheError: by what is called within, where the database cannot be read.
    """
    (name,) = parts.config.check_returners([name])
    settings = parts.config.returners[name]
    if not isinstance(settings, SqlReturner):
        readable = [one for one, other in parts.config.returners.items() if isinstance(other, SqlReturner)]
        hint = f"One that can: {', '.join(readable)}." if readable else "A returner of the type sql can."
        raise UsageError(f"the returner {name} cannot be read back", hint)
    from agentless.returners.delivery import need_sqlalchemy

    need_sqlalchemy(settings)
    from agentless.returners.register import Register

    register = Register(settings, configuration.environment())
    try:
        yield register
    finally:
        register.close()


def look_up(parts: Parts, name: str, jid: JID, target: str | None) -> Report:
    """A job as a register has it; the arguments and errors are those of `Fleet.lookup`."""
    with opened(parts, name) as register:
        report = register.load(jid)
    if report is None:
        raise UnknownJob(
            f"the register {name} has no job {jid}", f"To see those that it has: `list_jobs` `source={name}`"
        )
    if parts.config.returners[name].failures_only:
        parts.warn(f"the register {name} is given failures alone: other hosts of job {jid} are not shown")
    return parts.selection.narrow(report, target)
