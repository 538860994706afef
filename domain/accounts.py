"""Accounts and logins: registration, passwords, tokens and their revocation."""

from typing import Any, Final

import msgspec

from domain.errors import (
    AccountDisabled,
    InvalidState,
    InvalidValue,
    RateLimited,
    TokenInvalid,
    UnknownAccount,
    UserNotFound,
    WrongPassword,
)
from domain.events import Event, LoginRevoked, PasswordChanged, ProfileChanged, RefreshTokenReused, UserDeactivated
from domain.model import DialectName, Login, Profile, User
from domain.passwords import NO_PASSWORD, Passwords, check_password
from domain.ports import Audience, Bus, Clock, LoginStore, RateLimiter, UserStore
from domain.profiles import Profiles
from domain.tokens import Claims, Tokens, new_id

MAX_USERNAME_CHARS: Final = 50
MAX_NICKNAME_CHARS: Final = 100
ADMIN_USERNAME: Final = "admin"


class AccountLimits(msgspec.Struct, frozen=True):
    """How often; 0 switches a limit off."""

    failed_logins_per_account: int = 10
    failed_logins_per_address: int = 100
    failed_logins_window_s: int = 300
    registrations_per_address: int = 1000
    registrations_window_s: int = 60


class TokenPair(msgspec.Struct, frozen=True):
    access_token: str
    refresh_token: str
    expires_in_s: int


class Identity(msgspec.Struct, frozen=True, gc=False):
    """Who is asking: a verified access token of an active account."""

    profile: Profile
    claims: Claims


class Revocations:
    """The logins that were revoked while an access token of theirs may be alive. Kept fresh by events."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_ms: dict[str, int] = {}

    def add(self, login_id: str, until_ms: int) -> None:
        if len(self._until_ms) % 1024 == 1023:
            now_ms = self._clock.now_ms()
            self._until_ms = {login: until for login, until in self._until_ms.items() if until > now_ms}
        self._until_ms[login_id] = until_ms

    def __contains__(self, login_id: str) -> bool:
        return login_id in self._until_ms

    def on_event(self, event: Event, audience: Audience, origin: object | None = None) -> None:
        if isinstance(event, LoginRevoked):
            self.add(event.login_id, event.expires_at_ms)


class Accounts:
    def __init__(
        self,
        *,
        users: UserStore,
        logins: LoginStore,
        profiles: Profiles,
        passwords: Passwords,
        tokens: Tokens,
        revocations: Revocations,
        limiter: RateLimiter,
        bus: Bus,
        clock: Clock,
        limits: AccountLimits,
    ) -> None:
        self._users = users
        self._logins = logins
        self._profiles = profiles
        self._passwords = passwords
        self._tokens = tokens
        self._revocations = revocations
        self._limiter = limiter
        self._bus = bus
        self._clock = clock
        self._limits = limits

    async def start(self) -> None:
        """Learns which logins were revoked before this process started."""
        lifetime_ms = self._tokens.limits.longest_access_s * 1000
        for login_id, revoked_at_ms in await self._logins.revoked_since(self._clock.now_ms() - lifetime_ms):
            self._revocations.add(login_id, revoked_at_ms + lifetime_ms)

    async def relearn_revocations(self) -> None:
        """For a process that missed events: ends the logins that another process has revoked."""
        lifetime_ms = self._tokens.limits.longest_access_s * 1000
        for login_id, revoked_at_ms in await self._logins.revoked_since(self._clock.now_ms() - lifetime_ms):
            if login_id in self._revocations:
                continue
            login = await self._logins.get(login_id)
            if login is not None:
                event = LoginRevoked(login.user_id, login_id, revoked_at_ms + lifetime_ms)
                self._bus.publish_here(event, Audience((login.user_id,)))

    async def register(
        self,
        *,
        username: str,
        password: str,
        nickname: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        avatar: str = "",
        address: str = "",
    ) -> User:
        """A new account. InvalidValue, UsernameTaken, EmailTaken, PhoneTaken, RateLimited. `address` is the
        client's."""
        username = checked_username(username)
        nickname = username if nickname is None else nickname
        check_nickname(nickname)
        check_password(password)
        wait_s = await self._limiter.hit(
            f"register:{address}", self._limits.registrations_per_address, self._limits.registrations_window_s
        )
        if wait_s:
            raise RateLimited(wait_s, "too many registrations from this address")
        return await self._users.create(
            username=username,
            nickname=nickname,
            password_hash=await self._passwords.hash(password),
            now_ms=self._clock.now_ms(),
            email=email,
            phone=phone,
            avatar=avatar,
        )

    async def provision(self, username: str, nickname: str, is_active: bool) -> bool:
        """Makes the account, or changes it to this, as another system keeps it. True if it was made; it has no password
        then. InvalidValue."""
        username = checked_username(username)
        check_nickname(nickname)
        user = await self._users.find(username=username)
        is_new = user is None
        if user is None:
            user = await self._users.create(
                username=username, nickname=nickname, password_hash=NO_PASSWORD, now_ms=self._clock.now_ms()
            )
        elif user.nickname != nickname:
            user = await self.update_profile(user.id, nickname=nickname)
        if user.is_active != is_active:
            await self.set_active(user.id, is_active)
        return is_new

    async def login(
        self,
        dialect: DialectName,
        password: str,
        *,
        username: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        address: str = "",
    ) -> tuple[User, TokenPair]:
        """By e-mail, by user name or by phone; where several are given the first that exists counts, so nobody shuts
        another out by taking an e-mail address as user name.

        UnknownAccount and WrongPassword take equally long. RateLimited after too many failures of the account or the
        address. AccountDisabled only tells somebody who knows the password.
        """
        user = None
        for key, value in (("email", email), ("username", username), ("phone", phone)):
            if user is None and value:
                user = await self._users.find(**{key: value})
        named = username or email or phone or ""
        account = f"login:id:{user.id}" if user else f"login:name:{named[:MAX_NICKNAME_CHARS].casefold()}"
        window_s = self._limits.failed_logins_window_s
        throttles = (
            (account, self._limits.failed_logins_per_account),
            (f"login:address:{address}", self._limits.failed_logins_per_address),
        )
        for key, limit in throttles:
            wait_s = await self._limiter.hit(key, limit, window_s)
            if wait_s:
                raise RateLimited(wait_s, "too many failed logins; try again later")
        password_hash = await self._users.password_hash(user.id) if user else None
        if not await self._passwords.matches(password, password_hash):
            raise WrongPassword if user else UnknownAccount
        assert user is not None
        for key, limit in throttles:
            await self._limiter.refund(key, limit, window_s)
        if not user.is_active:
            raise AccountDisabled
        now_ms = self._clock.now_ms()
        user = await self._users.update(user.id, last_login_at_ms=now_ms)
        login = await self._create_login(user.id, dialect)
        # A new password revokes the logins that are there; one that was under way with the old password is not among
        # them.
        if await self._users.password_hash(user.id) != password_hash:
            await self._revoke(user.id, [login.id])
            raise WrongPassword
        return user, self._pair(login)

    async def login_by_phone(self, dialect: DialectName, phone: str) -> tuple[User, TokenPair]:
        """For somebody who has proved to hold the phone. UnknownAccount, AccountDisabled."""
        user = await self._users.find(phone=phone)
        if user is None:
            raise UnknownAccount
        if not user.is_active:
            raise AccountDisabled
        user = await self._users.update(user.id, last_login_at_ms=self._clock.now_ms())
        return user, await self.open_login(user.id, dialect)

    async def find_by_phone(self, phone: str) -> User:
        """UserNotFound."""
        user = await self._users.find(phone=phone)
        if user is None or not user.is_active:
            raise UserNotFound
        return user

    async def open_login(self, user_id: int, dialect: DialectName) -> TokenPair:
        """A fresh token family for somebody who has proved who they are."""
        return self._pair(await self._create_login(user_id, dialect))

    async def _create_login(self, user_id: int, dialect: DialectName) -> Login:
        now_ms = self._clock.now_ms()
        login = Login(
            id=new_id(),
            user_id=user_id,
            dialect=dialect,
            refresh_id=new_id(),
            created_at_ms=now_ms,
            expires_at_ms=now_ms + self._tokens.limits.refresh_s * 1000,
        )
        await self._logins.create(login)
        return login

    async def issue_token(self, username: str, dialect: DialectName) -> TokenPair:
        """For an operator's scripts: a login without the password. UserNotFound, AccountDisabled."""
        user = await self._users.find(username=username)
        if user is None:
            raise UserNotFound
        if not user.is_active:
            raise AccountDisabled
        return await self.open_login(user.id, dialect)

    def _pair(self, login: Login) -> TokenPair:
        access_s = self._tokens.limits.access_for(login.dialect)
        access = Claims(login.user_id, login.id, new_id(), login.dialect, self._clock.now_ms() + access_s * 1000)
        refresh = Claims(login.user_id, login.id, login.refresh_id, login.dialect, login.expires_at_ms)
        return TokenPair(self._tokens.sign("access", access), self._tokens.sign("refresh", refresh), access_s)

    def token_of(self, identity: Identity) -> str:
        """The access token of somebody who has shown it, once more."""
        return self._tokens.sign("access", identity.claims)

    async def refresh(self, refresh_token: str) -> TokenPair:
        """Rotates. A refresh token that was used before revokes its whole login (RFC 9700 section 4.14.2), and its
        user is notified.

        TokenExpired, TokenInvalid, AccountDisabled."""
        claims = self._tokens.verify(refresh_token, "refresh")
        login = await self._logins.get(claims.login_id)
        if login is None or login.user_id != claims.user_id or login.revoked_at_ms is not None:
            raise TokenInvalid
        if not (await self._profile(claims)).is_active:
            raise AccountDisabled
        refresh_id = new_id()
        expires_at_ms = self._clock.now_ms() + self._tokens.limits.refresh_s * 1000
        if not await self._logins.rotate(login.id, claims.token_id, refresh_id, expires_at_ms):
            await self._revoke(claims.user_id, [login.id], RefreshTokenReused(self._clock.now_ms()))
            raise TokenInvalid("this refresh token was used before; the login has been revoked")
        return self._pair(msgspec.structs.replace(login, refresh_id=refresh_id, expires_at_ms=expires_at_ms))

    async def authenticate(self, access_token: str) -> Identity:
        """TokenExpired, TokenInvalid (also: revoked), AccountDisabled."""
        claims = self._tokens.verify(access_token, "access")
        profile = await self._profile(claims)
        # After the wait: what is revoked during it would open a socket that nobody closes again.
        if claims.login_id in self._revocations:
            raise TokenInvalid("this login has ended")
        if not profile.is_active:
            raise AccountDisabled
        return Identity(profile, claims)

    async def _profile(self, claims: Claims) -> Profile:
        try:
            return await self._profiles.get(claims.user_id)
        except UserNotFound as error:
            raise TokenInvalid from error

    async def logout(self, identity: Identity) -> None:
        """Ends this login: its tokens at once, its sockets on every node."""
        await self._revoke(identity.profile.id, [identity.claims.login_id])

    async def _revoke(self, user_id: int, login_ids: list[str], cause: Event | None = None) -> None:
        now_ms = self._clock.now_ms()
        await self._logins.revoke(login_ids, now_ms, cause)
        until_ms = now_ms + self._tokens.limits.longest_access_s * 1000
        for login_id in login_ids:
            self._bus.publish(LoginRevoked(user_id, login_id, until_ms), Audience((user_id,)))

    async def change_password(self, identity: Identity, old: str, new: str) -> None:
        """Revokes every other login. WrongPassword, InvalidValue, RateLimited."""
        user_id = identity.profile.id
        check_password(new)
        key, limit = f"login:id:{user_id}", self._limits.failed_logins_per_account
        wait_s = await self._limiter.hit(key, limit, self._limits.failed_logins_window_s)
        if wait_s:
            raise RateLimited(wait_s, "too many failed logins; try again later")
        if not await self._passwords.matches(old, await self._users.password_hash(user_id)):
            raise WrongPassword
        await self._limiter.refund(key, limit, self._limits.failed_logins_window_s)
        await self.set_password(user_id, new, keep_login_id=identity.claims.login_id)

    async def set_password(self, user_id: int, password: str, keep_login_id: str | None = None) -> None:
        """Sets the password, notifies its user, and revokes the logins but `keep_login_id`. InvalidValue,
        UserNotFound."""
        password_hash = await self._passwords.hash(password)
        now_ms = self._clock.now_ms()
        await self._users.update(
            user_id, cause=PasswordChanged(now_ms), password_hash=password_hash, updated_at_ms=now_ms
        )
        await self._revoke(user_id, [each for each in await self._logins.alive(user_id) if each != keep_login_id])

    async def get(self, user_id: int) -> User:
        """UserNotFound."""
        user = await self._users.get(user_id)
        if user is None:
            raise UserNotFound
        return user

    async def search(self, keyword: str, limit: int) -> list[User]:
        """Active users by a part of the user name or the nickname."""
        return await self._users.search(keyword, limit)

    async def update_profile(self, user_id: int, **fields: Any) -> User:
        """Changes nickname, avatar, bio, email, language, theme or time_zone. InvalidValue, EmailTaken."""
        if "nickname" in fields:
            check_nickname(fields["nickname"])
        user = await self._users.update(user_id, **fields, updated_at_ms=self._clock.now_ms())
        self._bus.publish(ProfileChanged(user.profile), Audience((user_id,)))
        return user

    async def set_active(self, user_id: int, is_active: bool) -> User:
        """Deactivating closes the account's sockets. UserNotFound."""
        user = await self._users.update(user_id, is_active=is_active, updated_at_ms=self._clock.now_ms())
        event: Event = ProfileChanged(user.profile) if is_active else UserDeactivated(user_id)
        self._bus.publish(event, Audience((user_id,)))
        return user

    async def set_admin(self, username: str, is_admin: bool) -> User:
        """UserNotFound."""
        user = await self._users.find(username=username)
        if user is None:
            raise UserNotFound
        user = await self._users.update(user.id, is_admin=is_admin, updated_at_ms=self._clock.now_ms())
        self._bus.publish(ProfileChanged(user.profile), Audience((user.id,)))
        return user

    async def administrators(self) -> list[User]:
        return await self._users.administrators()

    async def ensure_admin(self, password: str) -> User:
        """Makes sure that the user `admin` exists with this password and is an administrator. InvalidValue."""
        user = await self._users.find(username=ADMIN_USERNAME)
        if user is None:
            user = await self.register(username=ADMIN_USERNAME, password=password)
        elif not await self._passwords.matches(password, await self._users.password_hash(user.id)):
            await self.set_password(user.id, password)
        if not user.is_active:
            raise InvalidState(f"the account {ADMIN_USERNAME!r} is deactivated")
        return user if user.is_admin else await self.set_admin(ADMIN_USERNAME, True)


def checked_username(username: str) -> str:
    """Without the spaces around it. InvalidValue unless 1 to 50 printable characters are left."""
    username = username.strip()
    if not 0 < len(username) <= MAX_USERNAME_CHARS or not username.isprintable():
        raise InvalidValue("username", f"1 to {MAX_USERNAME_CHARS} printable characters")
    return username


def check_nickname(nickname: str) -> None:
    """InvalidValue unless it has 1 to 100 characters."""
    if not 0 < len(nickname.strip()) <= MAX_NICKNAME_CHARS:
        raise InvalidValue("nickname", f"1 to {MAX_NICKNAME_CHARS} characters")
