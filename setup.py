"""What pyproject.toml cannot say: the manual pages are made from the commands when a wheel is built, and the README's
links lead somewhere also outside the repository, as on the page of a package index."""

import os
import re
import sys

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = "agentless-jobs/agentless"


def readme():
    """README.md with links and pictures that are whole addresses."""
    with open(os.path.join(HERE, "README.md"), encoding="utf-8") as file:
        text = file.read()
    pictures = rf"\1(https://raw.githubusercontent.com/{REPOSITORY}/main/\2)"
    text = re.sub(r"(!\[[^]]*\])\((?!https?:|#)([^)]+)\)", pictures, text)
    return re.sub(r"\]\((?!https?:|#)([^)]+)\)", rf"](https://github.com/{REPOSITORY}/blob/main/\1)", text)


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


setup(cmdclass={"bdist_wheel": Wheel}, long_description=readme(), long_description_content_type="text/markdown")
