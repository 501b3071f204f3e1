/*
 * access_log.c - the access log's lines on their way to standard output. Called by: exchange.c with
 * each answer, the loop at the end of a pass and when standard output takes bytes again; worker.c
 * owns it.
 *
 * Standard output belongs to whoever started us, and is shared with the other workers and with the
 * starter itself: it is never made non-blocking. A pipe or a terminal is opened a second time
 * instead; a socket can be told with each call; a file does not block.
 */
#include "http/access_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* What may wait for a slow reader. A pass writes it all at once, so it also bounds that. */
#define BUFFER_SIZE 65536
/* Lost lines are told of at once, and then at most so often. */
#define REPORT_MS 60000
/* For the last lines, when the process ends. */
#define PATIENCE_MS 100

enum output {
	OUTPUT_FILE,   /* takes all, or fails */
	OUTPUT_OWN,    /* opened anew, non-blocking */
	OUTPUT_SOCKET, /* the journal, mostly */
	OUTPUT_SHARED  /* another user's pipe, which cannot be opened anew */
};

struct access_log {
	enum access_form form;
	enum output output;
	int fd;
	unsigned worker;
	struct loop *loop;
	struct pass_hook hook;
	struct watch writable; /* while the output takes nothing */
	bool is_stalled;

	struct access_stamp stamp;
	uint64_t second_us; /* when the stamp's second began, CLOCK_MONOTONIC */
	bool is_stamped;

	struct watch report; /* running: lost lines wait to be told of */
	unsigned long long lost;
	int why;

	char kept[ACCESS_KEPT_MAX];
	size_t begin, end; /* of what waits in data */
	char data[BUFFER_SIZE];
};

/* ---- output ---- */

static enum output
open_output(int *fd)
{
	struct stat st;

	*fd = STDOUT_FILENO;
	if (fstat(STDOUT_FILENO, &st) != 0 || S_ISREG(st.st_mode))
		return OUTPUT_FILE;
	if (S_ISSOCK(st.st_mode))
		return OUTPUT_SOCKET;
	int own = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own < 0)
		return OUTPUT_SHARED;
	*fd = own;
	return OUTPUT_OWN;
}

/*
 * A pipe that is writable has room for PIPE_BUF bytes, which is what comes here. Another process
 * may take it in between: then this waits for the reader, where the kernel cannot be told not to.
 */
static ssize_t
write_shared(int fd, const char *data, size_t len)
{
	struct pollfd pfd = {fd, POLLOUT, 0};
	struct iovec iov = {(void *)(uintptr_t)data, len};

	if (poll(&pfd, 1, 0) <= 0) {
		errno = EAGAIN;
		return -1;
	}
	ssize_t n = pwritev2(fd, &iov, 1, -1, RWF_NOWAIT);
	return n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS) ? write(fd, data, len) : n;
}

static ssize_t
output_write(const struct access_log *log, const char *data, size_t len)
{
	switch (log->output) {
	case OUTPUT_SOCKET: return send(log->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	case OUTPUT_SHARED: return write_shared(log->fd, data, len);
	case OUTPUT_FILE:
	case OUTPUT_OWN: break;
	}
	return write(log->fd, data, len);
}

static void
lose(struct access_log *log, const char *data, size_t len, int why)
{
	const char *end = data + len;

	for (const char *p = data; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
		log->lost++;
	log->why = why;
}

/* The output has failed. What it has of a line it will get the rest of, should it recover. */
static void
drop_all(struct access_log *log, int why)
{
	size_t keep = 0;

	if (log->begin && log->data[log->begin - 1] != '\n') {
		const char *rest = log->data + log->begin;

		keep = (size_t)((char *)memchr(rest, '\n', log->end - log->begin) + 1 - rest);
	}
	lose(log, log->data + log->begin + keep, log->end - log->begin - keep, why);
	log->end = log->begin + keep;
}

/* The next piece: whole lines, as many as stay together. */
static size_t
piece_len(const struct access_log *log)
{
	const char *data = log->data + log->begin;
	size_t len = log->end - log->begin;

	/* appends to a file stay together whatever their length */
	if (log->output == OUTPUT_FILE || len <= ACCESS_LINE_MAX)
		return len;
	return (size_t)((const char *)memrchr(data, '\n', ACCESS_LINE_MAX) + 1 - data);
}

/* Writes what is taken; the rest waits. */
static void
flush(struct access_log *log)
{
	log->is_stalled = false;
	while (log->begin < log->end) {
		ssize_t n = output_write(log, log->data + log->begin, piece_len(log));

		if (n > 0) {
			log->begin += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			log->is_stalled = true;
			return;
		} else if (n == 0 || errno != EINTR) {
			drop_all(log, n == 0 ? ENOSPC : errno);
			/* the beginning of a line stays where it is */
			return;
		}
	}
	log->begin = log->end = 0;
}

/* Room for a line at the end of data. */
static bool
make_room(struct access_log *log)
{
	if (sizeof(log->data) - log->end >= ACCESS_LINE_MAX)
		return true;
	if (!log->is_stalled)
		flush(log);
	if (sizeof(log->data) - log->end >= ACCESS_LINE_MAX)
		return true;
	/* keep the byte before: it tells whether a line has begun */
	if (log->begin < ACCESS_LINE_MAX)
		return false;
	memmove(log->data, log->data + log->begin - 1, log->end - log->begin + 1);
	log->end -= log->begin - 1;
	log->begin = 1;
	return sizeof(log->data) - log->end >= ACCESS_LINE_MAX;
}

/* ---- the loop ---- */

static void
report_lost(struct access_log *log)
{
	log_warning("access log: %llu access lines lost: %s", log->lost,
		    log->why == EAGAIN ? "nobody reads standard output" : strerror(log->why));
	log->lost = 0;
}

static bool
access_log_hook(void *arg)
{
	struct access_log *log = arg;

	if (log->begin < log->end && !log->is_stalled)
		flush(log);
	if (log->is_stalled && !watch_started(&log->writable))
		watch_start(&log->writable);
	if (log->lost && !watch_started(&log->report)) {
		report_lost(log);
		watch_start_ms(&log->report, REPORT_MS);
	}
	return false;
}

static void
writable_cb(void *arg, short what)
{
	struct access_log *log = arg;

	(void)what;
	flush(log);
	if (!log->is_stalled)
		watch_stop(&log->writable);
}

static void
report_cb(void *arg, short what)
{
	/* the hook at the end of this pass looks */
	(void)arg;
	(void)what;
}

struct access_log *
access_log_new(const struct config *config, unsigned worker)
{
	if (config->log_access == ACCESS_OFF)
		return NULL;
	struct access_log *log = malloc(sizeof(*log));
	if (!log) {
		log_error("access log: out of memory: there is none");
		return NULL;
	}
	/* not the buffer */
	memset(log, 0, offsetof(struct access_log, kept));
	log->begin = log->end = 0;
	log->form = (enum access_form)config->log_access;
	log->worker = worker;
	log->output = open_output(&log->fd);
	return log;
}

void
access_log_start(struct access_log *log, struct loop *loop)
{
	log->loop = loop;
	log->hook = (struct pass_hook){.fn = access_log_hook, .name = "access log", .arg = log};
	watch_init(&log->writable, loop, log->fd, LOOP_WRITE, "access log", writable_cb, log);
	watch_init_timer(&log->report, loop, "access log lost lines", report_cb, log);
	loop_add_pass_hook(loop, &log->hook);
}

void
access_log_free(struct access_log **log_at)
{
	struct access_log *log = *log_at;

	if (!log)
		return;
	flush(log);
	if (log->is_stalled) {
		struct pollfd pfd = {log->fd, POLLOUT, 0};

		if (poll(&pfd, 1, PATIENCE_MS) > 0)
			flush(log);
		lose(log, log->data + log->begin, log->end - log->begin, EAGAIN);
	}
	if (log->lost)
		report_lost(log);
	if (log->loop) {
		watch_stop(&log->writable);
		watch_stop(&log->report);
	}
	if (log->output == OUTPUT_OWN)
		close(log->fd);
	free(log);
	*log_at = NULL;
}

/* ---- lines ---- */

/* The text is made once a second; between, the steady clock tells how far it is in its second. */
static void
set_stamp(struct access_log *log, uint64_t now_us)
{
	if (!log->is_stamped || now_us - log->second_us >= 1000000) {
		struct timespec ts;

		clock_gettime(CLOCK_REALTIME, &ts);
		access_stamp_set(&log->stamp, log->form, ts.tv_sec);
		log->second_us = now_us - (uint64_t)ts.tv_nsec / 1000;
		log->is_stamped = true;
	}
	log->stamp.ms = (unsigned)((now_us - log->second_us) / 1000);
	log->stamp.now_us = now_us;
}

void
access_log_add(struct access_log *log, struct access_entry *entry)
{
	if (!make_room(log)) {
		log->lost++;
		log->why = EAGAIN;
		return;
	}
	/* to the second, the beginning of the callback will do */
	set_stamp(log, log->form == ACCESS_JSON ? clock_monotonic_us() : loop_now_us(log->loop));
	entry->worker = log->worker;
	log->end += access_line_write(log->data + log->end, log->form, &log->stamp, entry);
}

struct span
access_log_keep(struct access_log *log, const struct request *request)
{
	return span_from(log->kept, access_line_keep(log->kept, log->form, request));
}
