"""What all tests share: hosts to act on, and the rule that nothing skips in CI."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.hosts import Links, Nodes, Proxy, Sshd
from tests.hosts.needs import EXAMPLES, PASSED_OVER, be_quick

# Folders of tests that go through all rooms, on real hosts.
SCENARIOS = {"become", "end_to_end", "schedule_hosts", "shells", "vagrant"}
IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
# No test takes as many seconds, nor does what is made ready for it or cleared up behind it: twice the longest wait.
LONGEST = 1200.0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="pass over tests that start real hosts")


def pytest_configure(config: pytest.Config) -> None:
    # Thousands of tests live to the end: the garbage collector would walk over them again and again.
    gc.disable()
    quick = config.getoption("--quick")
    be_quick(quick)
    # A `python3` of pyenv's is a script that looks for one at each call, and takes longer than what it then runs.
    folder = tempfile.TemporaryDirectory(prefix="agentless-python3-")
    config.add_cleanup(folder.cleanup)
    (Path(folder.name) / "python3").symlink_to(Path(sys.executable).resolve())
    os.environ["PATH"] = os.pathsep.join((folder.name, os.environ.get("PATH", os.defpath)))
    # Who starts the tests in the background of a script has them ignore what tests send to their commands.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    # How long an example takes says how busy the machine is.
    settings.register_profile("whole", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("quick", settings.get_profile("whole"), max_examples=EXAMPLES)
    settings.load_profile("quick" if quick else "whole")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Half as many workers again as there are cores, and two more at least: quick tests often wait for processes."""
    cores = os.cpu_count() or 1
    return cores + max(2, cores // 2) if config.getoption("--quick") else None


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    scenario = collection_path.parent == Path(__file__).parent and collection_path.name in SCENARIOS
    return True if scenario and config.getoption("--quick") else None


@contextlib.contextmanager
def _bounded(item: pytest.Item) -> Iterator[None]:
    """Fail where the main thread waits for ever within, so that the tests behind it are run all the same.

    Also where it waits for ever in what a failure clears up, as subprocess does for a process that cannot be killed.
    Tests whose commands set the process's alarm clock themselves have no such bound.
    """

    def fail(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"{item.nodeid} hangs: it was not over within {LONGEST:.0f} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, LONGEST, LONGEST / 4)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    with _bounded(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    with _bounded(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    with _bounded(item):
        return (yield)


def _refuse_skip(report: pytest.CollectReport | pytest.TestReport) -> None:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if reason.removeprefix("Skipped: ").startswith(PASSED_OVER):
            return
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: in CI nothing may skip: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.fixture
def links(request: pytest.FixtureRequest) -> Iterator[Links]:
    """By which way commands reach hosts: as it comes, or as `over_every_link` says."""
    with Links(getattr(request, "param", None)) as made:
        yield made


@pytest.fixture
def start_sshd(links: Links) -> Iterator[Callable[..., Sshd]]:
    """Start real sshds of the current user, with the arguments of `Sshd`; they end with the test."""
    with contextlib.ExitStack() as stack:

        def start(*args: Any, **kwargs: Any) -> Sshd:
            sshd = stack.enter_context(Sshd(*args, **kwargs))
            links.lay(sshd.client)
            return sshd

        yield start


@pytest.fixture
def start_nodes(links: Links) -> Iterator[Callable[..., Nodes]]:
    """Boot hosts in namespaces, with the arguments of `Nodes`; they end with the test. Needs root."""
    with contextlib.ExitStack() as stack:

        def start(*args: Any, **kwargs: Any) -> Nodes:
            nodes = stack.enter_context(Nodes(*args, **kwargs))
            links.lay(nodes.client)
            return nodes

        yield start


@pytest.fixture
def start_proxy() -> Iterator[Callable[..., Proxy]]:
    """Start a proxy, with the arguments of `Proxy`; it ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(Proxy(*args, **kwargs))


@pytest.fixture
def sshd(start_sshd: Callable[..., Sshd]) -> Sshd:
    """Three names on one sshd of the current user, each with its own state directory."""
    return start_sshd(3)
