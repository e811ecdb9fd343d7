"""Files that a controller fetches: what lies at the paths that it names, directories with all that is in them."""

import glob
import os
import stat

from . import paths, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .call import Call

# What has no size and still something to read, as in /proc.
UNSIZED = 16 << 20


def get(call: "Call") -> None:
    """Answer an `item` for each directory and file, `data` for its content, `whole` at its end, and `gathered`."""
    call.say("gathering")
    departure = Departure(call)
    for source in call.request["sources"]:
        given = wire.raw(source["path"])
        try:
            path = paths.expand(given)
            matches = [path]
            if not os.path.lexists(path) and glob.has_magic(path):
                matches = sorted(glob.glob(path)) or matches
            for one in matches:
                departure.take(one, b"" if source["inside"] else os.path.basename(one.rstrip(b"/")))
        except KeyError:
            departure.failures.add(paths.Unfit("no-such-user", "there is no such user", ""), given)
        except OSError as e:
            departure.failures.add(e, given)
    failures = departure.failures
    call.say("gathered", failed=failures.told, failures=failures.count)
    call.bring()


class Departure:
    """What one call sends. Links are followed, as scp does, and a directory within itself is not entered."""

    def __init__(self, call: "Call") -> None:
        self.failures = paths.Failures()
        self._call = call

    def take(self, path: bytes, name: bytes, above: "tuple[tuple[int, int], ...]" = ()) -> None:
        """Send what lies at `path` as `name`; empty is what is in a directory. `above`: the directories it is in."""
        try:
            info = os.stat(path)
            if stat.S_ISDIR(info.st_mode):
                self._directory(path, name, info, above)
            elif name and stat.S_ISREG(info.st_mode):
                self._file(path, name)
            else:
                why = "it is no directory" if stat.S_ISREG(info.st_mode) else "it is neither a file nor a directory"
                raise paths.Unfit("special-file" if name else "not-a-directory", why, "")
        except (OSError, paths.Unfit) as e:
            self.failures.add(e, path)

    def _directory(
        self, path: bytes, name: bytes, info: "os.stat_result", above: "tuple[tuple[int, int], ...]"
    ) -> None:
        this = info.st_dev, info.st_ino
        if this in above:
            raise paths.Unfit("link", "it leads back to a directory that it is in", "")
        inside = sorted(os.listdir(path))
        if name:
            self._call.say("item", path=paths.text(name), mode=stat.S_IMODE(info.st_mode))
        for one in inside:
            self.take(os.path.join(path, one), os.path.join(name, one), (*above, this))

    def _file(self, path: bytes, name: bytes) -> None:
        # Of what has been exchanged for a pipe meanwhile, no writer is waited for.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode):
                raise paths.Unfit("special-file", "it is neither a file nor a directory", "")
            self._call.say("item", path=paths.text(name), mode=stat.S_IMODE(info.st_mode), size=info.st_size)
            # A log that grows meanwhile is sent as it was when it was opened.
            left = info.st_size or UNSIZED
            try:
                while left:
                    data = os.read(fd, min(left, wire.CHUNK))
                    if not data:
                        break
                    left -= len(data)
                    self._call.say("data", data)
            except OSError:
                self._call.say("whole", broken=True)
                raise
            self._call.say("whole")
        finally:
            os.close(fd)
