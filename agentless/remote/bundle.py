"""The rooms of the helper as one file of bytecode: to find, open and read each of them costs more than what they do.

Each version of Python has its own, `<helper>/<tag>-<version>`: HEAD bytes with what `marshal` wrote of (code of
begin.py, of this room, {module: (offset, length)}), then the rooms, each as `marshal` wrote its code.
"""

import marshal
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

HEAD = 1 << 14


class Importer:
    """What importlib asks for a room, a finder and a loader in one (PEP 451).

    Args:
        folder: where the sources are.
        rooms: by module, its bytecode, or where that is in the file.
        fd: the file, open: what is needed later comes from it even when the helper has been deleted.
    """

    def __init__(self, folder: str, rooms: "dict[str, Any]", fd: int) -> None:
        self.folder = folder
        self.rooms = rooms
        self.fd = fd

    def find_spec(self, name: str, path: object = None, target: object = None) -> "Any":
        """Where a module comes from; None where it is none of these."""
        if name not in self.rooms:
            return None
        spec = type(sys.__spec__)(name, self, is_package=name == "remote")  # type: ignore[arg-type]
        if name == "remote":
            # Rooms that are brought later, those of a schedule, are files there.
            spec.submodule_search_locations = [self.folder]
        return spec

    def create_module(self, spec: object) -> None:
        """The usual kind of module will do."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run a room."""
        name = module.__name__
        module.__file__ = "%s/%s.py" % (self.folder, name[7:] or "__init__")
        code = self.rooms[name]
        if not isinstance(code, bytes):
            code = os.pread(self.fd, code[1], code[0])
        exec(marshal.loads(code), module.__dict__)


def install(root: str, rooms: "dict[str, Any]", fd: int) -> None:
    """From here on, rooms come from these.

    Args:
        rooms: by module, bytecode or (offset, length).
        fd: the open file, where there is one.
    """
    sys.meta_path.insert(0, Importer(root + "/remote", rooms, fd))
    sys.modules.pop("remote", None)
    setattr(__import__("remote"), "rooms", rooms)  # noqa: B010 (only on a host is the package called so)


def make(root: str, path: str) -> None:
    """Compile the rooms that lie there and install them; write them down where that can be done."""
    folder = root + "/remote"
    rooms = {}
    places = {}
    at = HEAD
    first = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            with open(folder + "/" + name, "rb") as file:
                code = compile(file.read(), folder + "/" + name, "exec")
            first[name] = code
            if name == "begin.py":
                continue
            module = "remote" if name == "__init__.py" else "remote." + name[:-3]
            rooms[module] = data = marshal.dumps(code)
            places[module] = at, len(data)
            at += len(data)
    new = "%s.%d" % (path, os.getpid())
    try:
        with open(new, "wb") as file:
            file.write(
                marshal.dumps((first["begin.py"], first["bundle.py"], places)).ljust(HEAD) + b"".join(rooms.values())
            )
            file.flush()
            os.fsync(file.fileno())
        os.rename(new, path)
    except OSError:
        # A full disk: the next call compiles anew.
        if os.path.exists(new):
            os.unlink(new)
    install(root, rooms, -1)
