"""Rendering of results, as pure functions: for people (text, table) and for programs (json, jsonl, yaml, junit)."""

from __future__ import annotations
