"""The data directory: made on first use, used by one server at a time, keeper of the secret key."""

import fcntl
import os
import secrets
from pathlib import Path
from typing import Final

from app.config import MIN_SECRET_CHARS
from app.errors import SetupError

KEY_FILE: Final = "secret.key"
LOCK_FILE: Final = "lock"
DATABASE_FILE: Final = "feige.db"
BLOB_FOLDER: Final = "blobs"
SPOOL_FOLDER: Final = "spool"


class DataDir:
    """An existing, writable directory. `lock` before serving from it."""

    def __init__(self, path: str) -> None:
        """SetupError."""
        self.path = Path(path).absolute()
        self._lock: int | None = None
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(
                f"the data directory {self.path} cannot be made: {error.strerror}; choose another with --data-dir"
            ) from error
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise SetupError(
                f"the data directory {self.path} cannot be written; change its permissions or choose another "
                "with --data-dir"
            )

    @property
    def database(self) -> Path:
        return self.path / DATABASE_FILE

    @property
    def blobs(self) -> Path:
        """For the bytes of files."""
        return self.path / BLOB_FOLDER

    @property
    def spool(self) -> Path:
        """For files on their way to an object store."""
        return self.path / SPOOL_FOLDER

    def lock(self) -> None:
        """Keeps other servers out until this process ends. SetupError if one is in."""
        try:
            descriptor = os.open(self.path / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SetupError(f"{self.path / LOCK_FILE} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise SetupError(
                f"the data directory {self.path} is in use by another server"
                + (f" (process {holder})" if holder else "")
                + "; stop that one or choose another with --data-dir"
            ) from error
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._lock = descriptor

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def secret_key(self) -> bytes:
        """The key that signs tokens; generated once, readable by its owner only. SetupError."""
        path = self.path / KEY_FILE
        try:
            key = self._read_or_make(path)
        except OSError as error:
            raise SetupError(f"the secret key {path} cannot be read or made: {error.strerror}") from error
        if len(key) < MIN_SECRET_CHARS:
            raise SetupError(f"{path} is damaged: it holds fewer than {MIN_SECRET_CHARS} characters")
        return key

    def _read_or_make(self, path: Path) -> bytes:
        if not path.exists():
            # Complete before it has its name: a power cut leaves a whole key or none.
            draft = self.path / f"{KEY_FILE}.{os.getpid()}"
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(secrets.token_hex(32).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            draft.unlink()
            # Its name too: tokens that were given out need this key after a power cut.
            directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        return path.read_bytes().strip()
