"""What pyproject.toml cannot say: the manual pages are made from the commands when a wheel is built."""

import os
import sys

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel

HERE = os.path.dirname(os.path.abspath(__file__))


class Wheel(bdist_wheel):
    """A wheel with `share/man/man1`, where `pipx install` and a virtual environment's `man` find them."""

    def run(self):
        self.distribution.data_files = [("share/man/man1", self._manuals())]
        super().run()

    def _manuals(self):
        sys.path.insert(0, HERE)
        from agentless.cli.app import cli
        from agentless.cli.manual import manuals

        place = os.path.join("build", "man")
        os.makedirs(place, exist_ok=True)
        files = []
        for name, text in manuals(cli, self.distribution.metadata.version).items():
            files.append(os.path.join(place, name))
            with open(files[-1], "w", encoding="utf-8") as file:
                file.write(text)
        return files


setup(cmdclass={"bdist_wheel": Wheel})
