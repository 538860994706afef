/* The yardstick of durable appends: what a client in C gets out of the same database with the same rows.
 *
 *   append sql --port P --user NAME --password WORD --database NAME --batch N --messages N --warm-up N --timeout S
 *
 * In one connection to MySQL or MariaDB on 127.0.0.1: locks the conversations of a batch in the order of their ids,
 * numbers the messages, stores them with one INSERT, moves the conversations with one UPDATE, commits; in two round
 * trips. The rows and both statements are Feige's (storage/sql/append.py), but nothing is looked up, nobody else may
 * write, and after a lost connection it would not know what was committed. READ COMMITTED.
 *
 * --messages and --warm-up are counts of messages. The conversations are those that are there. Prints one line of JSON;
 * the CPU is its own, the percentiles are of batches. Exit status: meter.h. */
#define _GNU_SOURCE
#include <mysql.h>

static const char program[] = "append";
static void show_progress(void);
#include "meter.h"

enum { MAX_CONVERSATIONS = 10000, MAX_BATCH = 1000, CONTENT = 150, ROW_BYTES = CONTENT + 256, MOVE_BYTES = 128 };

struct conversation {
    long id, sender_id, last_seq, newest_id;
    bool is_written;
};

static struct {
    const char *user, *password, *database;
    long port, batch, messages, warm_up, timeout;
} options = {.batch = 200, .messages = 1000, .warm_up = 1000, .timeout = 120};

static MYSQL *server;
static struct conversation conversations[MAX_CONVERSATIONS];
static long conversation_count, stored, last_id;
static int64_t deadline_ns;
static char sql[MAX_BATCH * (ROW_BYTES + MOVE_BYTES) + 4096];
static size_t sql_bytes;

static void show_progress(void) { fprintf(stderr, " (stored %ld)\n", stored); }

static void put(const char *format, ...) {
    va_list values;
    va_start(values, format);
    sql_bytes += (size_t)vsnprintf(sql + sql_bytes, sizeof sql - sql_bytes, format, values);
    va_end(values);
    if (sql_bytes >= sizeof sql) end(USAGE, "a statement is too long");
}

static _Noreturn void fail(void) { end(REFUSED, "%s", mysql_error(server)); }

/* Sends what was put; the rows of the statement that gave some, or NULL. */
static MYSQL_RES *run(void) {
    MYSQL_RES *rows = NULL;
    int more;
    if (mysql_real_query(server, sql, sql_bytes)) fail();
    do {
        MYSQL_RES *found = mysql_store_result(server);
        if (!found && mysql_errno(server)) fail();
        if (found && rows) mysql_free_result(rows);
        if (found) rows = found;
    } while (!(more = mysql_next_result(server)));
    if (more > 0) fail();
    sql_bytes = 0;
    return rows;
}

static void read_conversations(void) {
    put("SELECT c.id,MIN(m.user_id),c.last_seq FROM conversations c JOIN members m ON m.conversation_id=c.id "
        "GROUP BY c.id,c.last_seq ORDER BY c.id LIMIT %d", MAX_CONVERSATIONS);
    MYSQL_RES *rows = run();
    MYSQL_ROW row;
    while ((row = mysql_fetch_row(rows)))
        conversations[conversation_count++] = (struct conversation){.id = atol(row[0]), .sender_id = atol(row[1])};
    mysql_free_result(rows);
    if (!conversation_count) end(USAGE, "there are no conversations");
    put("SELECT COALESCE(MAX(id),0) FROM messages");
    rows = run();
    last_id = atol(mysql_fetch_row(rows)[0]);
    mysql_free_result(rows);
}

static struct conversation *place_of(long number) { return &conversations[number % conversation_count]; }

static void lock(long first) {
    const char *separator = "";
    put("START TRANSACTION;SELECT id,last_seq FROM conversations WHERE id IN (");
    for (long i = 0; i < options.batch && i < conversation_count; i++, separator = ",")
        put("%s%ld", separator, place_of(first + i)->id);
    put(") AND status='active' ORDER BY id FOR UPDATE");
    MYSQL_RES *rows = run();
    MYSQL_ROW row;
    for (long i = 0; (row = mysql_fetch_row(rows));) {
        while (conversations[i].id != atol(row[0])) i++;
        conversations[i].last_seq = atol(row[1]);
    }
    mysql_free_result(rows);
}

static void store(long first) {
    static char content[CONTENT + 1], escaped[2 * CONTENT + 1];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    long long now_ms = now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
    put("INSERT INTO messages (id,conversation_id,seq,sender_id,kind,content,state,created_at_ms,updated_at_ms,"
        "client_msg_id,reply_to_id,forward_from_id,attachment,is_silent,is_pinned,ttl_s,send_at_ms) VALUES ");
    for (long i = 0; i < options.batch; i++) {
        struct conversation *into = place_of(first + i);
        int head = sprintf(content, "%020ld ", first + i);
        for (int j = head; j < CONTENT; j++) content[j] = (char)('a' + j % 26);
        mysql_real_escape_string(server, escaped, content, CONTENT);
        into->newest_id = ++last_id;
        into->is_written = true;
        put("%s(%ld,%ld,%ld,%ld,'text','%s','sent',%lld,%lld,'%016llx',NULL,NULL,NULL,0,0,0,NULL)", i ? "," : "",
            last_id, into->id, ++into->last_seq, into->sender_id, escaped, now_ms, now_ms,
            (unsigned long long)last_id * 0x9e3779b97f4a7c15ULL);
    }
    put(";UPDATE (SELECT NULL AS k,NULL AS last_seq,NULL AS newest_message_id,NULL AS last_message_at_ms FROM DUAL "
        "WHERE FALSE");
    for (long i = 0; i < options.batch && i < conversation_count; i++) {
        struct conversation *moved = place_of(first + i);
        if (!moved->is_written) continue;
        moved->is_written = false;
        put(" UNION ALL SELECT %ld,%ld,%ld,%lld", moved->id, moved->last_seq, moved->newest_id, now_ms);
    }
    put(") g STRAIGHT_JOIN conversations t ON t.id=g.k SET t.last_seq=g.last_seq,"
        "t.newest_message_id=g.newest_message_id,t.last_message_at_ms=g.last_message_at_ms;COMMIT");
    mysql_free_result(run());
    stored += options.batch;
}

static void append(long messages) {
    for (long done = 0; done < messages; done += options.batch) {
        int64_t began_ns = now_ns();
        long first = stored;
        lock(first);
        store(first);
        sample(now_ns() - began_ns);
        if (now_ns() > deadline_ns) end(TIMEOUT, "out of time");
    }
}

static void read_options(int count, char **arguments) {
    const struct {
        const char *name;
        long *value;
    } numbers[] = {{"--port", &options.port},         {"--batch", &options.batch},    {"--messages", &options.messages},
                   {"--warm-up", &options.warm_up},   {"--timeout", &options.timeout}};
    const struct {
        const char *name, **value;
    } words[] = {{"--user", &options.user}, {"--password", &options.password}, {"--database", &options.database}};
    if (count < 2 || count % 2 || strcmp(arguments[1], "sql"))
        end(USAGE, "append sql --option value …; the head of append.c says which");
    for (int i = 2; i < count; i += 2) {
        char *rest = "";
        bool is_known = false;
        for (size_t j = 0; j < sizeof words / sizeof *words; j++)
            if (!strcmp(arguments[i], words[j].name)) {
                *words[j].value = arguments[i + 1];
                is_known = true;
            }
        for (size_t j = 0; j < sizeof numbers / sizeof *numbers; j++)
            if (!strcmp(arguments[i], numbers[j].name)) {
                *numbers[j].value = strtol(arguments[i + 1], &rest, 10);
                is_known = *rest == 0 && *numbers[j].value >= 0;
            }
        if (!is_known) end(USAGE, "%s %s", arguments[i], arguments[i + 1]);
    }
    if (!options.user || !options.password || !options.database || options.port < 1 || options.batch < 1 ||
        options.batch > MAX_BATCH || options.messages < 1)
        end(USAGE, "a needed option is missing or out of range");
}

int main(int count, char **arguments) {
    read_options(count, arguments);
    deadline_ns = now_ns() + options.timeout * INT64_C(1000000000);
    server = mysql_init(NULL);
    if (!server) die("mysql_init");
    if (!mysql_real_connect(server, "127.0.0.1", options.user, options.password, options.database,
                            (unsigned)options.port, NULL, CLIENT_MULTI_STATEMENTS))
        fail();
    put("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    run();
    read_conversations();
    append(options.warm_up);
    keep_samples(options.messages / options.batch + 1);
    struct meter before = read_meter();
    append(options.messages);
    struct meter after = read_meter();
    sort_samples();
    printf("{\"messages\":%ld,\"batches\":%ld,\"wall_s\":%.6f,\"cpu_s\":%.9f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
           "\"max_ms\":%.3f}\n",
           sample_count * options.batch, sample_count, (double)(after.wall_ns - before.wall_ns) / 1e9,
           (double)(after.own_ns - before.own_ns) / 1e9, quantile_ms(0.5), quantile_ms(0.99), quantile_ms(1));
    mysql_close(server);
    return OK;
}
