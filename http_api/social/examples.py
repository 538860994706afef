"""Examples of responses, from which the OpenAPI document infers their schemas (social API)."""

from typing import Final

DONE: Final = {"message": "更新成功"}
TOKENS: Final = {
    "access_token": "eyJhbGciOiJIUzI1NiJ9…",
    "refresh_token": "eyJhbGciOiJIUzI1NiJ9…",
    "expires_in": 900,
}
USER: Final = {
    "id": 11,
    "username": "admin",
    "email": "admin@admin.com",
    "nickname": "admin",
    "avatar": "/avatars/1.jpg",
    "status": 1,
    "create_at": 1752122703,
    "update_at": 1752122952,
}
GROUP: Final = {
    "id": 1,
    "name": "group1",
    "description": "11111",
    "avatar": "",
    "owner_id": 6,
    "member_count": 1,
    "max_member_count": 500,
    "status": 1,
    "create_at": 1751610303,
    "update_at": 1751612940,
}
MEMBER: Final = {
    "id": 1,
    "group_id": 1,
    "user_id": 6,
    "role": 2,
    "nickname": "user1",
    "join_time": 1751610303,
    "update_at": 1751782784,
    "mute_until": 0,
}
MEMBER_INFO: Final = {
    "member_info": {
        "member_info": {"group_id": 1, "user_id": 6, "role": 2, "nickname": "user1", "join_time": 1751610303},
        "user_info": {"id": 6, "username": "222222", "nickname": "user2", "avatar": ""},
    }
}
CONTACT: Final = {
    "id": 5,
    "user_id": 8,
    "friend_id": 6,
    "remark": "11222",
    "status": 2,
    "create_at": 1751277401,
    "update_at": 1752125061,
}
FRIEND: Final = {
    "id": 6,
    "user_id": 6,
    "friend_id": 8,
    "remark": "",
    "status": 1,
    "create_at": 1751277401,
    "update_at": 1751277401,
    "nickname": "user1",
    "avatar": "/avatars/1.jpg",
    "online_status": 1,
}
REQUEST: Final = {
    "id": 6,
    "from_user_id": 5,
    "to_user_id": 6,
    "message": "你好，我是user1",
    "status": 1,
    "create_at": 1752054949,
    "update_at": 1752054949,
}
FRIEND_REQUEST: Final = REQUEST | {
    "from_nickname": "user1",
    "from_avatar": "/avatars/1.jpg",
    "to_nickname": "user2",
    "to_avatar": "/avatars/1.jpg",
}
NOTICE: Final = {
    "id": 4,
    "type": 8,
    "group_id": 5,
    "operator_id": 6,
    "target_user_id": 8,
    "message": "您已被 'user2' 设置为群聊 'group4' 的新群主",
    "timestamp": 1751615721,
    "is_read": True,
    "operator_nickname": "user2",
    "operator_avatar": "/avatars/1.jpg",
    "target_user_nickname": "user1",
    "target_user_avatar": "/avatars/1.jpg",
}
APPLICATION: Final = {
    "id": 5,
    "group_id": 6,
    "user_id": 11,
    "reason": "12233",
    "apply_time": 1752126707,
    "status": 1,
}
GROUP_APPLICATION: Final = APPLICATION | {
    "user_nickname": "admin",
    "user_avatar": "/avatars/1.jpg",
    "group_name": "group2",
    "group_avatar": "demo.com",
}
MESSAGE: Final = {
    "id": 7,
    "from_user_id": 6,
    "to_user_id": 5,
    "content": "214124124",
    "create_at": 1752128377,
    "type": 0,
    "chat_type": 0,
    "group_id": 0,
    "seq": 1,
    "is_recalled": False,
}
CONVERSATION: Final = {
    "id": 15,
    "user_id": 6,
    "target_id": 6,
    "type": 1,
    "last_message_id": 17,
    "last_message": "214124124",
    "last_message_time": 1752130226,
    "create_at": 1752130225,
    "update_at": 1752130225,
    "target_name": "group2",
    "target_avatar": "demo.com",
    "is_pinned": False,
    "unread_count": 0,
}
FILE: Final = {
    "file_id": "bfaed552-3886-4dc0-84bc-c6826a1fb3f9",
    "file_name": "1111.jpg",
    "file_size": 47531,
    "content_type": "image/jpeg",
    "user_id": 8,
    "created_at": 1752127645,
    "expire_at": 1752732445,
    "etag": "18f9827bdf038fa6bbb8a2c411fe1ed1",
    "file_type": "image",
}
