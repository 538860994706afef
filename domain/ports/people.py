"""What the domain asks of the stores of users, their logins and their contacts."""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from domain.events import Event
from domain.model import Login, Profile, User
from domain.records import Contact, ContactView, FriendRequest, FriendRequestView, RequestStatus


class ContactEdit(Protocol):
    """What two users are to each other, locked until the surrounding block ends. Reads see the changes made before."""

    single_id: int | None
    """Their single conversation, if there is one."""

    async def contact(self, user_id: int) -> Contact | None:
        """The row of one of the two about the other."""
        ...

    async def put(self, user_id: int, now_ms: int, **fields: Any) -> Contact:
        """Makes that row, or changes it."""
        ...

    async def drop(self, user_id: int) -> None: ...

    async def pending_from(self, user_id: int) -> FriendRequest | None:
        """The open request of one of the two to the other."""
        ...

    async def add_request(self, from_user_id: int, message: str, now_ms: int) -> FriendRequest: ...

    async def close_request(
        self, request: FriendRequest, status: RequestStatus, answer: str, now_ms: int
    ) -> FriendRequest: ...

    async def record(self, event: Event, only_for: int) -> None:
        """Keeps the event for that user's resuming clients, in the same transaction."""
        ...


class ContactStore(Protocol):
    """Friends, contacts, blocks and friend requests."""

    async def get(self, user_id: int, contact_id: int) -> Contact | None: ...

    async def list_for(self, user_id: int) -> list[ContactView]:
        """The user's rows, oldest first, each with the other's profile."""
        ...

    async def request(self, request_id: int) -> FriendRequest | None: ...

    async def requests_to(self, user_id: int) -> list[FriendRequestView]:
        """Newest first, of every status."""
        ...

    async def pending_to(self, user_id: int) -> int:
        """How many requests wait for the user's answer."""
        ...

    def edit(self, one_id: int, other_id: int) -> AbstractAsyncContextManager[ContactEdit]:
        """Locks the pair; commits when the block ends, rolls back when it raises. UserNotFound if one does not
        exist."""
        ...


class UserStore(Protocol):
    async def create(
        self,
        *,
        username: str,
        nickname: str,
        password_hash: str,
        now_ms: int,
        email: str | None = None,
        phone: str | None = None,
        avatar: str = "",
        is_admin: bool = False,
    ) -> User:
        """UsernameTaken, EmailTaken, PhoneTaken. User names and e-mail addresses are compared without case."""
        ...

    async def get(self, user_id: int) -> User | None: ...

    async def profiles(self, user_ids: Collection[int]) -> dict[int, Profile]:
        """Those that exist."""
        ...

    async def find(
        self, *, username: str | None = None, email: str | None = None, phone: str | None = None
    ) -> User | None:
        """By exactly one of the three."""
        ...

    async def password_hash(self, user_id: int) -> str | None: ...

    async def search(self, keyword: str, limit: int) -> list[User]:
        """Active users whose user name or nickname contains the keyword, literally and without case; by id."""
        ...

    async def update(self, user_id: int, *, cause: Event | None = None, **fields: Any) -> User:
        """UserNotFound, EmailTaken, PhoneTaken. `password_hash` may be among the fields. Of `cause` the user is
        notified: it is kept in the same transaction."""
        ...

    async def administrators(self) -> list[User]: ...

    async def seen(self, times_ms: Mapping[int, int]) -> None:
        """Records when users were last seen, in one transaction."""
        ...


class LoginStore(Protocol):
    """Token families. A rotation or revocation that returned is durable."""

    async def create(self, login: Login) -> None: ...

    async def get(self, login_id: str) -> Login | None: ...

    async def rotate(self, login_id: str, old_refresh_id: str, new_refresh_id: str, expires_at_ms: int) -> bool:
        """Replaces the refresh token if `old_refresh_id` is the one that works and the login is not revoked;
        atomic, so of two concurrent rotations one fails."""
        ...

    async def revoke(self, login_ids: Collection[str], now_ms: int, cause: Event | None = None) -> None:
        """Of `cause` the users of those that were not revoked before are notified: it is kept in the same
        transaction."""
        ...

    async def alive(self, user_id: int) -> list[str]:
        """Logins of the user that are not revoked."""
        ...

    async def revoked_since(self, since_ms: int) -> list[tuple[str, int]]:
        """Logins revoked since then, and when."""
        ...
