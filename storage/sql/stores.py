"""The stores that are the same on every SQL database."""

from storage.sql.applications import SqlApplicationStore
from storage.sql.broadcasts import SqlBroadcastStore
from storage.sql.client_events import SqlClientEventStore
from storage.sql.contacts import SqlContactStore
from storage.sql.conversations import SqlConversationStore
from storage.sql.database import Database
from storage.sql.deliveries import SqlDeliveryStore
from storage.sql.event_log import SqlEventLog
from storage.sql.files import SqlFileStore
from storage.sql.groups import SqlGroupStore
from storage.sql.logins import SqlLoginStore
from storage.sql.messages import SqlMessageStore
from storage.sql.notification_templates import SqlNotificationTemplateStore
from storage.sql.notifications import SqlNotificationStore
from storage.sql.sync import SqlSyncStore
from storage.sql.timers import SqlTimerStore
from storage.sql.users import SqlUserStore


class SqlStores:
    """One for each port, but for those that write through plans."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.users = SqlUserStore(database)
        self.logins = SqlLoginStore(database)
        self.conversations = SqlConversationStore(database)
        self.groups = SqlGroupStore(database)
        self.broadcasts = SqlBroadcastStore(database)
        self.client_events = SqlClientEventStore(database)
        self.contacts = SqlContactStore(database)
        self.applications = SqlApplicationStore(database)
        self.messages = SqlMessageStore(database)
        self.timers = SqlTimerStore(database)
        self.notifications = SqlNotificationStore(database)
        self.deliveries = SqlDeliveryStore(database)
        self.notification_templates = SqlNotificationTemplateStore(database)
        self.files = SqlFileStore(database)
        self.event_log = SqlEventLog(database)
        self.sync = SqlSyncStore(database)
