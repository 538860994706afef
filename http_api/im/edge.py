"""im's envelope: none."""

from typing import Final

from http_api.edge import DetailEdge
from protocol.im.errors import STATUSES

IM: Final = DetailEdge("im", STATUSES)
