"""What a terminal may be given: nothing that it obeys but colours, and nothing that nobody sees."""

from __future__ import annotations

import re
import unicodedata

SGR = re.compile(r"\x1b\[[0-9;:]*m")
# What a terminal obeys; colours are taken out before.
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# What is not seen, or moves other text: format characters but those that are seen, fillers, ends of lines.
SEEN_FORMATS = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2065\u3164\uffa0")
HIEROGLYPHS = range(0x13430, 0x13456)
NO_XML = frozenset("\ufffe\uffff")
NEVER_SHOWN = FILLERS | NO_XML


def hidden(character: str) -> bool:
    formats = unicodedata.category(character) in ("Cf", "Zl", "Zp") and character not in SEEN_FORMATS
    return (formats and ord(character) not in HIEROGLYPHS) or character in NEVER_SHOWN


def harmless(text: str) -> bool:
    return OBEYED.search(SGR.sub("", text)) is None and not any(map(hidden, set(text)))
