/* The load generator: native JSON sessions over WebSocket, on one thread and one epoll. The same for every server.
 *
 *   load MODE --port P[,P…] --pid SERVER[,SERVER…] --peers FILE --sessions N [options]
 *
 * FILE has a line "TOKEN CONVERSATION" for each session: the token of /gateway?token= and the one conversation in which
 * the session sends and receives. 127.0.0.1 only. Modes:
 *
 *   fan      session 0 sends --messages in bursts of --burst; the next burst leaves when all others have got this one
 *   send     every session sends with up to --window messages unacknowledged, --messages in all
 *   rate     --rate messages a second in all, for --seconds, the sessions taking turns. Open loop: the latency counts
 *            from the moment at which a message was due, not from when it was sent
 *   connect  opens the sessions, --inflight at a time, each up to its welcome
 *   idle     opens --base sessions, later the rest; says "base" and "full" and waits for a line each time, so that the
 *            caller can look at the server
 *
 * Every session keeps which seqs it has seen, in messages and acks: each must come once, none may be missing, and both
 * kinds must come in order. Prints one line of JSON. CPU is that of the server processes between the first and the last
 * measured message. Exit status: meter.h; 5 if messages were lost, duplicated or out of order. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static const char program[] = "load";
static void show_progress(void);
#include "meter.h"

enum { READ_BYTES = 1 << 18, PARTIAL_BYTES = 1 << 18, MAX_CONTENT = 4096, MAX_BURST = 256, MAX_EVENTS = 1024 };
enum state { NEW, CONNECTING, UPGRADING, GREETING, READY };

struct session {
    const char *token;
    uint8_t *partial; /* of a frame that is not complete */
    uint64_t *seen;   /* a bit for each seq */
    long partial_bytes, seen_words;
    long conversation_id, max_seq, last_message_seq, last_ack_seq;
    long sent, acked, received;
    int64_t began_ns;
    int fd;
    enum state state;
};

static struct {
    const char *mode, *peers;
    long ports[MAX_SERVERS], sessions, messages, burst, window, rate, seconds, content, base, inflight, timeout, warm_up;
    int port_count;
} options = {.messages = 100, .burst = 1, .window = 8, .rate = 1000, .seconds = 5, .content = 150,
             .base = 100, .inflight = 64, .timeout = 120, .warm_up = 20};

static struct session *sessions;
static int epoll_fd, timer_fd = -1;
static bool is_polling;
static int64_t deadline_ns;
static long opened, wanted, ready;                     /* connections */
static long total_sent, total_acked, total_received;   /* messages */
static long duplicates, disordered, others, quota;
static uint8_t read_buffer[PARTIAL_BYTES + READ_BYTES];

static void show_progress(void) {
    fprintf(stderr, " (ready %ld of %ld, sent %ld, acked %ld, received %ld)\n", ready, wanted, total_sent, total_acked,
            total_received);
}

static void send_all(struct session *to, const uint8_t *data, size_t bytes) {
    while (bytes) {
        ssize_t sent = send(to->fd, data, bytes, MSG_NOSIGNAL);
        if (sent >= 0) {
            data += sent;
            bytes -= (size_t)sent;
        } else if (errno == EAGAIN) {
            struct pollfd writable = {.fd = to->fd, .events = POLLOUT};
            if (poll(&writable, 1, 10000) <= 0) end(TIMEOUT, "the server stopped reading");
        } else if (errno != EINTR) {
            end(REFUSED, "send: %s", strerror(errno));
        }
    }
}

static size_t framed(uint8_t *frame, int opcode, const char *payload, size_t bytes) {
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t head = 2;
    frame[0] = (uint8_t)(0x80 | opcode);
    frame[1] = (uint8_t)(0x80 | (bytes < 126 ? bytes : 126));
    if (bytes >= 126) {
        frame[2] = (uint8_t)(bytes >> 8);
        frame[3] = (uint8_t)bytes;
        head = 4;
    }
    memcpy(frame + head, mask, 4);
    head += 4;
    for (size_t i = 0; i < bytes; i++) frame[head + i] = (uint8_t)payload[i] ^ mask[i & 3];
    return head + bytes;
}

/* A `send` frame. Its client_msg_id is as random as a client's, its content starts with the time it was due. */
static size_t send_frame(uint8_t *frame, struct session *from, int64_t due_ns) {
    static char payload[MAX_CONTENT + 256];
    uint64_t key = ((uint64_t)(from - sessions) << 32 | (uint64_t)from->sent) * UINT64_C(0x9e3779b97f4a7c15);
    key ^= key >> 29;
    int head = sprintf(payload,
                       "{\"type\":\"send\",\"id\":%ld,\"conversation_id\":%ld,\"client_msg_id\":\"%016llx\",\"content\":\"",
                       from->sent + 1, from->conversation_id, (unsigned long long)key);
    size_t length = (size_t)head + (size_t)sprintf(payload + head, "%020lld ", (long long)due_ns);
    for (; length < (size_t)(head + options.content); length++) payload[length] = (char)('a' + length % 26);
    length = (size_t)(head + options.content);
    memcpy(payload + length, "\"}", 2);
    from->sent++;
    total_sent++;
    return framed(frame, 1, payload, length + 2);
}

static void see(struct session *session, long seq, long *last) {
    if (seq <= 0 || seq > (1L << 28)) end(REFUSED, "a seq of %ld", seq);
    if (seq / 64 >= session->seen_words) {
        long words = 2 * (seq / 64) + 2;
        session->seen = realloc(session->seen, (size_t)words * 8);
        if (!session->seen) die("realloc");
        memset(session->seen + session->seen_words, 0, (size_t)(words - session->seen_words) * 8);
        session->seen_words = words;
    }
    uint64_t bit = UINT64_C(1) << seq % 64;
    if (session->seen[seq / 64] & bit) duplicates++;
    else if (seq <= *last) disordered++;
    session->seen[seq / 64] |= bit;
    *last = seq;
    if (seq > session->max_seq) session->max_seq = seq;
}

static long number_after(const char *json, size_t bytes, const char *key) {
    const char *at = memmem(json, bytes, key, strlen(key));
    return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

static void on_packet(struct session *session, const char *json, size_t bytes) {
    static const char type_key[] = "\"type\":\"";
    const char *type = memmem(json, bytes, type_key, sizeof type_key - 1);
    if (!type) end(REFUSED, "no packet: %.*s", (int)bytes, json);
    type += sizeof type_key - 1;
    if (!strncmp(type, "message\"", 8)) {
        if (number_after(json, bytes, "\"conversation_id\":") != session->conversation_id)
            end(REFUSED, "a message of another conversation: %.*s", (int)bytes, json);
        see(session, number_after(json, bytes, "\"seq\":"), &session->last_message_seq);
        session->received++;
        total_received++;
        if (samples_us && session->state == READY && timer_fd >= 0) {
            const char *content = memmem(json, bytes, "\"content\":\"", 11);
            long long due_ns = content ? strtoll(content + 11, NULL, 10) : 0;
            if (due_ns) sample(now_ns() - due_ns);
        }
    } else if (!strncmp(type, "ack\"", 4)) {
        if (number_after(json, bytes, "\"id\":") != session->acked + 1) disordered++;
        see(session, number_after(json, bytes, "\"seq\":"), &session->last_ack_seq);
        session->acked++;
        total_acked++;
    } else if (!strncmp(type, "welcome\"", 8)) {
        if (session->state != GREETING) end(REFUSED, "a second welcome");
        session->state = READY;
        ready++;
        if (samples_us && timer_fd < 0) sample(now_ns() - session->began_ns);
    } else if (!strncmp(type, "error\"", 6) || !strncmp(type, "go_away\"", 8)) {
        end(REFUSED, "%.*s", (int)bytes, json);
    } else {
        others++;
    }
}

/* A text frame holds a packet, or several on a line each. */
static void on_text(struct session *session, const char *text, size_t bytes) {
    while (bytes) {
        const char *newline = memchr(text, '\n', bytes);
        size_t length = newline ? (size_t)(newline - text) : bytes;
        if (length) on_packet(session, text, length);
        if (!newline) return;
        text += length + 1;
        bytes -= length + 1;
    }
}

static size_t on_upgrade(struct session *session, const char *data, size_t bytes) {
    const char *head = memmem(data, bytes, "\r\n\r\n", 4);
    if (!head) return 0;
    if (strncmp(data, "HTTP/1.1 101 ", 13)) end(REFUSED, "no upgrade: %.*s", (int)bytes, data);
    session->state = GREETING;
    return (size_t)(head - data) + 4;
}

static size_t feed(struct session *session, uint8_t *data, size_t bytes) {
    size_t done = 0;
    if (session->state == UPGRADING && !(done = on_upgrade(session, (char *)data, bytes))) return 0;
    while (bytes - done >= 2) {
        uint8_t *frame = data + done;
        size_t left = bytes - done, length = frame[1] & 127, head = 2;
        if (length == 127) end(REFUSED, "a frame of 64 KiB or more");
        if (length == 126) {
            if (left < 4) break;
            length = (size_t)frame[2] << 8 | frame[3];
            head = 4;
        }
        if (left < head + length) break;
        char *payload = (char *)frame + head;
        switch (frame[0] & 15) {
        case 1: on_text(session, payload, length); break;
        case 8: end(REFUSED, "closed: %d %.*s", length < 2 ? 0 : (uint8_t)payload[0] << 8 | (uint8_t)payload[1],
                    length < 2 ? 0 : (int)length - 2, payload + 2);
        case 9: {
            uint8_t pong[256];
            send_all(session, pong, framed(pong, 10, payload, length));
        }
        }
        done += head + length;
    }
    return done;
}

static void on_readable(struct session *session) {
    size_t before = (size_t)session->partial_bytes;
    memcpy(read_buffer, session->partial, before);
    ssize_t got = recv(session->fd, read_buffer + before, READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) end(REFUSED, "session %ld was closed", (long)(session - sessions));
    size_t bytes = before + (size_t)got, done = feed(session, read_buffer, bytes);
    if (bytes - done > PARTIAL_BYTES) end(REFUSED, "a frame without end");
    if (bytes - done > before || (before && done)) {
        session->partial = realloc(session->partial, bytes - done + 1);
        if (!session->partial) die("realloc");
    }
    memcpy(session->partial, read_buffer + done, bytes - done);
    session->partial_bytes = (long)(bytes - done);
}

/* With several ports neighbours are on different ones. */
static long port_of(const struct session *session) { return options.ports[(session - sessions) % options.port_count]; }

static void on_connected(struct session *session) {
    char request[2048];
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(session->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error) end(REFUSED, "connect: %s", strerror(error));
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = session};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, session->fd, &event)) die("epoll_ctl");
    session->state = UPGRADING;
    int length = snprintf(request, sizeof request,
                          "GET /gateway?token=%s HTTP/1.1\r\nHost: 127.0.0.1:%ld\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Key: ZmVpZ2UtYmVuY2gtbG9hZA==\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: feige.json.v1\r\n\r\n",
                          session->token, port_of(session));
    if (length >= (int)sizeof request) end(USAGE, "the token is too long");
    send_all(session, (uint8_t *)request, (size_t)length);
}

static void open_more(void) {
    for (; opened < wanted && opened - ready < options.inflight; opened++) {
        struct session *session = &sessions[opened];
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)port_of(session)),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int one = 1;
        session->began_ns = now_ns();
        session->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (session->fd < 0) die("socket");
        setsockopt(session->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connect(session->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) die("connect");
        session->state = CONNECTING;
        struct epoll_event event = {.events = EPOLLOUT, .data.ptr = session};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, session->fd, &event)) die("epoll_ctl");
    }
}

static void refill(struct session *session) {
    static uint8_t frames[MAX_BURST * (MAX_CONTENT + 256)];
    size_t bytes = 0;
    while (session->sent < quota && session->sent - session->acked < options.window)
        bytes += send_frame(frames + bytes, session, now_ns());
    if (bytes) send_all(session, frames, bytes);
}

/* One round of epoll. True if the timer of `rate` has fired. While `is_polling` it never sleeps: on loopback, waking a
   receiver is charged to the server that sends (1 to 2 us in a virtual machine), and only to a server that is slower
   than the receiver. Clients on other machines cost a server no wake-ups. */
static bool pump(int timeout_ms) {
    static struct epoll_event events[MAX_EVENTS];
    bool is_due = false;
    int count = epoll_wait(epoll_fd, events, MAX_EVENTS, is_polling ? 0 : timeout_ms);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
        struct session *session = events[i].data.ptr;
        if (!session) {
            uint64_t fired;
            is_due = read(timer_fd, &fired, sizeof fired) > 0;
        } else if (session->state == CONNECTING) {
            on_connected(session);
        } else {
            on_readable(session);
            if (quota) refill(session);
        }
    }
    if (opened < wanted) open_more();
    if (now_ns() > deadline_ns) end(TIMEOUT, "out of time");
    return is_due;
}

static void settle(int ms) {
    for (int64_t until = now_ns() + ms * INT64_C(1000000); now_ns() < until;) pump(5);
}

static void open_sessions(long count) {
    wanted = count;
    open_more();
    while (ready < wanted) pump(100);
}

static void fan_bursts(long messages) {
    static uint8_t frames[MAX_BURST * (MAX_CONTENT + 256)];
    for (long left = messages; left > 0; left -= options.burst) {
        size_t bytes = 0;
        for (long i = 0; i < options.burst; i++) bytes += send_frame(frames + bytes, &sessions[0], now_ns());
        send_all(&sessions[0], frames, bytes);
        while (total_received < total_sent * (options.sessions - 1) || total_acked < total_sent) pump(1000);
    }
}

static void send_windows(long each) {
    quota += each;
    for (long i = 0; i < options.sessions; i++) refill(&sessions[i]);
    while (total_acked < quota * options.sessions || total_received < total_acked) pump(1000);
}

/* Returns by how much the generator itself was late at most. */
static int64_t send_at_rate(void) {
    static uint8_t frame[MAX_CONTENT + 256];
    const int64_t start_ns = now_ns() + 10000000;
    const long total = options.rate * options.seconds;
    int64_t worst_ns = 0;
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (timer_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event)) die("timerfd");
    for (long i = 0; i < total;) {
        int64_t due_ns = start_ns + i * INT64_C(1000000000) / options.rate, now = now_ns();
        if (now >= due_ns) {
            struct session *from = &sessions[i++ % options.sessions];
            if (now - due_ns > worst_ns) worst_ns = now - due_ns;
            send_all(from, frame, send_frame(frame, from, due_ns));
            if (i % 8) continue; /* a generator that is behind must still read */
            pump(0);
        } else {
            struct itimerspec at = {.it_value = {due_ns / 1000000000, due_ns % 1000000000}};
            if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &at, NULL)) die("timerfd_settime");
            while (!pump(1000) && now_ns() < due_ns) {}
        }
    }
    while (total_received < total_sent || total_acked < total_sent) pump(1000);
    return worst_ns;
}

static void wait_for_caller(const char *stage) {
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char line[16];
    puts(stage);
    fflush(stdout);
    while (!poll(&input, 1, 0)) pump(20);
    if (!fgets(line, sizeof line, stdin)) end(USAGE, "standard input was closed");
}

/* Messages that other sessions of the conversation got or sent and this one did not see. */
static long count_lost(void) {
    long lost = 0, highest = 0, *last;
    for (long i = 0; i < options.sessions; i++)
        if (sessions[i].conversation_id > highest) highest = sessions[i].conversation_id;
    last = zeroed((size_t)highest + 1, sizeof *last);
    for (long i = 0; i < options.sessions; i++)
        if (sessions[i].max_seq > last[sessions[i].conversation_id])
            last[sessions[i].conversation_id] = sessions[i].max_seq;
    for (long i = 0; i < options.sessions; i++) {
        lost += last[sessions[i].conversation_id];
        for (long word = 0; word < sessions[i].seen_words; word++)
            lost -= __builtin_popcountll(sessions[i].seen[word]);
    }
    free(last);
    return lost;
}

static void read_peers(void) {
    FILE *file = fopen(options.peers, "r");
    char token[1024];
    if (!file) die(options.peers);
    for (long i = 0; i < options.sessions; i++) {
        if (fscanf(file, "%1023s %ld", token, &sessions[i].conversation_id) != 2 ||
            sessions[i].conversation_id < 0 || sessions[i].conversation_id > 1 << 24)
            end(USAGE, "line %ld of %s is no \"TOKEN CONVERSATION\"", i + 1, options.peers);
        sessions[i].token = strdup(token);
        if (!sessions[i].token) die("strdup");
        sessions[i].partial = zeroed(1, 1);
    }
    fclose(file);
}

static void read_options(int count, char **arguments) {
    const struct {
        const char *name;
        long *value;
    } numbers[] = {{"--sessions", &options.sessions}, {"--messages", &options.messages}, {"--burst", &options.burst},
                   {"--window", &options.window},     {"--rate", &options.rate},         {"--seconds", &options.seconds},
                   {"--content", &options.content},   {"--base", &options.base},         {"--inflight", &options.inflight},
                   {"--timeout", &options.timeout},   {"--warm-up", &options.warm_up}};
    if (count < 2 || count % 2) end(USAGE, "load MODE --option value …; the head of load.c says which");
    options.mode = arguments[1];
    for (int i = 2; i < count; i += 2) {
        char *rest = "";
        bool is_known = !strcmp(arguments[i], "--peers");
        if (is_known) options.peers = arguments[i + 1];
        else if (!strcmp(arguments[i], "--port"))
            is_known = read_numbers(arguments[i + 1], options.ports, MAX_SERVERS, &options.port_count);
        else if (!strcmp(arguments[i], "--pid"))
            is_known = read_numbers(arguments[i + 1], server_pids, MAX_SERVERS, &server_count);
        for (size_t j = 0; j < sizeof numbers / sizeof *numbers; j++)
            if (!strcmp(arguments[i], numbers[j].name)) {
                *numbers[j].value = strtol(arguments[i + 1], &rest, 10);
                is_known = *rest == 0 && *numbers[j].value >= 0;
            }
        if (!is_known) end(USAGE, "%s %s", arguments[i], arguments[i + 1]);
    }
    if (!options.peers || options.sessions < 1 || !options.port_count || !server_count || options.rate < 1 ||
        options.burst < 1 || options.burst > MAX_BURST || options.window < 1 || options.window > MAX_BURST ||
        options.content < 22 || options.content > MAX_CONTENT || options.inflight < 1 || options.timeout < 1)
        end(USAGE, "a needed option is missing or out of range");
}

int main(int count, char **arguments) {
    read_options(count, arguments);
    const char *mode = options.mode;
    sessions = zeroed((size_t)options.sessions, sizeof *sessions);
    read_peers();
    allow_many_files();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    deadline_ns = now_ns() + options.timeout * INT64_C(1000000000);

    struct meter before = read_meter(), after;
    long messages = 0;
    int64_t late_ns = 0;
    if (!strcmp(mode, "connect")) {
        keep_samples(options.sessions);
        open_sessions(options.sessions);
    } else if (!strcmp(mode, "idle")) {
        open_sessions(options.base < options.sessions ? options.base : options.sessions);
        wait_for_caller("base");
        open_sessions(options.sessions);
        wait_for_caller("full");
    } else {
        open_sessions(options.sessions);
        settle(300);
        if (!strcmp(mode, "fan")) {
            is_polling = true;
            messages = (options.messages + options.burst - 1) / options.burst * options.burst;
            fan_bursts(options.warm_up);
            settle(50);
            before = read_meter();
            fan_bursts(messages);
        } else if (!strcmp(mode, "send")) {
            long each = (options.messages + options.sessions - 1) / options.sessions;
            messages = each * options.sessions;
            send_windows(options.warm_up);
            settle(50);
            before = read_meter();
            send_windows(each);
        } else if (!strcmp(mode, "rate")) {
            messages = options.rate * options.seconds;
            send_windows(1); /* every conversation's first message finds cold caches: not measured */
            quota = 0;
            settle(50);
            keep_samples(messages);
            before = read_meter();
            late_ns = send_at_rate();
        } else {
            end(USAGE, "there is no mode %s", mode);
        }
    }
    int64_t wall_ns = now_ns() - before.wall_ns;
    if (messages) settle(20); /* what the server still does for the last message is part of its cost */
    after = read_meter();

    sort_samples();
    long lost = count_lost();
    printf("{\"mode\":\"%s\",\"sessions\":%ld,\"messages\":%ld,\"deliveries\":%ld,\"wall_s\":%.6f,\"cpu_s\":%.9f,"
           "\"user_s\":%.2f,\"system_s\":%.2f,\"load_cpu_s\":%.6f,\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,"
           "\"p999_ms\":%.3f,\"max_ms\":%.3f,\"late_ms\":%.3f,\"lost\":%ld,\"duplicates\":%ld,\"disordered\":%ld,"
           "\"others\":%ld}\n",
           mode, options.sessions, messages, !strcmp(mode, "fan") ? messages * (options.sessions - 1) : messages,
           (double)wall_ns / 1e9, (double)(after.cpu_ns - before.cpu_ns) / 1e9, after.user_s - before.user_s,
           after.system_s - before.system_s, (double)(after.own_ns - before.own_ns) / 1e9, quantile_ms(0.5),
           quantile_ms(0.9), quantile_ms(0.99), quantile_ms(0.999), quantile_ms(1), (double)late_ns / 1e6, lost,
           duplicates, disordered, others);
    return lost || duplicates || disordered ? INCONSISTENT : OK;
}
