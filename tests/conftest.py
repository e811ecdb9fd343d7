"""What all tests share: hosts to act on, and the rule that nothing skips in CI."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from pytest import CollectReport, TestReport

IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")


def _refuse_skip(report: CollectReport | TestReport) -> None:
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped, and in CI nothing may skip: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, TestReport, TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, CollectReport, CollectReport]:
    report = yield
    _refuse_skip(report)
    return report
