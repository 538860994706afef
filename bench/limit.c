/* The yardstick: an epoll server that does the socket work of Feige's main path and nothing else.
 *
 *   limit PORT each|joined
 *   limit PORT rest BYTES
 *
 * It speaks what bench/load.c speaks: the WebSocket handshake on /gateway?token=USER.CONVERSATION, a welcome, then for
 * each `send` packet an ack to its sender and a message to all other connections of the conversation, in frames as long
 * as Feige's. It checks, stores and looks up nothing. `each` makes one send(2) for each frame; `joined` makes one for
 * all that a connection got in one round of epoll, which is the least a server can do. `rest` answers every HTTP request
 * with BYTES bytes, head included.
 *
 * Serves 127.0.0.1 until its standard input is closed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_CONVERSATIONS = 1 << 20, MAX_EVENTS = 512, READ_BYTES = 1 << 18, FRAME_BYTES = 1 << 17 };

struct connection;

struct conversation {
    long id, last_seq;
    int count, capacity;
    struct connection **members;
};

struct connection {
    struct conversation *conversation;
    uint8_t *partial; /* of a frame that is not complete */
    uint8_t *outbox;
    uint32_t partial_bytes, outbox_bytes, outbox_capacity;
    uint32_t user_id;
    int fd, place; /* in conversation->members */
    bool is_open;
};

static bool is_joined;
static uint8_t *answer; /* to every request; none: WebSockets */
static size_t answer_bytes;
static int epoll_fd;
static long last_message_id, now_ms;
static struct conversation *conversations[MAX_CONVERSATIONS];
static struct connection **dirty;
static int dirty_count, dirty_capacity;
static uint8_t read_buffer[2 * READ_BYTES];

static void die(const char *what) {
    perror(what);
    exit(2);
}

static void *grown(void *memory, size_t bytes) {
    void *result = realloc(memory, bytes);
    if (!result) die("realloc");
    return result;
}

/* SHA-1 (RFC 3174) of up to 119 bytes. */
static uint32_t rotated(uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

static void sha1(const uint8_t *data, size_t bytes, uint8_t digest[20]) {
    static const uint32_t constants[4] = {0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6};
    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    uint8_t padded[128] = {0};
    size_t blocks = bytes < 56 ? 1 : 2;
    memcpy(padded, data, bytes);
    padded[bytes] = 0x80;
    padded[64 * blocks - 2] = (uint8_t)(bytes * 8 >> 8);
    padded[64 * blocks - 1] = (uint8_t)(bytes * 8);
    for (size_t block = 0; block < blocks; block++) {
        uint32_t words[80], s[5];
        for (int i = 0; i < 16; i++) {
            const uint8_t *four = padded + 64 * block + 4 * i;
            words[i] = (uint32_t)four[0] << 24 | (uint32_t)four[1] << 16 | (uint32_t)four[2] << 8 | four[3];
        }
        for (int i = 16; i < 80; i++)
            words[i] = rotated(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
        memcpy(s, state, sizeof s);
        for (int i = 0; i < 80; i++) {
            uint32_t mixed = i < 20                  ? (s[1] & s[2]) | (~s[1] & s[3])
                             : i >= 40 && i < 60 ? (s[1] & s[2]) | (s[1] & s[3]) | (s[2] & s[3])
                                                     : s[1] ^ s[2] ^ s[3];
            uint32_t next = rotated(s[0], 5) + mixed + s[4] + constants[i / 20] + words[i];
            s[4] = s[3];
            s[3] = s[2];
            s[2] = rotated(s[1], 30);
            s[1] = s[0];
            s[0] = next;
        }
        for (int i = 0; i < 5; i++) state[i] += s[i];
    }
    for (int i = 0; i < 20; i++) digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

/* The base64 text of a digest, 28 characters. */
static void base64(const uint8_t digest[20], char text[29]) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t whole[21] = {0};
    memcpy(whole, digest, 20);
    for (int i = 0; i < 7; i++) {
        uint32_t three = (uint32_t)whole[3 * i] << 16 | (uint32_t)whole[3 * i + 1] << 8 | whole[3 * i + 2];
        for (int j = 0; j < 4; j++) text[4 * i + j] = letters[three >> (18 - 6 * j) & 63];
    }
    text[27] = '=';
    text[28] = 0;
}

static void send_now(int fd, const uint8_t *data, size_t bytes) {
    while (bytes) {
        ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            data += sent;
            bytes -= (size_t)sent;
        } else if (errno == EAGAIN) {
            struct pollfd writable = {.fd = fd, .events = POLLOUT};
            if (poll(&writable, 1, 5000) <= 0) return;
        } else if (errno != EINTR) {
            return; /* epoll will say that it is closed */
        }
    }
}

static void push(struct connection *to, const uint8_t *frame, size_t bytes) {
    if (!is_joined) {
        send_now(to->fd, frame, bytes);
        return;
    }
    if (!to->outbox_bytes) {
        if (dirty_count == dirty_capacity) {
            dirty_capacity = dirty_capacity ? 2 * dirty_capacity : 1024;
            dirty = grown(dirty, (size_t)dirty_capacity * sizeof *dirty);
        }
        dirty[dirty_count++] = to;
    }
    if (to->outbox_bytes + bytes > to->outbox_capacity) {
        to->outbox_capacity = (uint32_t)(2 * (to->outbox_bytes + bytes));
        to->outbox = grown(to->outbox, to->outbox_capacity);
    }
    memcpy(to->outbox + to->outbox_bytes, frame, bytes);
    to->outbox_bytes += (uint32_t)bytes;
}

static void flush_dirty(void) {
    for (int i = 0; i < dirty_count; i++) {
        send_now(dirty[i]->fd, dirty[i]->outbox, dirty[i]->outbox_bytes);
        dirty[i]->outbox_bytes = 0;
    }
    dirty_count = 0;
}

static uint8_t *put_text(uint8_t *at, const char *text) {
    size_t length = strlen(text);
    memcpy(at, text, length);
    return at + length;
}

static uint8_t *put_number(uint8_t *at, long number) {
    char digits[20];
    int count = 0;
    do digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count) *at++ = (uint8_t)digits[--count];
    return at;
}

/* Writes the frame's head before a payload at frame + 4; returns where the frame starts. */
static uint8_t *framed(uint8_t *frame, const uint8_t *end) {
    size_t length = (size_t)(end - frame - 4);
    if (length < 126) {
        frame[2] = 0x81;
        frame[3] = (uint8_t)length;
        return frame + 2;
    }
    frame[0] = 0x81;
    frame[1] = 126;
    frame[2] = (uint8_t)(length >> 8);
    frame[3] = (uint8_t)length;
    return frame;
}

/* The text after `key` up to `stop`; an empty one if the key is missing. */
static const char *field(const char *json, size_t bytes, const char *key, char stop, size_t *length) {
    const char *at = memmem(json, bytes, key, strlen(key));
    *length = 0;
    if (!at) return json;
    at += strlen(key);
    const char *end = memchr(at, stop, bytes - (size_t)(at - json));
    if (end) *length = (size_t)(end - at);
    return at;
}

static void on_send(struct connection *from, const char *json, size_t bytes) {
    static uint8_t frame[FRAME_BYTES];
    struct conversation *conversation = from->conversation;
    size_t id_bytes, key_bytes, content_bytes;
    const char *id = field(json, bytes, "\"id\":", ',', &id_bytes);
    const char *key = field(json, bytes, "\"client_msg_id\":\"", '"', &key_bytes);
    const char *content = field(json, bytes, "\"content\":\"", '"', &content_bytes);
    if (!conversation) return;
    long seq = ++conversation->last_seq, message_id = ++last_message_id;

    uint8_t *at = put_text(frame + 4, "{\"type\":\"ack\",\"message_id\":");
    at = put_number(at, message_id);
    at = put_number(put_text(at, ",\"conversation_id\":"), conversation->id);
    at = put_number(put_text(at, ",\"seq\":"), seq);
    at = put_number(put_text(at, ",\"created_at_ms\":"), now_ms);
    at = mempcpy(put_text(at, ",\"client_msg_id\":\""), key, key_bytes);
    at = mempcpy(put_text(at, "\",\"id\":"), id, id_bytes);
    at = put_text(at, "}");
    uint8_t *start = framed(frame, at);
    push(from, start, (size_t)(at - start));

    at = put_text(frame + 4, "{\"type\":\"message\",\"message_id\":");
    at = put_number(at, message_id);
    at = put_number(put_text(at, ",\"conversation_id\":"), conversation->id);
    at = put_number(put_text(at, ",\"seq\":"), seq);
    at = put_number(put_text(at, ",\"sender_id\":"), from->user_id);
    at = put_number(put_text(at, ",\"created_at_ms\":"), now_ms);
    at = mempcpy(put_text(at, ",\"content\":\""), content, content_bytes);
    at = mempcpy(put_text(at, "\",\"client_msg_id\":\""), key, key_bytes);
    at = put_text(at, "\"}");
    start = framed(frame, at);
    for (int i = 0; i < conversation->count; i++)
        if (conversation->members[i] != from) push(conversation->members[i], start, (size_t)(at - start));
}

static void join(struct connection *connection, long conversation_id) {
    if (conversation_id <= 0 || conversation_id >= MAX_CONVERSATIONS) return;
    struct conversation *into = conversations[conversation_id];
    if (!into) {
        into = conversations[conversation_id] = grown(NULL, sizeof *into);
        *into = (struct conversation){.id = conversation_id};
    }
    if (into->count == into->capacity) {
        into->capacity = into->capacity ? 2 * into->capacity : 2;
        into->members = grown(into->members, (size_t)into->capacity * sizeof *into->members);
    }
    connection->conversation = into;
    connection->place = into->count;
    into->members[into->count++] = connection;
}

/* Answers the request once it is complete; returns how many bytes it had, 0 if it is not, -1 if it is none. */
static long handshake(struct connection *connection, const char *data, size_t bytes) {
    const char *end = memmem(data, bytes, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = (size_t)(end - data) + 4, key_bytes, token_bytes;
    const char *key = field(data, head, "Sec-WebSocket-Key: ", '\r', &key_bytes);
    const char *token = field(data, head, "token=", ' ', &token_bytes);
    if (key_bytes != 24) return -1;
    uint8_t keyed[60], digest[20];
    char accepted[29], answer[512];
    memcpy(keyed, key, 24);
    memcpy(keyed + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36); /* RFC 6455 section 1.3 */
    sha1(keyed, sizeof keyed, digest);
    base64(digest, accepted);
    char *next = NULL;
    connection->user_id = (uint32_t)strtol(token, &next, 10);
    join(connection, *next == '.' ? strtol(next + 1, NULL, 10) : 0);
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: feige.json.v1\r\n\r\n", accepted);
    uint8_t frame[256];
    uint8_t *at = put_text(frame + 4, "{\"type\":\"welcome\",\"session_id\":\"0123456789abcdef0123456789abcdef\","
                                      "\"epoch\":\"0123456789abcdef\",\"position\":\"0.0.0\",\"heartbeat_s\":30.0,"
                                      "\"max_frame_bytes\":65536,\"version\":\"0.0.0\"}");
    uint8_t *start = framed(frame, at);
    memcpy(answer + length, start, (size_t)(at - start));
    send_now(connection->fd, (uint8_t *)answer, (size_t)length + (size_t)(at - start));
    connection->is_open = true;
    return (long)head;
}

static void unmask(uint8_t *payload, size_t bytes, const uint8_t mask[4]) {
    uint64_t wide;
    memcpy(&wide, mask, 4);
    memcpy((uint8_t *)&wide + 4, mask, 4);
    size_t i = 0;
    for (; i + 8 <= bytes; i += 8) {
        uint64_t eight;
        memcpy(&eight, payload + i, 8);
        eight ^= wide;
        memcpy(payload + i, &eight, 8);
    }
    for (; i < bytes; i++) payload[i] ^= mask[i & 3];
}

/* Answers the complete requests in the data; returns how many bytes they had. */
static long feed_http(struct connection *connection, const char *data, size_t bytes) {
    size_t done = 0;
    const char *end;
    while ((end = memmem(data + done, bytes - done, "\r\n\r\n", 4))) {
        size_t head = (size_t)(end - data) + 4 - done, length_bytes;
        const char *length = field(data + done, head, "Content-Length: ", '\r', &length_bytes);
        size_t body = length_bytes ? strtoul(length, NULL, 10) : 0;
        if (bytes - done < head + body) break;
        send_now(connection->fd, answer, answer_bytes);
        done += head + body;
    }
    return (long)done;
}

static void prepare_answer(size_t bytes) {
    static const char format[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n";
    size_t body = bytes;
    while (body && body + (size_t)snprintf(NULL, 0, format, body) > bytes) body--;
    answer = grown(NULL, bytes + sizeof format + 20);
    answer_bytes = (size_t)sprintf((char *)answer, format, body) + body;
    memset(answer + answer_bytes - body, ' ', body);
}

/* Handles the complete frames in the data; returns how many bytes they had, -1 to close. */
static long feed(struct connection *connection, uint8_t *data, size_t bytes) {
    size_t done = 0;
    if (answer) return feed_http(connection, (char *)data, bytes);
    if (!connection->is_open) {
        long head = handshake(connection, (char *)data, bytes);
        if (head <= 0) return head;
        done = (size_t)head;
    }
    while (bytes - done >= 6) {
        uint8_t *frame = data + done;
        size_t left = bytes - done, length = frame[1] & 127, head = 6;
        if (length == 127 || !(frame[1] & 128)) return -1;
        if (length == 126) {
            if (left < 8) break;
            length = (size_t)frame[2] << 8 | frame[3];
            head = 8;
        }
        if (left < head + length) break;
        if ((frame[0] & 15) == 8) return -1;
        if ((frame[0] & 15) == 1) {
            unmask(frame + head, length, frame + head - 4);
            on_send(connection, (char *)frame + head, length);
        }
        done += head + length;
    }
    return (long)done;
}

static void drop(struct connection *connection) {
    struct conversation *conversation = connection->conversation;
    if (conversation) {
        struct connection *last = conversation->members[--conversation->count];
        conversation->members[connection->place] = last;
        last->place = connection->place;
    }
    for (int i = 0; i < dirty_count; i++)
        if (dirty[i] == connection) dirty[i--] = dirty[--dirty_count];
    close(connection->fd);
    free(connection->partial);
    free(connection->outbox);
    free(connection);
}

static void on_readable(struct connection *connection) {
    size_t before = connection->partial_bytes;
    if (before) {
        memcpy(read_buffer, connection->partial, before);
        free(connection->partial);
        connection->partial = NULL;
        connection->partial_bytes = 0;
    }
    ssize_t got = recv(connection->fd, read_buffer + before, READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) got = 0;
    else if (got <= 0) {
        drop(connection);
        return;
    }
    size_t bytes = before + (size_t)got;
    long done = feed(connection, read_buffer, bytes);
    if (done < 0 || bytes - (size_t)done > READ_BYTES) {
        drop(connection);
    } else if ((size_t)done < bytes) {
        connection->partial_bytes = (uint32_t)(bytes - (size_t)done);
        connection->partial = grown(NULL, connection->partial_bytes);
        memcpy(connection->partial, read_buffer + done, connection->partial_bytes);
    }
}

static void on_acceptable(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct connection *connection = grown(NULL, sizeof *connection);
        *connection = (struct connection){.fd = fd};
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) die("epoll_ctl");
    }
}

int main(int count, char **arguments) {
    const char *variant = count < 3 ? "" : arguments[2];
    bool is_rest = !strcmp(variant, "rest");
    is_joined = !strcmp(variant, "joined");
    if (count != 3 + is_rest || (!is_rest && !is_joined && strcmp(variant, "each"))) {
        fputs("usage: limit PORT each|joined, limit PORT rest BYTES\n", stderr);
        return 1;
    }
    if (is_rest) prepare_answer(strtoul(arguments[3], NULL, 10));
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files)) die("getrlimit");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files)) die("setrlimit");
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(arguments[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) die("listen");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    static char listening, input; /* only their addresses count */
    struct epoll_event events[MAX_EVENTS];
    struct epoll_event accepting = {.events = EPOLLIN, .data.ptr = &listening};
    struct epoll_event ending = {.events = EPOLLIN, .data.ptr = &input};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &accepting)) die("epoll_ctl");
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &ending)) die("standard input must be a pipe");
    for (;;) {
        int ready = epoll_wait(epoll_fd, events, MAX_EVENTS, -1);
        if (ready < 0 && errno != EINTR) die("epoll_wait");
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        now_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == &input) return 0;
            if (events[i].data.ptr == &listening) on_acceptable(listener);
            else on_readable(events[i].data.ptr);
        }
        flush_dirty();
    }
}
