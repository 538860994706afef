"""The request models of inbox's authentication endpoints."""

from typing import Annotated

from pydantic import StringConstraints

from protocol.fields import Email, GivenPassword, Password, RequestModel


class Register(RequestModel):
    """inbox API, authentication 1."""

    username: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=50)]
    email: Email
    password: Password


class Login(RequestModel):
    """inbox API, authentication 2: `username` may be an e-mail address."""

    username: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    password: GivenPassword


class Refresh(RequestModel):
    """inbox API, authentication 3."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
