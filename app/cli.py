"""The command line: serve, administrate, check. Errors are one sentence on standard error and exit status 1.

A command imports what it needs when it runs: the database's libraries take half a second, the servers' another half.
"""

import argparse
import asyncio
import getpass
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.config import Config, config_lines, load
from app.data_dir import DataDir
from app.errors import SetupError
from app.logs import configure_logs
from app.version import VERSION
from domain.errors import DomainError
from domain.model import DialectName

if TYPE_CHECKING:
    from domain.accounts import Accounts

FLAGS = {
    "role": ("server", "role"),
    "workers": ("server", "workers"),
    "node": ("server", "node"),
    "host": ("server", "host"),
    "port": ("server", "port"),
    "tcp_port": ("server", "tcp_port"),
    "metrics_port": ("server", "metrics_port"),
    "data_dir": ("server", "data_dir"),
    "database": ("database", "url"),
    "redis": ("redis", "url"),
}
"""Which setting each option is."""


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    given = {place: getattr(options, name, None) for name, place in FLAGS.items()}
    try:
        config = load(options.config, os.environ, {place: value for place, value in given.items() if value is not None})
        configure_logs(config.log)
        return int(options.command(config, options))
    except (SetupError, DomainError) as error:
        print(f"feige: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, metavar="FILE", help="TOML file; see app/config.py for its keys")
    common.add_argument("--data-dir", metavar="DIR", help="database, files and the secret key (default: data)")
    common.add_argument("--database", metavar="URL", help="mysql://user:password@host/name (default: SQLite in DIR)")
    common.add_argument("--redis", metavar="URL", help="redis://host (default: everything within one process)")
    parser = argparse.ArgumentParser(prog="feige", description="Feige, an instant-messaging server")
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", parents=[common], help="run the server")
    serve.add_argument("--role", choices=("all", "gateway", "http"), help="what this process serves (default: all)")
    serve.add_argument("--workers", type=int, metavar="N", help="processes that share the ports (default: 1)")
    serve.add_argument("--node", metavar="NAME", help="in logs, metrics and Redis (default: host name and port)")
    serve.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, help="HTTP and WebSockets (default: 8000; 0: a free one)")
    serve.add_argument("--tcp-port", type=int, help="native protocol over TCP (default: 8001; -1: off)")
    serve.add_argument("--metrics-port", type=int, help="probes and metrics, one port a worker (default: -1: off)")
    serve.add_argument("--worker", default="", help=argparse.SUPPRESS)
    serve.set_defaults(command=_serve)

    migrate = commands.add_parser("migrate", parents=[common], help="bring the database to this version's schema")
    migrate.add_argument("--to", metavar="REVISION", help="another version, also an older one: its data is lost")
    migrate.add_argument("--yes", action="store_true", help="do not ask before data is lost")
    migrate.set_defaults(command=_migrate)

    epoch = commands.add_parser("new-epoch", parents=[common], help="after a backup was restored: clients start afresh")
    epoch.set_defaults(command=_new_epoch)

    doctor = commands.add_parser("doctor", parents=[common], help="look for what is wrong; status 1 if something is")
    doctor.add_argument("--fix", action="store_true", help="repair what can be repaired")
    doctor.set_defaults(command=_doctor)

    postman = commands.add_parser("postman", parents=[common], help="print a Postman collection of all endpoints")
    postman.set_defaults(command=_postman)

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
    from app.serve import serve

    return serve(config, options.worker)


def _migrate(config: Config, options: argparse.Namespace) -> int:
    from app.database import migrate

    print(asyncio.run(migrate(config, options.to, is_loss_accepted=options.yes)))
    return 0


def _new_epoch(config: Config, options: argparse.Namespace) -> int:
    from app.database import new_epoch

    print(f"the epoch is now {asyncio.run(new_epoch(config))}")
    return 0


def _doctor(config: Config, options: argparse.Namespace) -> int:
    from app.doctor import examine

    diagnosis = asyncio.run(examine(config, repair=options.fix))
    for advice in diagnosis.advice:
        print(f"- advice: {advice}")
    for fault in diagnosis.faults:
        print(f"- {fault}")
    print("something is wrong" if diagnosis.faults else "nothing is wrong")
    return 1 if diagnosis.faults else 0


def _postman(config: Config, options: argparse.Namespace) -> int:
    from app.postman import collection

    print(json.dumps(asyncio.run(collection()), ensure_ascii=False, indent=2))
    return 0


def _check_config(config: Config, options: argparse.Namespace) -> int:
    for line in config_lines(config):
        print(line)
    return 0


def _with_accounts(config: Config, use: "Callable[[Accounts], Awaitable[Any]]") -> Any:
    from app.accounts import administration

    async def run() -> Any:
        async with administration(config, DataDir(config.server.data_dir)) as accounts:
            return await use(accounts)

    return asyncio.run(run())


def _admin_create(config: Config, options: argparse.Namespace) -> int:
    password = config.server.admin_password or getpass.getpass(f"Password for {options.username}: ")

    async def create(accounts: "Accounts") -> None:
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
