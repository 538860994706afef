"""All routes of im over its use cases."""

from domain.accounts import Accounts
from domain.conversations import Conversations
from domain.files import Files
from domain.messages import Messages
from domain.ports import Clock
from domain.presence import Presence
from domain.profiles import Profiles
from http_api.im.accounts import AccountRoutes
from http_api.im.conversations import ConversationRoutes
from http_api.im.files import FileRoutes
from http_api.im.messages import MessageRoutes
from http_api.im.realtime import ConnectionCount, RealtimeRoutes
from http_api.im.system import SystemRoutes
from http_api.registry import RouteGroup


def im_groups(
    *,
    accounts: Accounts,
    profiles: Profiles,
    conversations: Conversations,
    messages: Messages,
    files: Files,
    presence: Presence,
    connection_count: ConnectionCount,
    clock: Clock,
    version: str,
) -> list[RouteGroup]:
    return [
        *AccountRoutes(accounts, presence).groups(),
        *ConversationRoutes(conversations).groups(),
        *MessageRoutes(messages, profiles).groups(),
        *FileRoutes(files).groups(),
        *RealtimeRoutes(presence, profiles, connection_count).groups(),
        *SystemRoutes(clock, version).groups(),
    ]
