"""Files to and from hosts: `put` and `get`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentless.cli.commands import option
from agentless.cli.completion import complete_destination, complete_remote
from agentless.cli.interrupts import Interrupted
from agentless.cli.invocation import Invocation
from agentless.cli.options import verb
from agentless.cli.places import place
from agentless.cli.rows import Sheet
from agentless.errors import UsageError
from agentless.hostlist import fold
from agentless.report import tables

if TYPE_CHECKING:
    from agentless.fleet import Fleet
    from agentless.model.copies import Copied, Copies

__all__ = ["get", "put"]

_RECURSIVE = option(
    "-r", "recursive", is_flag=True, expose_value=False, help="As scp has it; a directory goes with its content anyway."
)


@verb(
    examples=[
        ("agentless put nginx.conf web:/etc/nginx/ -b", "a file, as root, into a directory"),
        ("agentless put site/ 'web:!web3:/srv/site/'", "what is in a directory"),
        ("agentless put a.txt b.txt all:./drop/", "into a directory of your home there, which is made"),
    ]
)
@click.argument("sources", nargs=-1, required=True, metavar="SRC...", shell_complete=complete_destination)
@click.argument("destination", metavar="TARGET:DST", shell_complete=complete_destination)
@_RECURSIVE
def put(invocation: Invocation, /, sources: tuple[str, ...], destination: str) -> int:
    """Send files and directories to hosts. It is no job: nothing is kept of it.

    Each file arrives beside its place and is renamed into it when it is whole; permissions are kept. A directory SRC
    goes by its name into DST, and SRC/ is what is in it. DST/ is a directory, and made where it is missing.

    The path begins behind the colon before /, ./, ../ or ~: web:!db:/etc/x. A relative DST lies in the home.

    Exit codes: 0 all copied; 1 a host refused something; 2 wrong call, or a file cannot be read here; 3 a host was
    unreachable.
    """  # fmt: skip
    target, path = place(destination)
    if "-" in sources and not os.path.lexists("-"):
        hint = "agentless run TARGET --stdin - -- 'cat > FILE' takes it; a file of that name is ./-"
        raise UsageError("put sends files, and not stdin", hint)
    if not path:
        path = "./"
    return _copy(invocation, lambda fleet, done: fleet.put(target, sources, path, done=done))


@verb(
    examples=[
        ("agentless get web:/var/log/app.log logs", "into logs/web1/app.log, logs/web2/app.log and so on"),
        ("agentless get all:/etc/cron.d backup -b", "a directory, as root"),
    ]
)
@click.argument("sources", nargs=-1, required=True, metavar="TARGET:SRC...", shell_complete=complete_remote)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@_RECURSIVE
def get(invocation: Invocation, /, sources: tuple[str, ...], directory: Path) -> int:
    """Fetch files and directories from hosts, into a folder for each host in DIR. It is no job: nothing is kept of it.

    Each file arrives beside its place and is renamed into it when it is whole; permissions are kept. A directory SRC
    comes by its name, and SRC/ is what is in it; SRC may have wildcards. Several SRC are of one TARGET.

    Exit codes: 0 all copied; 1 a host refused something; 2 wrong call; 3 a host was unreachable.
    """  # fmt: skip
    places = [place(source) for source in sources]
    targets = list(dict.fromkeys(target for target, _ in places))
    if len(targets) > 1:
        raise UsageError(
            f"these are files of several targets: {', '.join(targets)}", "Fetch from one target after the other."
        )
    for source, (target, path) in zip(sources, places, strict=True):
        if not path:
            raise UsageError(f"{source!r} names no file", f"Is a variable empty there? The whole home is {target}:./")
    if str(directory) == "-":
        hint = "agentless run TARGET -- cat FILE prints a file; a directory of that name is ./-"
        raise UsageError("files are not fetched to stdout", hint)
    paths = [path for _, path in places]
    return _copy(invocation, lambda fleet, done: fleet.get(targets[0], paths, directory, done=done))


def _copy(invocation: Invocation, copy: Callable[[Fleet, Callable[[str, Copied], None]], Copies]) -> int:
    sheet = Sheet(invocation)
    through: dict[str, Copied] = {}
    try:
        result = copy(invocation.fleet, through.__setitem__)
    except Interrupted as interruption:
        copied = fold(name for name, one in through.items() if one.ok)
        whole = f"all was copied on {copied}" if copied else "no host has all of it"
        raise Interrupted(interruption.number, f"interrupted; {whole}, and no file is half") from None
    document = result.to_json()
    sheet.show(document, tables.copies(result), entries=document["hosts"])
    if sheet.rows:
        for name, one in result.hosts.items():
            for failure in one.failed if one.failures > 1 else ():
                invocation.screen.say(f"{name}: {failure.problem.kind}: {failure.problem.message}")
            if one.failures > max(1, len(one.failed)):
                invocation.screen.say(f"{name}: and {one.failures - len(one.failed)} more")
    sheet.tell_problems(result.problems)
    return result.exit_code
