"""How bytes on a stream become request heads and messages: HTTP/1.1 heads, WebSocket and raw TCP frames."""
