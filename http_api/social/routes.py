"""All routes of social over its use cases."""

from domain.accounts import Accounts
from domain.applications import Applications
from domain.contacts import Contacts
from domain.conversations import Conversations
from domain.files import Files
from domain.messages import Messages
from domain.ports import Clock
from domain.presence import Presence
from http_api.registry import RouteGroup
from http_api.social.accounts import AccountRoutes
from http_api.social.chat import ChatRoutes
from http_api.social.files import FileRoutes
from http_api.social.friends import FriendRoutes
from http_api.social.groups import GroupRoutes


def social_groups(
    *,
    accounts: Accounts,
    contacts: Contacts,
    applications: Applications,
    conversations: Conversations,
    messages: Messages,
    files: Files,
    presence: Presence,
    clock: Clock,
) -> list[RouteGroup]:
    return [
        *AccountRoutes(accounts).groups(),
        *FriendRoutes(contacts, presence).groups(),
        *GroupRoutes(conversations, applications, clock).groups(),
        *ChatRoutes(messages, conversations).groups(),
        *FileRoutes(files).groups(),
    ]
