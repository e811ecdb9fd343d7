"""Which word was probably meant where one is not known."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest", "one_of"]

# More words than that are no hint.
_LISTED = 30


def nearest(word: str, known: Iterable[str], most: int = 2) -> list[str]:
    """The known words that look like this one, the nearest first, at most so many."""
    import difflib  # only those who mistyped need it

    # the time grows with the length, and nobody mistypes a page
    return difflib.get_close_matches(word[:200], known, most)


def did_you_mean(word: str, known: Iterable[str], most: int = 2) -> str:
    """`Did you mean web1 or web2?`, with at most so many words; "" where none is near."""
    near = nearest(word, known, most)
    return f"Did you mean {' or '.join(near)}?" if near else ""


def one_of(word: str, known: Iterable[str]) -> str:
    """`Did you mean start?`; where none is near, all of them: `Known: start, end.`, unless they are more than 30."""
    words = list(known)
    everything = f"Known: {', '.join(words)}." if words and len(words) <= _LISTED else ""
    return did_you_mean(word, words, 1) or everything
