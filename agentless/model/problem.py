"""Why a host is in its state."""

from __future__ import annotations

from agentless.values import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a host is in its state: a stable `kind`, what happened, and what to do next."""

    kind: str
    message: str
    hint: str = ""

    def to_json(self) -> dict[str, str]:
        """Why, as every document has it under `error`.

        Keys:
            kind (string): a stable word for scripts: [Kinds of errors](errors.md).
            message (string): what happened, naming the host or the step.
            hint (string): what to do next; empty where the message says it all.
        """
        return {"kind": self.kind, "message": self.message, "hint": self.hint}
