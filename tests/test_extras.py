from __future__ import annotations

from pathlib import Path

import pytest

from agentless.extras import way_to_install


@pytest.mark.parametrize(
    ("mark", "way"),
    [
        ("pipx_metadata.json", "pipx install --force 'agentless-jobs[top]'"),
        ("uv-receipt.toml", "uv tool install 'agentless-jobs[top]'"),
        ("pyvenv.cfg", "pip install 'agentless-jobs[top]'"),
    ],
)
def test_an_extra_is_brought_by_what_brought_agentless(tmp_path: Path, mark: str, way: str) -> None:
    """Someone's own pip would install it where agentless does not look, or refuse (PEP 668)."""
    (tmp_path / mark).touch()
    assert way_to_install("top", str(tmp_path)) == way
