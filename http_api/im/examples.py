"""Examples for the OpenAPI document, as im API shows them."""

from typing import Any, Final

from http_api.examples import AnyObject, OrNull

USER: Final[dict[str, Any]] = {"id": 1, "standard_id": "test123", "name": "测试用户", "is_active": True}

CONVERSATION: Final[dict[str, Any]] = {
    "id": 1,
    "name": OrNull("测试群组"),
    "type": "group",
    "description": OrNull("这是一个测试群组"),
    "avatar": None,
    "max_members": 500,
    "allow_invite": True,
    "allow_member_modify": False,
    "status": "active",
    "creator_id": 1,
    "created_at": "2025-01-08T10:00:00Z",
    "updated_at": "2025-01-08T10:00:00Z",
    "member_count": 3,
    "is_public": True,
    "history_visible": True,
    "watermark_text": None,
    "last_seq": 12,
}

CONVERSATION_LIST: Final[dict[str, Any]] = {
    "conversations": [
        {
            "id": 1,
            "name": OrNull("测试群组"),
            "type": "group",
            "status": "active",
            "creator_id": 1,
            "created_at": "2025-01-08T10:00:00Z",
            "updated_at": "2025-01-08T10:00:00Z",
            "member_count": 3,
            "unread_count": 5,
            "last_message_at": OrNull("2025-01-08T11:00:00Z"),
            "participants": [{"id": 2, "standard_id": "user002", "name": "其他用户"}],
            "avatar": None,
            "last_seq": 12,
            "read_seq": 7,
            "is_pinned": False,
            "is_muted": False,
        }
    ],
    "total": 1,
    "page": 1,
    "page_size": 20,
}

MEMBERS: Final[dict[str, Any]] = {
    "members": [
        {
            "id": 1,
            "conversation_id": 1,
            "user_id": 1,
            "role": "admin",
            "status": "active",
            "joined_at": "2025-01-08T10:00:00Z",
            "user_name": "管理员",
            "user_standard_id": "admin123",
            "nickname": None,
            "muted_until": None,
        }
    ],
    "total": 1,
}

MESSAGE: Final[dict[str, Any]] = {
    "id": 1,
    "conversation_id": 1,
    "sender_id": 1,
    "message_type": "text",
    "content": "Hello, world!",
    "status": "sent",
    "reply_to_id": OrNull(10),
    "created_at": "2025-01-08T12:00:00Z",
    "updated_at": "2025-01-08T12:00:00Z",
    "sender_name": "用户名",
    "sender_standard_id": "user123",
    "seq": 1,
    "client_msg_id": None,
    "is_silent": False,
}

LOCATION_MESSAGE: Final[dict[str, Any]] = MESSAGE | {
    "message_type": "location",
    "content": "",
    "latitude": "39.9042",
    "longitude": "116.4074",
    "address": OrNull("北京市朝阳区"),
}

FILE_MESSAGE: Final[dict[str, Any]] = MESSAGE | {
    "message_type": "file",
    "content": "这是一个PDF文件",
    "file_id": "d4b64371-0d7b-4f6b-b97b-34bd6aa6ab10",
    "file_info": {
        "id": 456,
        "file_id": "d4b64371-0d7b-4f6b-b97b-34bd6aa6ab10",
        "name": "document.pdf",
        "path": "2025/01/15/user_1/d4b64371-0d7b-4f6b-b97b-34bd6aa6ab10.pdf",
        "size": 1024000,
        "type": "application/pdf",
    },
}

HISTORY: Final[dict[str, Any]] = {"messages": [MESSAGE], "has_more": True, "limit": 20}

RECEIPTS: Final[dict[str, Any]] = {
    "receipts": [{"id": 1, "message_id": 1, "user_id": 2, "read_at": "2025-01-08T12:30:00Z"}],
    "total": 1,
}

_FILE: Final[dict[str, Any]] = {
    "file_id": "d4b64371-0d7b-4f6b-b97b-34bd6aa6ab10",
    "file_name": "document.pdf",
    "file_size": 1024000,
    "file_type": "application/pdf",
}
_FILE_ABOUT: Final[dict[str, Any]] = _FILE | {
    "file_path": "/uploads/2025/01/08/user_1/d4b64371-0d7b-4f6b-b97b-34bd6aa6ab10.pdf",
    "uploaded_at": "2025-01-08T13:00:00Z",
    "uploader_id": 1,
    "is_public": False,
    "description": None,
    "etag": "18f9827bdf038fa6bbb8a2c411fe1ed1",
    "thumbnail": "",
}
UPLOADED_FILE: Final[dict[str, Any]] = {"id": 1} | _FILE_ABOUT
FILE_DETAILS: Final[dict[str, Any]] = _FILE_ABOUT | {"download_count": 5}
FILE_LIST: Final[dict[str, Any]] = {
    "files": [_FILE | {"uploaded_at": "2025-01-08T13:00:00Z"}],
    "total": 1,
    "page": 1,
    "page_size": 20,
}
FILE_DOWNLOAD: Final[dict[str, Any]] = _FILE | {
    "download_url": "/api/v1/files/download/d4b64371-0d7b-4f6b-b97b-34bd6aa6ab10"
}

BROADCAST: Final[dict[str, Any]] = {
    "id": 456,
    "title": "系统公告",
    "content": "系统将于今晚进行维护",
    "priority": "high",
    "sender_id": 1,
    "created_at": "2025-01-08T16:00:00Z",
}

CLIENT_EVENT: Final[dict[str, Any]] = {
    "id": 1,
    "user_id": 1,
    "event_type": "check_in",
    "data": AnyObject({"place": "总部"}),
    "occurred_at": "2025-01-08T08:00:00Z",
    "created_at": "2025-01-08T08:00:02Z",
}

NOTIFICATION: Final[dict[str, Any]] = {
    "id": 1,
    "title": "新消息",
    "content": "您有一条新消息",
    "type": "message",
    "status": "unread",
    "priority": "normal",
    "created_at": "2025-01-08T15:00:00Z",
    "user_id": 1,
    "channels": ["websocket", "push"],
    "action_url": None,
    "scheduled_at": None,
    "expires_at": None,
    "read_at": None,
    "updated_at": "2025-01-08T15:00:00Z",
}

PREFERENCES: Final[dict[str, Any]] = {
    "id": 1,
    "user_id": 1,
    "message_enabled": True,
    "group_message_enabled": True,
    "websocket_enabled": True,
    "email_enabled": True,
    "push_enabled": True,
    "do_not_disturb": False,
    "quiet_hours_start": OrNull("22:00"),
    "quiet_hours_end": OrNull("08:00"),
    "email_frequency": "immediate",
    "system_enabled": True,
    "time_zone": "Asia/Shanghai",
}

TEMPLATE_CREATE: Final[dict[str, Any]] = {
    "name": "maintenance",
    "type": "system",
    "title_template": "系统维护：{date}",
    "content_template": "系统将于{date}进行维护",
    "is_active": True,
}
TEMPLATE: Final[dict[str, Any]] = (
    {"id": 1}
    | TEMPLATE_CREATE
    | {"variables": ["date"], "created_at": "2025-01-08T15:00:00Z", "updated_at": "2025-01-08T15:00:00Z"}
)
