"""SHA-1 and SHA-256 without OpenSSL, which `hashlib` loads for several milliseconds of every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["sha1", "sha256"]

if TYPE_CHECKING:
    from hashlib import sha1, sha256
else:
    # What hashlib has where there is no OpenSSL: in Python 3.12 and later, and before.
    try:
        from _sha1 import sha1

        from _sha2 import sha256
    except ImportError:
        try:
            from _sha1 import sha1
            from _sha256 import sha256
        except ImportError:
            from hashlib import sha1, sha256
