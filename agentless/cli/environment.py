"""Environment variables of a job: `--env K=V`, `--env K` from this command's own environment, and `--env-file FILE`.

The last two keep a value out of the argument list, which every `ps` on the controller shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from agentless.errors import FileError, UsageError
from agentless.regex import regex

__all__ = ["job_environment", "parse_env_file"]

# `export A=b` and a line that was cut in the middle are none.
_NAME = regex(r"[^\s=\"'`$\0]+")
# What a backslash takes its meaning from between double quotes, as in a shell and in systemd's EnvironmentFile.
_ESCAPED = regex(r'\\(["\\$`])')
_ENDS = {"'": regex(r"'"), '"': regex(r'(?<!\\)(?:\\\\)*"')}
# Far above what execve takes; a device would never end.
_MOST_BYTES = 1 << 20


def job_environment(words: Iterable[str], files: Iterable[Path], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of the files in their order, and those of `--env` over them.

    Args:
        words: values of `--env`: `K=V`, or `K` for the variable of that name in `environ`.
        files: values of `--env-file`.
        environ: this command's own environment.

    Raises:
        UsageError: a word or a line that is no variable, a variable that is not set, or a file that cannot be read.
    """
    variables: dict[str, str] = {}
    for path in files:
        variables |= parse_env_file(_read(path), str(path))
    for word in words:
        name, equals, value = word.partition("=")
        if not _NAME.fullmatch(name):
            raise UsageError(f"--env {word!r}: write it as KEY=VALUE, or as KEY for the value that it has here")
        if not equals and name not in environ:
            raise UsageError(f"--env {name}: this command's environment has no {name}", "Export it here.")
        variables[name] = value if equals else environ[name]
    return variables


def parse_env_file(text: str, file: str) -> dict[str, str]:
    """The variables of lines `KEY=VALUE`; a key that comes again keeps its last value.

    Empty lines, and lines that begin with `#`, say nothing. A value in single quotes stands for itself; in double
    quotes, a backslash takes the meaning from `"`, `\\`, `$` and a backtick. A value in quotes may go on over lines.
    One without is the rest of its line, without the blanks around it. No variable is expanded.

    Raises:
        FileError: a line is none of these, with file and line.
    """
    variables: dict[str, str] = {}
    lines = enumerate(text.removeprefix("\ufeff").split("\n"), 1)
    for number, line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name, value = name.rstrip(), value.lstrip()
        if not equals or not _NAME.fullmatch(name):
            raise FileError(f"not KEY=VALUE: {name!r}", "A comment begins with #.", file=file, line=number)
        variables[name] = _quoted(value, name, lines, file, number) if value.startswith(("'", '"')) else value
        if "\0" in variables[name]:
            raise FileError(f"the value of {name} has a NUL byte", file=file, line=number)
    return variables


def _quoted(value: str, name: str, lines: Iterator[tuple[int, str]], file: str, first: int) -> str:
    """A value in quotes, from its opening quote on; takes the lines that it goes on over."""
    quote, rest = value[0], value[1:]
    while (end := _ENDS[quote].search(rest)) is None:
        following = next(lines, None)
        if following is None:
            raise FileError(f"the value of {name} has no closing {quote}", file=file, line=first)
        rest += "\n" + following[1].rstrip("\r")
    behind = rest[end.end() :].strip()
    if behind:
        raise FileError(
            f"behind the value of {name} stands more: {behind[:20]!r}",
            "Quote all of it.",
            file=file,
            line=first,
        )
    inside = rest[: end.end() - 1]
    return _ESCAPED.sub(r"\1", inside) if quote == '"' else inside


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"--env-file {path}: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > _MOST_BYTES:
        raise UsageError(f"--env-file {path}: it is larger than {_MOST_BYTES >> 20} MiB")
    return data.decode("utf-8", "surrogateescape")
