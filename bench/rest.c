/* The load generator for REST: keep-alive connections on one thread and one epoll. The same for every server.
 *
 *   rest MODE --port P --pid SERVER --requests FILE --connections N [options]
 *
 * FILE has a request for each connection, which sends it again and again: its length in bytes on a line, then the request
 * as it goes over the wire. 127.0.0.1 only. Every answer must be a 200 with a Content-Length. Modes:
 *
 *   full     every connection asks as soon as it has its answer, --count requests in all
 *   rate     --rate requests a second in all, for --seconds, on whatever connection is free. Open loop: the latency
 *            counts from the moment at which a request was due, not from when it was sent
 *
 * --warm-up requests of each connection are not measured. Prints one line of JSON. Exit status: meter.h. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static const char program[] = "rest";
static void show_progress(void);
#include "meter.h"

enum { ANSWER_BYTES = 1 << 20, MAX_EVENTS = 256 };

struct connection {
    char *request, *answer;
    size_t request_bytes, answer_bytes;
    int64_t due_ns;
    int fd;
    bool is_busy;
};

static struct {
    const char *mode, *requests;
    long port, connections, count, rate, seconds, timeout, warm_up;
} options = {.count = 1000, .rate = 800, .seconds = 5, .timeout = 120, .warm_up = 5};

static struct connection *connections;
static int epoll_fd, timer_fd;
static int64_t deadline_ns, started_ns;
static long asked, answered, due, wanted; /* requests of this phase; `due` may be asked by now */
static long answer_bytes;
static bool is_paced;

static void show_progress(void) { fprintf(stderr, " (asked %ld, answered %ld of %ld)\n", asked, answered, wanted); }

static int64_t due_at(long number) { return started_ns + number * INT64_C(1000000000) / options.rate; }

static void ask(struct connection *connection) {
    connection->is_busy = true;
    connection->due_ns = is_paced ? due_at(asked) : now_ns();
    asked++;
    ssize_t sent = send(connection->fd, connection->request, connection->request_bytes, MSG_NOSIGNAL);
    if (sent != (ssize_t)connection->request_bytes) end(REFUSED, "send: %s", sent < 0 ? strerror(errno) : "cut short");
}

static void on_answer(struct connection *connection, size_t bytes) {
    sample(now_ns() - connection->due_ns);
    answer_bytes += (long)bytes;
    answered++;
    connection->is_busy = false;
    connection->answer_bytes = 0;
    if (asked < due) ask(connection);
}

static void on_readable(struct connection *connection) {
    size_t room = ANSWER_BYTES - connection->answer_bytes;
    ssize_t got = recv(connection->fd, connection->answer + connection->answer_bytes, room, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) end(REFUSED, "the server closed a connection, or an answer has no end");
    connection->answer_bytes += (size_t)got;
    static const char key[] = "\r\nContent-Length: ";
    char *answer = connection->answer, *head = memmem(answer, connection->answer_bytes, "\r\n\r\n", 4);
    if (!head) return;
    size_t head_bytes = (size_t)(head - answer) + 4;
    char *length = memmem(answer, head_bytes, key, sizeof key - 1);
    if (memcmp(answer, "HTTP/1.1 200 ", 13) || !length)
        end(REFUSED, "%.*s", (int)connection->answer_bytes, answer);
    size_t whole = head_bytes + strtoul(length + sizeof key - 1, NULL, 10);
    if (connection->answer_bytes > whole) end(INCONSISTENT, "more than an answer");
    if (connection->answer_bytes == whole) on_answer(connection, whole);
}

static void connect_all(void) {
    for (long i = 0; i < options.connections; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)options.port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct connection *connection = &connections[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        int one = 1;
        connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connection->fd < 0) die("socket");
        if (connect(connection->fd, (struct sockaddr *)&address, sizeof address))
            end(REFUSED, "connect: %s", strerror(errno));
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event)) die("epoll_ctl");
    }
}

static void ask_what_is_due(void) {
    for (long i = 0; i < options.connections && asked < due; i++)
        if (!connections[i].is_busy) ask(&connections[i]);
}

static void wait_for_next(void) {
    int64_t next_ns = due_at(due);
    struct itimerspec at = {.it_value = {next_ns / 1000000000, next_ns % 1000000000}};
    if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &at, NULL)) die("timerfd_settime");
}

static void exchange(long count, bool paced) {
    static struct epoll_event events[MAX_EVENTS];
    asked = answered = answer_bytes = 0;
    wanted = count;
    is_paced = paced;
    started_ns = now_ns();
    for (due = paced ? 0 : count; answered < wanted;) {
        while (due < wanted && due_at(due) <= now_ns()) due++;
        ask_what_is_due();
        if (due < wanted) wait_for_next();
        int ready = epoll_wait(epoll_fd, events, MAX_EVENTS, 1000);
        if (ready < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < ready; i++) {
            uint64_t fired;
            if (events[i].data.ptr) on_readable(events[i].data.ptr);
            else if (read(timer_fd, &fired, sizeof fired) < 0 && errno != EAGAIN) die("timerfd");
        }
        if (now_ns() > deadline_ns) end(TIMEOUT, "out of time");
    }
}

static void read_requests(void) {
    FILE *file = fopen(options.requests, "r");
    if (!file) die(options.requests);
    for (long i = 0; i < options.connections; i++) {
        size_t bytes;
        if (fscanf(file, "%zu", &bytes) != 1 || fgetc(file) != '\n' || bytes < 1 || bytes > 65536)
            end(USAGE, "%s has no request %ld", options.requests, i + 1);
        connections[i].request = zeroed(bytes, 1);
        connections[i].request_bytes = bytes;
        connections[i].answer = zeroed(ANSWER_BYTES, 1);
        if (fread(connections[i].request, 1, bytes, file) != bytes) end(USAGE, "%s is cut short", options.requests);
    }
    fclose(file);
}

static void read_options(int count, char **arguments) {
    const struct {
        const char *name;
        long *value;
    } numbers[] = {{"--port", &options.port},   {"--connections", &options.connections}, {"--count", &options.count},
                   {"--rate", &options.rate},   {"--seconds", &options.seconds},         {"--timeout", &options.timeout},
                   {"--warm-up", &options.warm_up}};
    if (count < 2 || count % 2) end(USAGE, "rest MODE --option value …; the head of rest.c says which");
    options.mode = arguments[1];
    for (int i = 2; i < count; i += 2) {
        char *rest = "";
        bool is_known = !strcmp(arguments[i], "--requests");
        if (is_known) options.requests = arguments[i + 1];
        else if (!strcmp(arguments[i], "--pid"))
            is_known = read_numbers(arguments[i + 1], server_pids, MAX_SERVERS, &server_count);
        for (size_t j = 0; j < sizeof numbers / sizeof *numbers; j++)
            if (!strcmp(arguments[i], numbers[j].name)) {
                *numbers[j].value = strtol(arguments[i + 1], &rest, 10);
                is_known = *rest == 0 && *numbers[j].value >= 0;
            }
        if (!is_known) end(USAGE, "%s %s", arguments[i], arguments[i + 1]);
    }
    if (!options.requests || options.port < 1 || !server_count || options.connections < 1 || options.rate < 1 ||
        (strcmp(options.mode, "full") && strcmp(options.mode, "rate")))
        end(USAGE, "a needed option is missing or out of range");
}

int main(int count, char **arguments) {
    read_options(count, arguments);
    connections = zeroed((size_t)options.connections, sizeof *connections);
    read_requests();
    allow_many_files();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    if (timer_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event)) die("timerfd");
    deadline_ns = now_ns() + options.timeout * INT64_C(1000000000);
    connect_all();
    exchange(options.warm_up * options.connections, false);

    bool paced = !strcmp(options.mode, "rate");
    long requests = paced ? options.rate * options.seconds : options.count;
    keep_samples(requests);
    struct meter before = read_meter();
    exchange(requests, paced);
    struct meter after = read_meter();
    sort_samples();
    printf("{\"mode\":\"%s\",\"connections\":%ld,\"requests\":%ld,\"answer_bytes\":%ld,\"wall_s\":%.6f,\"cpu_s\":%.9f,"
           "\"user_s\":%.2f,\"system_s\":%.2f,\"load_cpu_s\":%.6f,\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,"
           "\"p999_ms\":%.3f,\"max_ms\":%.3f}\n",
           options.mode, options.connections, requests, answer_bytes / (requests ? requests : 1),
           (double)(after.wall_ns - before.wall_ns) / 1e9, (double)(after.cpu_ns - before.cpu_ns) / 1e9,
           after.user_s - before.user_s, after.system_s - before.system_s,
           (double)(after.own_ns - before.own_ns) / 1e9, quantile_ms(0.5), quantile_ms(0.9), quantile_ms(0.99),
           quantile_ms(0.999), quantile_ms(1));
    return OK;
}
