"""Examples of responses, from which the OpenAPI document infers their schemas (messenger API)."""

from typing import Final

from http_api.examples import OrNull

AT: Final = "2024-12-19T10:30:00Z"
PUBLIC_USER: Final = {
    "id": 2,
    "username": "otheruser",
    "nickname": "其他用户",
    "avatar": "/avatars/2.jpg",
    "online": False,
    "last_seen": AT,
}
LOGIN_USER: Final = {
    "id": 1,
    "phone": "13800138000",
    "username": "testuser",
    "nickname": "测试用户",
    "avatar": "",
    "online": True,
    "last_seen": AT,
}
OWN_USER: Final = LOGIN_USER | {
    "bio": "这是我的个人简介",
    "language": "zh-CN",
    "theme": "auto",
    "created_at": AT,
    "updated_at": AT,
}
TOKENS: Final = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9…",
    "refresh_token": "eyJhbGciOiJIUzI1NiJ9…",
    "expires_in": 86400,
}
CONTACT: Final = {
    "id": 2,
    "user_id": 1,
    "contact_id": 3,
    "nickname": "新好友",
    "is_blocked": False,
    "is_muted": False,
    "created_at": AT,
}
CONTACT_ITEM: Final = CONTACT | {
    "contact": {"id": 3, "username": "friend", "nickname": "好友", "avatar": "/avatars/3.jpg", "online": True}
}
CHAT: Final = {
    "id": 1,
    "name": "群聊名称",
    "description": "群聊描述",
    "avatar": "",
    "type": "group",
    "is_active": True,
    "is_pinned": False,
    "is_muted": False,
    "members_count": 5,
    "created_at": AT,
    "updated_at": AT,
}
CHAT_ITEM: Final = CHAT | {
    "last_message": OrNull({"id": 100, "content": "最后一条消息", "type": "text", "sender_id": 2, "created_at": AT}),
    "unread_count": 3,
}
CHAT_DETAIL: Final = CHAT | {
    "members": [
        {
            "id": 1,
            "username": "testuser",
            "nickname": "测试用户",
            "avatar": "/avatars/1.jpg",
            "role": "owner",
            "joined_at": AT,
        }
    ]
}
MESSAGE: Final = {
    "id": 101,
    "chat_id": 1,
    "sender_id": 1,
    "content": "这是一条测试消息",
    "type": "text",
    "file_name": "",
    "file_size": 0,
    "file_url": "",
    "thumbnail": "",
    "is_read": False,
    "is_edited": False,
    "is_deleted": False,
    "is_pinned": False,
    "reply_to_id": None,
    "forward_from": None,
    "ttl": 0,
    "send_at": None,
    "is_silent": False,
    "created_at": AT,
    "updated_at": AT,
    "sender": {"id": 1, "username": "testuser", "nickname": "测试用户", "avatar": "/avatars/1.jpg"},
}
FILE: Final = {
    "id": "bfaed552-3886-4dc0-84bc-c6826a1fb3f9",
    "name": "example.jpg",
    "size": 1024000,
    "type": "image",
    "url": "/api/files/bfaed552-3886-4dc0-84bc-c6826a1fb3f9",
    "thumbnail": "/api/files/thumb_bfaed552-3886-4dc0-84bc-c6826a1fb3f9",
    "created_at": AT,
}
