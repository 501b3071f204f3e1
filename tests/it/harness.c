/*
 * harness.c - see harness.h.
 */
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pg.h"

#define TEST_TIMEOUT_S 170 /* check's own, past every deadline of ours */

static struct {
	char dir[64];
	pid_t guard;
	int guard_fd; /* its end is how the guard learns that the program is gone */
	pid_t test;   /* the process that runs the present test */
} it;

/* The daemons under test are checked for leaks; the tests leave that to their end. */
#if defined(__SANITIZE_ADDRESS__)
#define IT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IT_ASAN 1
#endif
#endif
#ifdef IT_ASAN
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

static const char *
env_or(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && *value ? value : otherwise;
}

const char *
it_plazad(void)
{
	return env_or("PLAZAD", "./src/plazad");
}

const char *
it_plazactl(void)
{
	return env_or("PLAZACTL", "./src/plazactl");
}

const char *
it_srcdir(void)
{
	return env_or("srcdir", ".");
}

const char *
it_dir(void)
{
	return it.dir;
}

const char *
it_path(const char *name)
{
	return it_printf("%s/%d-%s", it.dir, (int)getpid(), name);
}

char *
it_printf(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	ck_assert_int_ge(n, 0);
	return text;
}

void
it_write_file(const char *path, const char *text)
{
	/* renamed into place: whoever reads it at this moment sees the old or the new one */
	char *tmp = it_printf("%s.tmp", path);
	FILE *f = fopen(tmp, "we");

	ck_assert_msg(f != NULL, "%s: %s", tmp, strerror(errno));
	fputs(text, f);
	ck_assert_int_eq(fchmod(fileno(f), 0644), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(rename(tmp, path), 0);
	free(tmp);
}

char *
it_read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0, cap = 4096;
	char *text = malloc(cap);

	if (fd < 0) {
		free(text);
		return NULL;
	}
	ck_assert_ptr_nonnull(text);
	for (;;) {
		ssize_t n = read(fd, text + len, cap - len - 1);
		if (n <= 0)
			break;
		len += (size_t)n;
		if (cap - len < 2) {
			cap *= 2;
			text = realloc(text, cap);
			ck_assert_ptr_nonnull(text);
		}
	}
	close(fd);
	text[len] = '\0';
	return text;
}

uint64_t
it_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void
it_asan_option(const char *option)
{
	const char *before = getenv("ASAN_OPTIONS");
	char *all = it_printf("%s%s%s", before ? before : "", before ? ":" : "", option);

	setenv("ASAN_OPTIONS", all, 1);
	free(all);
}

bool
it_has_sanitizers(void)
{
#ifdef IT_ASAN
	return true;
#else
	return false;
#endif
}

struct it_wait
it_wait_begin(void)
{
	return (struct it_wait){it_now_ms() + IT_DEADLINE_MS};
}

void
it_wait_again(const struct it_wait *wait, const char *file, int line, const char *what)
{
	if (it_now_ms() >= wait->until_ms)
		_ck_assert_failed(file, line, "Deadline", "waited %d ms in vain for: %s",
				  IT_DEADLINE_MS, what);
	poll(NULL, 0, 5);
}

const char *
it_log_path(void)
{
	static unsigned n;

	return it_printf("%s/%d-%u.log", it.dir, (int)getpid(), n++);
}

static void
print_file(const char *path)
{
	char piece[8192];
	FILE *f = fopen(path, "re");
	size_t n;

	fprintf(stderr, "---- %s\n", path);
	while (f && (n = fread(piece, 1, sizeof(piece), f)) > 0)
		fwrite(piece, 1, n, stderr);
	fprintf(stderr, "----\n");
	if (f)
		fclose(f);
}

/* What failed tests have left: check ends them by _exit(2) or kills them. */
static void
print_logs(void)
{
	struct dirent **names = NULL;
	int n = scandir(it.dir, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		const char *dot = strrchr(names[i]->d_name, '.');
		if (dot && strcmp(dot, ".log") == 0) {
			char path[512];
			snprintf(path, sizeof(path), "%s/%s", it.dir, names[i]->d_name);
			print_file(path);
		}
		free(names[i]);
	}
	free(names);
}

static void
test_setup(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	it.test = getpid();
}

TCase *
it_case(Suite *suite, const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, TEST_TIMEOUT_S);
	tcase_add_checked_fixture(tc, test_setup, NULL);
	suite_add_tcase(suite, tc);
	return tc;
}

void
it_die_with_test(void)
{
	pid_t test = it.test;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (test && getppid() != test)
		_exit(127);
}

/* Not yet in a test: no ck_assert before srunner_run_all. */
static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
guard_start(unsigned flags)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		die("pipe");
	it.guard = fork();
	if (it.guard < 0)
		die("fork");
	if (it.guard > 0) {
		close(fds[0]);
		it.guard_fd = fds[1];
		return;
	}
	char c;
	close(fds[1]);
	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	while (read(fds[0], &c, 1) < 0 && errno == EINTR)
		;
	setenv("IT_DIR", it.dir, 1);
	setenv("IT_PG_TMP", pg_script(), 1);
	execl("/bin/sh", "sh", "-c",
	      flags & IT_WITH_PG
		  ? "\"$IT_PG_TMP\" remove \"$IT_DIR/pg\" >/dev/null; rm -rf \"$IT_DIR\""
		  : "rm -rf \"$IT_DIR\"",
	      (char *)NULL);
	_exit(127);
}

int
it_main(const char *name, void (*fill)(Suite *suite), unsigned flags)
{
	Suite *suite = suite_create(name);
	SRunner *runner = srunner_create(suite);

	strcpy(it.dir, "/tmp/plaza-it.XXXXXX");
	if (!mkdtemp(it.dir) || chmod(it.dir, 0755) != 0)
		die(it.dir);
	guard_start(flags);
	if (flags & IT_WITH_PG)
		pg_start();
	fill(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	print_logs();
	srunner_free(runner);
	close(it.guard_fd);
	while (waitpid(it.guard, NULL, 0) < 0 && errno == EINTR)
		;
	return failed ? 1 : 0;
}

int
it_wait_pid(pid_t pid)
{
	int status = 0;
	pid_t got = 0;

	WAIT_UNTIL((got = waitpid(pid, &status, WNOHANG)) != 0);
	ck_assert_int_eq(got, pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* fds[0..2] become the new process's 0, 1, 2; a negative one stays as it is */
static pid_t
spawn(const char *const *argv, const int *fds)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	it_die_with_test();
	signal(SIGPIPE, SIG_DFL);
	for (int i = 0; i < 3; i++) {
		if (fds[i] >= 0 && dup2(fds[i], i) < 0)
			_exit(127);
	}
	char **args = NULL;
	memcpy(&args, &argv, sizeof(args)); /* execvp's const is historical */
	execvp(argv[0], args);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

struct catch
{
	int fd;
	char *data;
	size_t len, cap;
};

static void
catch_read(struct catch *c)
{
	if (c->cap - c->len < 4096) {
		c->cap = c->cap * 2 + 8192;
		c->data = realloc(c->data, c->cap);
		ck_assert_ptr_nonnull(c->data);
	}
	ssize_t n = read(c->fd, c->data + c->len, c->cap - c->len - 1);
	if (n > 0) {
		c->len += (size_t)n;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(c->fd);
		c->fd = -1;
	}
	c->data[c->len] = '\0';
}

void
run_program(struct run *run, const char *input, const char *const *argv)
{
	int in[2], out[2], err[2];
	struct catch caught[2] = {0};
	size_t left = input ? strlen(input) : 0;
	uint64_t until = it_now_ms() + 2 * IT_DEADLINE_MS;

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(err, O_CLOEXEC), 0);
	pid_t pid = spawn(argv, (int[]){in[0], out[1], err[1]});
	close(in[0]);
	close(out[1]);
	close(err[1]);
	caught[0].fd = out[0];
	caught[1].fd = err[0];
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	int in_fd = in[1];
	while (caught[0].fd >= 0 || caught[1].fd >= 0) {
		if (in_fd >= 0 && left == 0) {
			close(in_fd);
			in_fd = -1;
		}
		struct pollfd p[3] = {
		    {caught[0].fd, POLLIN, 0}, {caught[1].fd, POLLIN, 0}, {in_fd, POLLOUT, 0}};
		uint64_t now = it_now_ms();
		if (now >= until) {
			kill(pid, SIGKILL);
			ck_abort_msg("%s %s does not end; it said: %s%s", argv[0],
				     argv[1] ? argv[1] : "", caught[0].data ? caught[0].data : "",
				     caught[1].data ? caught[1].data : "");
		}
		poll(p, 3, (int)(until - now));
		for (int i = 0; i < 2; i++) {
			if (p[i].revents)
				catch_read(&caught[i]);
		}
		if (p[2].revents) {
			ssize_t n = write(in_fd, input, left);
			if (n > 0) {
				input += n;
				left -= (size_t)n;
			} else if (errno != EAGAIN && errno != EINTR) {
				left = 0;
			}
		}
	}
	if (in_fd >= 0)
		close(in_fd);
	run->status = it_wait_pid(pid);
	run->out = caught[0].data;
	run->out_len = caught[0].len;
	run->err = caught[1].data;
	run->err_len = caught[1].len;
}

void
run_args(struct run *run, const char *input, ...)
{
	const char *argv[32];
	size_t n = 0;
	va_list ap;

	va_start(ap, input);
	do {
		ck_assert_uint_lt(n, 32);
		argv[n] = va_arg(ap, const char *);
	} while (argv[n++]);
	va_end(ap);
	run_program(run, input, argv);
}

void
run_fini(struct run *run)
{
	free(run->out);
	free(run->err);
	memset(run, 0, sizeof(*run));
}

void
child_start(struct child *child, const char *const *argv)
{
	int in[2], out[2];

	memset(child, 0, sizeof(*child));
	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	child->pid = spawn(argv, (int[]){in[0], out[1], -1});
	close(in[0]);
	close(out[1]);
	child->in = in[1];
	child->out = out[0];
}

void
child_write(struct child *child, const char *text)
{
	size_t len = strlen(text);

	ck_assert_int_eq(write(child->in, text, len), (ssize_t)len);
}

void
child_close_input(struct child *child)
{
	close(child->in);
	child->in = -1;
}

char *
child_read_line(struct child *child)
{
	uint64_t until = it_now_ms() + IT_DEADLINE_MS;

	for (;;) {
		char *end = child->len ? memchr(child->buf, '\n', child->len) : NULL;
		if (end) {
			size_t n = (size_t)(end - child->buf);
			char *line = strndup(child->buf, n);
			child->len -= n + 1;
			memmove(child->buf, end + 1, child->len);
			return line;
		}
		if (child->cap - child->len < 4096) {
			child->cap = child->cap * 2 + 8192;
			child->buf = realloc(child->buf, child->cap);
			ck_assert_ptr_nonnull(child->buf);
		}
		uint64_t now = it_now_ms();
		struct pollfd p = {child->out, POLLIN, 0};
		ck_assert_msg(now < until && poll(&p, 1, (int)(until - now)) > 0,
			      "no further line within %d ms", IT_DEADLINE_MS);
		ssize_t n = read(child->out, child->buf + child->len, child->cap - child->len);
		if (n <= 0)
			return NULL;
		child->len += (size_t)n;
	}
}

int
child_wait(struct child *child)
{
	int status = it_wait_pid(child->pid);

	if (child->in >= 0)
		close(child->in);
	close(child->out);
	free(child->buf);
	memset(child, 0, sizeof(*child));
	return status;
}
