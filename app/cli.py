"""The command line: serve, administrate, check. Errors are one sentence on standard error and exit status 1."""

import argparse
import asyncio
import getpass
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from app.clock import SystemClock
from app.config import Config, load
from app.data_dir import DataDir
from app.errors import SetupError
from app.logs import configure_logs
from app.version import VERSION
from domain.accounts import Accounts, Revocations
from domain.errors import DomainError
from domain.model import DialectName
from domain.passwords import Passwords
from domain.profiles import Profiles
from domain.tokens import Tokens
from storage import StoreError, open_sqlite
from storage.inprocess.bus import InProcessBus
from storage.inprocess.limits import InProcessRateLimiter

if TYPE_CHECKING:
    from app.bootstrap import Server


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    flags = {key: getattr(options, key) for key in ("host", "port", "tcp_port", "data_dir") if hasattr(options, key)}
    flags = {key: value for key, value in flags.items() if value is not None}
    try:
        config = load(options.config, os.environ, flags)
        configure_logs(config.log)
        return int(options.command(config, options))
    except (SetupError, StoreError, DomainError) as error:
        print(f"feige: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="TOML file; see app/config.py for its keys")
    common.add_argument("--data-dir", metavar="DIR", help="database, files and the secret key (default: data)")
    parser = argparse.ArgumentParser(prog="feige", description="Feige, an instant-messaging server")
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", parents=[common], help="run the server")
    serve.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, help="HTTP and WebSockets (default: 8000; 0: a free one)")
    serve.add_argument("--tcp-port", type=int, help="native protocol over TCP (default: 8001; -1: off)")
    serve.set_defaults(command=_serve)

    migrate = commands.add_parser("migrate", parents=[common], help="bring the database to this version's schema")
    migrate.set_defaults(command=_migrate)

    check = commands.add_parser("check-config", parents=[common], help="read the configuration and show it")
    check.set_defaults(command=_check_config)

    admin = commands.add_parser("admin", help="administrators")
    actions = admin.add_subparsers(required=True, metavar="ACTION")
    for name, command, text in (
        ("create", _admin_create, "make an account that is an administrator"),
        ("grant", _admin_grant, "make a user an administrator"),
        ("revoke", _admin_revoke, "make an administrator a plain user"),
    ):
        action = actions.add_parser(name, parents=[common], help=text)
        action.add_argument("username")
        action.set_defaults(command=command)
    listing = actions.add_parser("list", parents=[common], help="who is an administrator")
    listing.set_defaults(command=_admin_list)

    token = commands.add_parser("token", parents=[common], help="an access token of a user, for scripts")
    token.add_argument("username")
    token.set_defaults(command=_token)
    return parser


def _serve(config: Config, options: argparse.Namespace) -> int:
    # The other commands need neither aiohttp nor the gateway, which take half a second to import.
    from app.bootstrap import Server

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve_until_told(Server(config, DataDir(config.server.data_dir))))
    return 0


async def _serve_until_told(server: "Server") -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await server.start()
    host = server.config.server.host
    tcp = f" and tcp://{host}:{server.tcp_port}" if server.tcp_port else ""
    print(f"Feige {VERSION} on http://{host}:{server.port}{tcp} (documentation: /docs)", flush=True)
    await told.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    await server.stop()


def _migrate(config: Config, options: argparse.Namespace) -> int:
    async def migrate() -> None:
        data_dir = DataDir(config.server.data_dir)
        data_dir.lock()
        stores = open_sqlite(data_dir.database)
        await stores.start()
        await stores.close()

    asyncio.run(migrate())
    print("the database is at this version's schema")
    return 0


def _check_config(config: Config, options: argparse.Namespace) -> int:
    for section in config.__struct_fields__:
        print(f"[{section}]")
        record = getattr(config, section)
        for key in getattr(record, "__struct_fields__", None) or record.__dataclass_fields__:
            value = getattr(record, key)
            shown = "(set)" if value and key in ("secret_key", "admin_password") else value
            print(f"{key} = {shown!r}" if shown is value else f"{key} {shown}")
    return 0


def _with_accounts(config: Config, use: Callable[[Accounts], Awaitable[Any]]) -> Any:
    """Runs against the data directory beside a server that may be running: what changes is in the database, and a
    running server's caches learn of it when it restarts."""

    async def run() -> Any:
        data_dir = DataDir(config.server.data_dir)
        clock = SystemClock()
        stores = open_sqlite(data_dir.database)
        await stores.start()
        passwords = Passwords(config.passwords.rounds, 1)
        try:
            return await use(
                Accounts(
                    users=stores.users,
                    logins=stores.logins,
                    profiles=Profiles(stores.users),
                    passwords=passwords,
                    tokens=Tokens(config.server.secret_key.encode() or data_dir.secret_key(), clock, config.tokens),
                    revocations=Revocations(clock),
                    limiter=InProcessRateLimiter(),
                    bus=InProcessBus(),
                    clock=clock,
                    limits=config.accounts,
                )
            )
        finally:
            passwords.close()
            await stores.close()

    return asyncio.run(run())


def _admin_create(config: Config, options: argparse.Namespace) -> int:
    password = config.server.admin_password or getpass.getpass(f"Password for {options.username}: ")

    async def create(accounts: Accounts) -> None:
        await accounts.register(username=options.username, password=password)
        await accounts.set_admin(options.username, True)

    _with_accounts(config, create)
    print(f"{options.username} is an administrator")
    return 0


def _admin_grant(config: Config, options: argparse.Namespace) -> int:
    _with_accounts(config, lambda accounts: accounts.set_admin(options.username, True))
    print(f"{options.username} is an administrator")
    return 0


def _admin_revoke(config: Config, options: argparse.Namespace) -> int:
    _with_accounts(config, lambda accounts: accounts.set_admin(options.username, False))
    print(f"{options.username} is no administrator")
    return 0


def _admin_list(config: Config, options: argparse.Namespace) -> int:
    for user in _with_accounts(config, lambda accounts: accounts.administrators()):
        print(user.username)
    return 0


def _token(config: Config, options: argparse.Namespace) -> int:
    pair = _with_accounts(config, lambda accounts: accounts.issue_token(options.username, DialectName.NATIVE))
    print(pair.access_token)
    return 0
