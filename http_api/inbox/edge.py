"""inbox's envelope: none."""

from typing import Final

from http_api.edge import DetailEdge
from protocol.inbox.errors import SENTENCES, STATUSES

INBOX: Final = DetailEdge("inbox", STATUSES, SENTENCES)
