"""All routes of messenger over its use cases."""

from domain.accounts import Accounts
from domain.contacts import Contacts
from domain.conversations import Conversations
from domain.files import Files
from domain.login_codes import LoginCodes
from domain.messages import Messages
from domain.presence import Presence
from domain.profiles import Profiles
from http_api.messenger.accounts import AccountRoutes
from http_api.messenger.chats import ChatRoutes
from http_api.messenger.contacts import ContactRoutes
from http_api.messenger.files import FileRoutes
from http_api.messenger.messages import MessageRoutes
from http_api.registry import RouteGroup


def messenger_groups(
    *,
    accounts: Accounts,
    codes: LoginCodes,
    profiles: Profiles,
    contacts: Contacts,
    conversations: Conversations,
    messages: Messages,
    files: Files,
    presence: Presence,
) -> list[RouteGroup]:
    return [
        *AccountRoutes(accounts, codes, presence).groups(),
        *ContactRoutes(accounts, contacts, presence).groups(),
        *ChatRoutes(conversations).groups(),
        *MessageRoutes(messages, conversations, profiles).groups(),
        *FileRoutes(files).groups(),
    ]
