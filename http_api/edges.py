"""Which dialect answers where no route does, by the beginning of the path."""

from collections.abc import Mapping
from typing import Final

from http_api.edge import Edge
from http_api.im.edge import IM
from http_api.messenger.edge import MESSENGER
from http_api.messenger.edge import PREFIX as OF_MESSENGER
from http_api.social.edge import PREFIXES as OF_SOCIAL
from http_api.social.edge import SOCIAL

EDGES: Final[Mapping[str, Edge]] = {
    "/": IM,
    "/api/v1": IM,
    **dict.fromkeys(OF_SOCIAL, SOCIAL),
    OF_MESSENGER: MESSENGER,
}
