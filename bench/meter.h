/* What the load generators share: failing with a status, clocks, memory, latency samples, CPU of the server.
 *
 * Each program defines `program` and `show_progress` before it includes this.
 *
 * Exit status of all: 0; 1 usage; 2 a system call failed; 3 the server refused, sent an error or closed; 4 out of time;
 * 5 answers lost, duplicated or out of order. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum status { OK, USAGE, SYSTEM, REFUSED, TIMEOUT, INCONSISTENT };
enum { MAX_SERVERS = 8 };

static long server_pids[MAX_SERVERS];
static int server_count;
static uint32_t *samples_us;
static long sample_count, sample_capacity;

static _Noreturn void end(enum status status, const char *format, ...) {
    va_list values;
    va_start(values, format);
    fprintf(stderr, "%s: ", program);
    vfprintf(stderr, format, values);
    show_progress();
    va_end(values);
    exit(status);
}

static _Noreturn void die(const char *what) { end(SYSTEM, "%s: %s", what, strerror(errno)); }

static int64_t ns_of(clockid_t clock) {
    struct timespec time;
    if (clock_gettime(clock, &time)) end(REFUSED, "the server process is gone");
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int64_t now_ns(void) { return ns_of(CLOCK_MONOTONIC); }

static void *zeroed(size_t count, size_t bytes) {
    void *memory = calloc(count, bytes);
    if (!memory) die("calloc");
    return memory;
}

static inline void keep_samples(long capacity) {
    sample_count = 0;
    sample_capacity = capacity;
    free(samples_us);
    samples_us = zeroed((size_t)capacity + 1, sizeof *samples_us);
}

static inline void sample(int64_t ns) {
    if (sample_count < sample_capacity) samples_us[sample_count++] = (uint32_t)(ns / 1000);
}

static inline int ascending(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static inline void sort_samples(void) {
    if (sample_count) qsort(samples_us, (size_t)sample_count, sizeof *samples_us, ascending);
}

/* Of sorted samples. */
static inline double quantile_ms(double share) {
    if (!sample_count) return 0;
    long index = (long)(share * (double)sample_count);
    return samples_us[index < sample_count ? index : sample_count - 1] / 1000.0;
}

/* One number, or several with commas between. */
static inline bool read_numbers(const char *text, long *numbers, int capacity, int *count) {
    char *rest = (char *)text;
    for (*count = 0; *count < capacity; rest++) {
        numbers[(*count)++] = strtol(rest, &rest, 10);
        if (*rest != ',') break;
    }
    return *rest == 0 && rest != text;
}

/* All threads of all server processes; to the nanosecond (CLOCK_PROCESS_CPUTIME_ID of those processes), and in user and
 * system time to the tick. */
struct meter {
    int64_t wall_ns, cpu_ns, own_ns;
    double user_s, system_s;
};

static inline void add_server_times(long pid, struct meter *meter) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    text[length] = 0;
    const char *after_name = strrchr(text, ')');
    unsigned long user, system;
    if (!after_name || sscanf(after_name, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        end(REFUSED, "the server process is gone");
    meter->user_s += (double)user / (double)sysconf(_SC_CLK_TCK);
    meter->system_s += (double)system / (double)sysconf(_SC_CLK_TCK);
}

static inline struct meter read_meter(void) {
    struct meter meter = {now_ns(), 0, ns_of(CLOCK_PROCESS_CPUTIME_ID), 0, 0};
    for (int i = 0; i < server_count; i++) {
        clockid_t clock;
        if (clock_getcpuclockid((pid_t)server_pids[i], &clock)) end(REFUSED, "there is no process %ld", server_pids[i]);
        meter.cpu_ns += ns_of(clock);
        add_server_times(server_pids[i], &meter);
    }
    return meter;
}

static inline void allow_many_files(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files)) die("getrlimit");
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files)) die("setrlimit");
}
