"""The request models of inbox's authentication endpoints."""

from typing import Annotated

from pydantic import StringConstraints

from protocol.fields import GivenPassword, NotBlank, Password, RequestModel

Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=r"^[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f.]+(\.[^@\s\x00-\x1f.]+)+$"),
]
"""Has a local part, an `@` and a dotted domain; only a message that arrives proves more."""


class Register(RequestModel):
    """inbox API, authentication 1."""

    username: Annotated[str, StringConstraints(min_length=3, max_length=50), NotBlank]
    email: Email
    password: Password


class Login(RequestModel):
    """inbox API, authentication 2: `username` may be an e-mail address."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    password: GivenPassword


class Refresh(RequestModel):
    """inbox API, authentication 3."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
