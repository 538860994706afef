"""messenger's one table from refusals to HTTP statuses and business codes (messenger API, error codes)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from domain import errors


class Outcome(NamedTuple):
    status: int
    code: int


OUTCOMES: Final[Mapping[type[errors.DomainError], Outcome]] = {
    errors.DomainError: Outcome(400, 400),
    errors.InvalidValue: Outcome(422, 422),
    errors.UnknownUsers: Outcome(404, 10001),
    errors.Oneself: Outcome(400, 400),
    errors.GroupFull: Outcome(400, 400),
    errors.Unauthenticated: Outcome(401, 10008),
    errors.UnknownAccount: Outcome(401, 10001),
    errors.WrongPassword: Outcome(401, 10002),
    errors.WrongCode: Outcome(401, 10003),
    errors.TokenExpired: Outcome(401, 10007),
    errors.Forbidden: Outcome(403, 403),
    errors.AccountDisabled: Outcome(403, 10004),
    errors.NotAMember: Outcome(403, 20002),
    errors.NotYourMessage: Outcome(403, 20004),
    errors.NotFound: Outcome(404, 404),
    errors.UserNotFound: Outcome(404, 10001),
    errors.ConversationNotFound: Outcome(404, 20001),
    errors.MessageNotFound: Outcome(404, 20003),
    errors.FileNotFound: Outcome(404, 30001),
    errors.Conflict: Outcome(409, 409),
    errors.PhoneTaken: Outcome(409, 10005),
    errors.UsernameTaken: Outcome(409, 10006),
    errors.UnsupportedType: Outcome(400, 30002),
    errors.TooLarge: Outcome(400, 30003),
    errors.RateLimited: Outcome(429, 40001),
    errors.Unavailable: Outcome(503, 50001),
}
"""The nearest class in an error's ancestry decides."""

OF_STATUS: Final[Mapping[int, int]] = {401: 10008, 429: 40001, 500: 50001, 503: 50001}
"""Where the code is not the status, for what has no refusal in the domain."""

MESSAGES: Final[Mapping[int, str]] = {
    400: "请求参数错误",
    403: "禁止访问",
    404: "资源不存在",
    405: "请求方法不支持",
    408: "请求超时",
    409: "资源冲突",
    413: "请求体过大",
    422: "数据验证失败",
    10001: "用户不存在",
    10002: "密码错误",
    10003: "验证码错误",
    10004: "用户已被禁用",
    10005: "手机号已存在",
    10006: "用户名已存在",
    10007: "令牌已过期",
    10008: "令牌无效",
    20001: "聊天不存在",
    20002: "用户不是聊天成员",
    20003: "消息不存在",
    20004: "无权限操作此消息",
    30001: "文件不存在",
    30002: "文件类型不支持",
    30003: "文件大小超限",
    40001: "请求过于频繁",
    50001: "服务器内部错误",
}


def outcome_of(kind: type[errors.DomainError]) -> Outcome:
    return next(OUTCOMES[each] for each in kind.__mro__ if each in OUTCOMES)


def _named(kind: type[errors.DomainError]) -> dict[str, int]:
    """The business codes of a class and of those below it, by the name of the refusal; a class that shares its
    ancestor's name yields to it."""
    codes: dict[str, int] = {}
    for each in kind.__subclasses__():
        codes |= _named(each)
    return codes | {kind.code: outcome_of(kind).code}


_BY_NAME: Final = _named(errors.DomainError)


def code_named(name: str) -> int:
    """The business code of the refusal that has this name; 422 for a frame that could not be read."""
    return _BY_NAME.get(name, 422)


def codes_of(status: int) -> dict[int, str]:
    """The codes that refusals with this HTTP status have, and their messages."""
    return {code: message(code) for code in sorted({each.code for each in OUTCOMES.values() if each.status == status})}


def message(code: int) -> str:
    return MESSAGES.get(code, MESSAGES[400])
