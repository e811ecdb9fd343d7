"""Connections that carry one exec each: over SSH, or a process of this machine."""
