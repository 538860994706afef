"""Compiles the C programs: load generators and yardsticks."""

import os
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parent
FLAGS: Final = ("-std=gnu11", "-O2", "-Wall", "-Wextra")


class BuildError(Exception):
    """There is no C compiler, or it refused a program; the text says which."""


def compiler() -> str:
    """`$CC`, or the first of the usual names. BuildError."""
    for name in (os.environ.get("CC"), "cc", "gcc", "clang"):
        if name and shutil.which(name):
            return name
    raise BuildError("no C compiler was found: install gcc (Debian, Ubuntu: apt-get install gcc libc6-dev) or set CC")


def build(folder: Path, names: Collection[str]) -> dict[str, Path]:
    """These programs, in an existing folder. BuildError."""
    return {name: compile_one(name, folder, *LIBRARIES.get(name, list)()) for name in names}


def mariadb_flags() -> list[str]:
    """BuildError."""
    config = shutil.which("mariadb_config")
    if config is None:
        raise BuildError("mariadb_config was not found: install libmariadb-dev (Debian, Ubuntu: apt-get install)")
    done = subprocess.run([config, "--include", "--libs"], check=True, capture_output=True, text=True)
    return done.stdout.split()


LIBRARIES: Final = {"append": mariadb_flags}
"""The compiler's flags for what a program needs besides the C library."""


def compile_one(name: str, folder: Path, *more_flags: str) -> Path:
    """BuildError."""
    target = folder / name
    command = [compiler(), *FLAGS, "-o", str(target), str(SOURCES / f"{name}.c"), *more_flags]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{' '.join(command)}\n{done.stderr}")
    return target
