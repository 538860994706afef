"""All routes of im over its use cases."""

from domain.accounts import AccountLimits, Accounts
from domain.broadcasts import Broadcasts
from domain.cascade import Cascade
from domain.client_events import ClientEvents
from domain.conversations import Conversations
from domain.files import Files
from domain.groups import Groups
from domain.messages import Messages
from domain.notification_sending import NotificationSending
from domain.notification_templates import NotificationTemplates
from domain.notifications import Notifications
from domain.ports import Clock, RateLimiter
from domain.presence import Presence
from domain.profiles import Profiles
from domain.search import MessageSearch
from http_api.config import HttpConfig
from http_api.im.accounts import AccountRoutes
from http_api.im.conversations import ConversationRoutes
from http_api.im.extras import ExtraRoutes
from http_api.im.files import FileRoutes
from http_api.im.groups import GroupRoutes
from http_api.im.messages import MessageRoutes
from http_api.im.notifications import NotificationRoutes, TemplateRoutes
from http_api.im.realtime import ConnectionCount, RealtimeRoutes
from http_api.im.search import SearchRoutes
from http_api.im.security import SecurityRoutes
from http_api.im.system import SystemRoutes
from http_api.loopback import Loopback
from http_api.registry import RouteGroup


def im_groups(
    *,
    accounts: Accounts,
    profiles: Profiles,
    conversations: Conversations,
    groups: Groups,
    messages: Messages,
    files: Files,
    broadcasts: Broadcasts,
    client_events: ClientEvents,
    cascade: Cascade,
    search: MessageSearch,
    notifications: Notifications,
    sending: NotificationSending,
    templates: NotificationTemplates,
    presence: Presence,
    connection_count: ConnectionCount,
    limiter: RateLimiter,
    loopback: Loopback,
    http: HttpConfig,
    limits: AccountLimits,
    clock: Clock,
    version: str,
) -> list[RouteGroup]:
    return [
        *AccountRoutes(accounts, presence).groups(),
        *ConversationRoutes(conversations).groups(),
        *GroupRoutes(groups).groups(),
        *MessageRoutes(messages, profiles).groups(),
        *FileRoutes(files).groups(),
        *SearchRoutes(search, profiles).groups(),
        *RealtimeRoutes(presence, profiles, connection_count).groups(),
        *NotificationRoutes(notifications, sending).groups(),
        *TemplateRoutes(templates).groups(),
        *ExtraRoutes(broadcasts, client_events, cascade).groups(),
        *SecurityRoutes(
            accounts=accounts, limiter=limiter, clock=clock, loopback=loopback, http=http, limits=limits
        ).groups(),
        *SystemRoutes(clock, version).groups(),
    ]
