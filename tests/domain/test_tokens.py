"""Tokens that come again are remembered, and still expire, still have one kind, and never crowd the memory."""

import pytest

from domain import tokens
from domain.errors import TokenExpired, TokenInvalid
from domain.model import DialectName
from domain.tokens import Claims, TokenLimits, Tokens, new_id


class StillClock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def signer(clock: StillClock) -> Tokens:
    return Tokens(b"k" * 32, clock, TokenLimits())


def claims_of(clock: StillClock, user_id: int = 7) -> Claims:
    return Claims(user_id, new_id(), new_id(), DialectName.IM, clock.ms + 60_000)


def test_a_token_is_decoded_once(signer: Tokens, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    claims = claims_of(clock)
    token = signer.sign("access", claims)
    assert signer.verify(token, "access") == claims
    monkeypatch.delattr(tokens.jwt, "decode")
    assert signer.verify(token, "access") == claims


def test_a_remembered_token_expires(signer: Tokens, clock: StillClock) -> None:
    token = signer.sign("access", claims_of(clock))
    signer.verify(token, "access")
    clock.ms += 60_000
    for _ in range(2):
        with pytest.raises(TokenExpired):
            signer.verify(token, "access")
    clock.ms -= 1
    signer.verify(token, "access")


def test_a_remembered_token_keeps_its_kind(signer: Tokens, clock: StillClock) -> None:
    token = signer.sign("refresh", claims_of(clock))
    signer.verify(token, "refresh")
    with pytest.raises(TokenInvalid):
        signer.verify(token, "access")


def test_what_is_forged_is_refused_every_time(signer: Tokens, clock: StillClock) -> None:
    good = signer.sign("access", claims_of(clock))
    signer.verify(good, "access")
    head, payload, signature = good.split(".")
    changed = f"{head}.{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    other = Tokens(b"x" * 32, clock, TokenLimits()).sign("access", claims_of(clock))
    for forged in (changed, other, f"{head}.{payload}."):
        for _ in range(2):
            with pytest.raises(TokenInvalid):
                signer.verify(forged, "access")


def test_no_more_are_remembered_than_said(signer: Tokens, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "MAX_REMEMBERED", 3)
    given = [(claims_of(clock, user_id), user_id) for user_id in range(1, 11)]
    signed = [(signer.sign("access", claims), claims) for claims, _ in given]
    for token, claims in (*signed, *signed):
        assert signer.verify(token, "access") == claims
        assert len(signer._verified) <= 3
