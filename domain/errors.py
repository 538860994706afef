"""Everything a use case may refuse, as one small tree.

    DomainError
    ├── InvalidValue            a field's value is refused (`field` names it)
    │   ├── UnknownUsers
    │   ├── Oneself             it takes somebody else
    │   └── GroupFull
    ├── InvalidState            the request makes no sense in the present state
    ├── Unauthenticated
    │   ├── BadCredentials      ─ UnknownAccount, WrongPassword, WrongCode
    │   ├── TokenExpired
    │   └── TokenInvalid        malformed, forged, of another kind, or revoked
    ├── Forbidden
    │   ├── AccountDisabled
    │   ├── NotAMember
    │   ├── Muted
    │   ├── Blocked
    │   ├── NotFriends
    │   └── NotYourMessage      ─ RecallWindowOver
    ├── NotFound                ─ UserNotFound, ConversationNotFound, MemberNotFound, MessageNotFound, FileNotFound,
    │                             CallNotFound, RecordNotFound
    ├── Conflict                ─ UsernameTaken, EmailTaken, PhoneTaken
    ├── TooLarge                ─ QuotaExceeded
    ├── UnsupportedType
    ├── RateLimited             come back after `retry_after_s`
    └── Unavailable             a backing service cannot be reached, or the queue is full: try again

`code` is the stable, machine-readable name that the native protocol sends; each dialect has its own table from these
classes to its statuses and codes. `str(error)` is a sentence for a person; it never holds a secret.
"""

from typing import ClassVar


class DomainError(Exception):
    """Base of all refusals. `temporary` says whether the same request may succeed later."""

    code: ClassVar[str] = "refused"
    text: ClassVar[str] = "the request was refused"
    temporary: ClassVar[bool] = False

    def __init__(self, text: str | None = None) -> None:
        super().__init__(text or self.text)


class InvalidValue(DomainError):
    code = "invalid_value"

    def __init__(self, field: str, text: str) -> None:
        super().__init__(f"{field}: {text}")
        self.field = field


class UnknownUsers(InvalidValue):
    """Some of several users that were named do not exist."""

    code = "unknown_users"


class Oneself(InvalidValue):
    """The user who was named is the one who asks."""

    code = "oneself"


class GroupFull(InvalidValue):
    """More members than the group may have."""

    code = "group_full"


class InvalidState(DomainError):
    code = "invalid_state"
    text = "not possible in the present state"


class Unauthenticated(DomainError):
    code = "unauthenticated"
    text = "authentication is required"


class BadCredentials(Unauthenticated):
    code = "bad_credentials"
    text = "wrong user name or password"


class UnknownAccount(BadCredentials):
    """No such account. Only a dialect whose document tells it apart may show the difference."""


class WrongPassword(BadCredentials):
    """The account exists, the password is not its own."""


class WrongCode(BadCredentials):
    code = "wrong_code"
    text = "the code is wrong or has expired"


class TokenExpired(Unauthenticated):
    code = "token_expired"
    text = "the token has expired"


class TokenInvalid(Unauthenticated):
    code = "token_invalid"
    text = "the token is not valid"


class Forbidden(DomainError):
    code = "forbidden"
    text = "not allowed"


class AccountDisabled(Forbidden):
    code = "account_disabled"
    text = "the account is deactivated"


class NotAMember(Forbidden):
    code = "not_a_member"
    text = "not a member of this conversation"


class Muted(Forbidden):
    code = "muted"
    text = "muted in this conversation"


class Blocked(Forbidden):
    code = "blocked"
    text = "the recipient does not accept messages from this account"


class NotFriends(Forbidden):
    code = "not_friends"
    text = "private messages are for friends on this server"


class NotYourMessage(Forbidden):
    code = "not_your_message"
    text = "this message is not yours to change"


class RecallWindowOver(NotYourMessage):
    code = "recall_window_over"
    text = "the time to recall this message is over"


class NotFound(DomainError):
    code = "not_found"
    text = "not found"


class UserNotFound(NotFound):
    code = "user_not_found"
    text = "no such user"


class CallNotFound(NotFound):
    code = "call_not_found"
    text = "no such call, or it is over"


class ConversationNotFound(NotFound):
    code = "conversation_not_found"
    text = "no such conversation"


class MemberNotFound(NotFound):
    code = "member_not_found"
    text = "no such member in this conversation"


class MessageNotFound(NotFound):
    code = "message_not_found"
    text = "no such message"


class FileNotFound(NotFound):
    code = "file_not_found"
    text = "no such file"


class RecordNotFound(NotFound):
    """A notification, template, application or another record that has no class of its own."""

    code = "record_not_found"


class Conflict(DomainError):
    code = "conflict"
    text = "already exists"


class UsernameTaken(Conflict):
    code = "username_taken"
    text = "this user name is taken"


class EmailTaken(Conflict):
    code = "email_taken"
    text = "this e-mail address is taken"


class PhoneTaken(Conflict):
    code = "phone_taken"
    text = "this phone number is taken"


class TooLarge(DomainError):
    code = "too_large"
    text = "too large"


class QuotaExceeded(TooLarge):
    code = "quota_exceeded"
    text = "the files of this account would exceed its quota"


class UnsupportedType(DomainError):
    code = "unsupported_type"
    text = "this type is not accepted"


class RateLimited(DomainError):
    code = "rate_limited"
    text = "too many requests"
    temporary = True

    def __init__(self, retry_after_s: float, text: str | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Unavailable(DomainError):
    code = "unavailable"
    text = "a backing service cannot be reached; try again"
    temporary = True
