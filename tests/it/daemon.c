/*
 * daemon.c - see daemon.h.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define MAX_OPTIONS 48
#define MAX_ERRORS  16

/* What the master says when a reload has come to its end; see master.c. */
#define LOG_RELOADED "reloaded"
#define LOG_REFUSED  "reload refused"

struct daemon {
	pid_t pid;
	uint16_t port;
	char *conf_path;
	char *ready;
	char *expected[MAX_ERRORS];
	size_t n_expected;
	char *copy_path; /* of the log, printed if the test fails */
	int copy_fd;

	int log_fd;
	pthread_t reader;
	pthread_mutex_t lock;
	pthread_cond_t grown;
	char *log; /* under the lock, always terminated */
	size_t log_len, log_cap;
	bool log_closed;
};

static void *
read_log(void *arg)
{
	struct daemon *d = arg;
	char piece[16384];

	for (;;) {
		ssize_t n = read(d->log_fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		pthread_mutex_lock(&d->lock);
		if (n <= 0) {
			d->log_closed = true;
			pthread_cond_broadcast(&d->grown);
			pthread_mutex_unlock(&d->lock);
			return NULL;
		}
		ssize_t copied = write(d->copy_fd, piece, (size_t)n);
		(void)copied;
		while (d->log_cap - d->log_len < (size_t)n + 1) {
			d->log_cap = d->log_cap * 2 + sizeof(piece);
			d->log = realloc(d->log, d->log_cap);
			if (!d->log)
				abort();
		}
		memcpy(d->log + d->log_len, piece, (size_t)n);
		d->log_len += (size_t)n;
		d->log[d->log_len] = '\0';
		pthread_cond_broadcast(&d->grown);
		pthread_mutex_unlock(&d->lock);
	}
}

/* The line around `at`, copied */
static char *
line_at(const char *log, const char *at)
{
	const char *begin = at, *end = strchr(at, '\n');

	while (begin > log && begin[-1] != '\n')
		begin--;
	return strndup(begin, end ? (size_t)(end - begin) : strlen(begin));
}

static const char *
find_after(struct daemon *d, size_t mark, const char *text)
{
	return d->log && mark <= d->log_len ? strstr(d->log + mark, text) : NULL;
}

/* NULL when the log ended, or after the deadline */
static char *
wait_line(struct daemon *d, size_t mark, const char *text, const char *or_text)
{
	struct timespec until;
	char *line = NULL;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += IT_DEADLINE_MS / 1000;
	pthread_mutex_lock(&d->lock);
	for (;;) {
		const char *at = find_after(d, mark, text);
		if (!at && or_text)
			at = find_after(d, mark, or_text);
		/* whole lines only */
		if (at && strchr(at, '\n')) {
			line = line_at(d->log, at);
			break;
		}
		if (d->log_closed || pthread_cond_timedwait(&d->grown, &d->lock, &until) != 0)
			break;
	}
	pthread_mutex_unlock(&d->lock);
	return line;
}

static uint16_t
parse_port(const char *ready)
{
	/* "... 127.0.0.1:41234 ...": digits after a colon that follows a host */
	for (const char *p = strchr(ready, ':'); p; p = strchr(p + 1, ':')) {
		char *end;
		unsigned long port;
		if (p == ready || p[1] < '0' || p[1] > '9')
			continue;
		port = strtoul(p + 1, &end, 10);
		bool after_host = p[-1] == ']' || strncmp(p - 1, "*:", 2) == 0;
		const char *q = p;
		int dots = 0;
		while (q > ready && (q[-1] == '.' || (q[-1] >= '0' && q[-1] <= '9')))
			dots += *--q == '.';
		after_host = after_host || dots == 3;
		if (after_host && port > 0 && port < 65536)
			return (uint16_t)port;
	}
	return 0;
}

struct daemon *
daemon_start_spec(const struct daemon_spec *spec)
{
	struct daemon *d = calloc(1, sizeof(*d));
	const char *argv[2 * MAX_OPTIONS + 8];
	size_t n = 0;
	int fds[2];
	bool listen = spec->bare, workers = spec->bare;

	ck_assert_ptr_nonnull(d);
	char *name = it_printf("plaza-%llu.conf", (unsigned long long)it_now_ms());
	d->conf_path = (char *)(uintptr_t)it_path(name);
	free(name);
	it_write_file(d->conf_path, spec->conf ? spec->conf : "");
	argv[n++] = spec->program ? spec->program : it_plazad();
	argv[n++] = "-c";
	argv[n++] = d->conf_path;
	for (size_t i = 0; spec->options && spec->options[i]; i++) {
		ck_assert_uint_lt(i, MAX_OPTIONS - 2);
		listen = listen || strncmp(spec->options[i], "server.listen=", 14) == 0;
		workers = workers || strncmp(spec->options[i], "server.workers=", 15) == 0;
		argv[n++] = "-o";
		argv[n++] = spec->options[i];
	}
	if (!listen) {
		argv[n++] = "-o";
		argv[n++] = "server.listen=127.0.0.1:0";
	}
	if (!workers) {
		argv[n++] = "-o";
		argv[n++] = "server.workers=2";
	}
	argv[n] = NULL;

	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	d->pid = fork();
	ck_assert_int_ge(d->pid, 0);
	if (d->pid == 0) {
		it_die_with_test();
		signal(SIGPIPE, SIG_DFL);
		if (spec->own_group)
			setpgid(0, 0);
		if (dup2(fds[1], STDERR_FILENO) < 0)
			_exit(127);
		if (spec->prepare)
			spec->prepare(spec->ctx);
		char **args;
		const char *const *from = argv;
		memcpy(&args, &from, sizeof(args));
		execv(argv[0], args);
		fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(fds[1]);
	d->log_fd = fds[0];
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->grown, NULL);
	d->copy_path = (char *)(uintptr_t)it_log_path();
	d->copy_fd = open(d->copy_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_ge(d->copy_fd, 0);
	ck_assert_int_eq(pthread_create(&d->reader, NULL, read_log, d), 0);
	d->ready = wait_line(d, 0, "READY", NULL);
	ck_assert_msg(d->ready != NULL, "plazad did not become ready");
	d->port = parse_port(d->ready);
	return d;
}

struct daemon *
daemon_start(const char *option, ...)
{
	const char *options[MAX_OPTIONS];
	size_t n = 0;
	va_list ap;

	va_start(ap, option);
	for (const char *o = option; o; o = va_arg(ap, const char *)) {
		ck_assert_uint_lt(n, MAX_OPTIONS - 1);
		options[n++] = o;
	}
	va_end(ap);
	options[n] = NULL;
	struct daemon_spec spec = {.options = options};
	return daemon_start_spec(&spec);
}

struct daemon *
daemon_start_default(void)
{
	struct daemon_spec spec = {0};

	return daemon_start_spec(&spec);
}

static bool
expected(const struct daemon *d, const char *line)
{
	for (size_t i = 0; i < d->n_expected; i++) {
		if (strstr(line, d->expected[i]))
			return true;
	}
	return false;
}

/* What no log may ever show, and errors that nobody announced. */
static void
check_log(struct daemon *d)
{
	static const char *const never[] = {"assert", "Assert", "Sanitizer", "runtime error:"};

	for (char *line = d->log; line && *line;) {
		char *end = strchr(line, '\n');
		size_t len = end ? (size_t)(end - line) : strlen(line);
		char *copy = strndup(line, len);
		ck_assert_ptr_nonnull(copy);
		for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
			ck_assert_msg(!strstr(copy, never[i]), "in the log: %s", copy);
		bool error = strstr(copy, " error: ") || strncmp(copy, "error: ", 7) == 0 ||
			     strstr(copy, "\"level\":\"error\"");
		ck_assert_msg(!error || expected(d, copy), "an error nobody announced: %s", copy);
		free(copy);
		line = end ? end + 1 : NULL;
	}
}

int
daemon_wait(struct daemon *d)
{
	return it_wait_pid(d->pid);
}

void
daemon_ended(struct daemon *d, int status)
{
	int got = daemon_wait(d);

	ck_assert_msg(got == status, "plazad ended with %d, not %d", got, status);
	/* the last worker's end closes it */
	WAIT_UNTIL(daemon_log_closed(d));
	pthread_join(d->reader, NULL);
	check_log(d);
	close(d->log_fd);
	close(d->copy_fd);
	unlink(d->copy_path);
	free(d->copy_path);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->grown);
	for (size_t i = 0; i < d->n_expected; i++)
		free(d->expected[i]);
	unlink(d->conf_path);
	free(d->conf_path);
	free(d->ready);
	free(d->log);
	free(d);
}

void
daemon_stop(struct daemon *d)
{
	kill(d->pid, SIGTERM);
	daemon_ended(d, 0);
}

pid_t
daemon_pid(const struct daemon *d)
{
	return d->pid;
}

uint16_t
daemon_port(const struct daemon *d)
{
	ck_assert_msg(d->port != 0, "no TCP port in: %s", d->ready);
	return d->port;
}

const char *
daemon_ready_line(const struct daemon *d)
{
	return d->ready;
}

void
daemon_expect_error(struct daemon *d, const char *text)
{
	ck_assert_uint_lt(d->n_expected, MAX_ERRORS);
	d->expected[d->n_expected] = strdup(text);
	ck_assert_ptr_nonnull(d->expected[d->n_expected++]);
}

size_t
daemon_log_mark(struct daemon *d)
{
	pthread_mutex_lock(&d->lock);
	size_t mark = d->log_len;
	pthread_mutex_unlock(&d->lock);
	return mark;
}

char *
daemon_log_wait(struct daemon *d, size_t mark, const char *text)
{
	char *line = wait_line(d, mark, text, NULL);

	ck_assert_msg(line != NULL, "the log never said: %s", text);
	return line;
}

size_t
daemon_log_count(struct daemon *d, size_t mark, const char *text)
{
	size_t n = 0;

	pthread_mutex_lock(&d->lock);
	for (const char *at = find_after(d, mark, text); at; at = strstr(at, text)) {
		n++;
		at = strchr(at, '\n');
		if (!at)
			break;
	}
	pthread_mutex_unlock(&d->lock);
	return n;
}

bool
daemon_log_has(struct daemon *d, size_t mark, const char *text)
{
	return daemon_log_count(d, mark, text) > 0;
}

void
daemon_wait_store(struct daemon *d)
{
	pid_t pids[PROCFS_MAX];
	size_t n = daemon_workers(d, pids);

	WAIT_UNTIL(daemon_log_count(d, 0, "store: connected") >= n);
}

char *
daemon_log_copy(struct daemon *d, size_t mark)
{
	pthread_mutex_lock(&d->lock);
	char *copy = strdup(d->log && mark <= d->log_len ? d->log + mark : "");
	pthread_mutex_unlock(&d->lock);
	ck_assert_ptr_nonnull(copy);
	return copy;
}

bool
daemon_log_closed(struct daemon *d)
{
	pthread_mutex_lock(&d->lock);
	bool closed = d->log_closed;
	pthread_mutex_unlock(&d->lock);
	return closed;
}

const char *
daemon_conf_path(const struct daemon *d)
{
	return d->conf_path;
}

void
daemon_write_conf(struct daemon *d, const char *text)
{
	it_write_file(d->conf_path, text);
}

bool
daemon_reload(struct daemon *d)
{
	size_t mark = daemon_log_mark(d);

	ck_assert_int_eq(kill(d->pid, SIGHUP), 0);
	char *line = wait_line(d, mark, LOG_RELOADED, LOG_REFUSED);
	ck_assert_msg(line != NULL, "no word of the reload in the log");
	bool done = strstr(line, LOG_REFUSED) == NULL;
	free(line);
	return done;
}

static size_t
children_called(struct daemon *d, const char *title, pid_t pids[PROCFS_MAX])
{
	pid_t all[PROCFS_MAX];
	size_t n = 0, n_all = procfs_children(d->pid, all);

	for (size_t i = 0; i < n_all; i++) {
		if (strncmp(procfs_title(all[i]), title, strlen(title)) == 0)
			pids[n++] = all[i];
	}
	return n;
}

size_t
daemon_workers(struct daemon *d, pid_t pids[PROCFS_MAX])
{
	return children_called(d, "plazad: worker", pids);
}

size_t
daemon_executors(struct daemon *d, pid_t pids[PROCFS_MAX])
{
	return children_called(d, "plazad: executor", pids);
}

pid_t
daemon_executor(struct daemon *d)
{
	pid_t pids[PROCFS_MAX];

	WAIT_UNTIL(daemon_executors(d, pids) == 1);
	return pids[0];
}

void
daemon_wait_workers(struct daemon *d, size_t n)
{
	pid_t pids[PROCFS_MAX];

	WAIT_UNTIL(daemon_workers(d, pids) == n);
}

pid_t
daemon_worker_of(struct daemon *d, int fd)
{
	pid_t pids[PROCFS_MAX];
	pid_t pid = 0;

	WAIT_UNTIL((pid = procfs_peer(fd, pids, daemon_workers(d, pids))) != 0);
	return pid;
}
