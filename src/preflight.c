/*
 * preflight.c - what can be told of a configuration only with the system at hand. -t, start and
 * reload ask the same here, so that what -t passes does start.
 */
#include "preflight.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/syntax.h"
#include "connections.h"
#include "generation.h"
#include "hub/hub_segment.h"
#include "pg/conninfo.h"
#include "pg/look.h"
#include "proc/process.h"
#include "queue/jobs_schema.h"
#include "store/schema.h"
#include "store/store.h"

static bool
check_user(const struct config *config, struct config_errors *errors)
{
	struct process_user user;
	const char *wrong = process_user_find(config->server_user, config->server_group, &user);

	if (!wrong)
		return true;
	/* with no user named, it is the group or the want of any user that is wrong */
	config_errors_add_option(errors, config,
				 config->server_user[0] ? OPTION_server_user : OPTION_server_group,
				 "%s", wrong);
	return false;
}

static bool
check_store(const struct config *config, struct config_errors *errors)
{
	const unsigned workers = generation_workers(config);

	if (!config->store_database[0] ||
	    connections_share(config->store_connections, workers).store > 0)
		return true;
	config_errors_add_option(errors, config, OPTION_store_connections,
				 "%" PRIu64 " is too few: %u workers need two each, for products "
				 "and jobs, and the executor one, in two generations during a "
				 "reload; accepted: %" PRIu64 " or more (or fewer server.workers)",
				 config->store_connections, workers, connections_needed(workers));
	return false;
}

static bool
check_chat(const struct config *config, struct config_errors *errors)
{
	/* a room has its share, or a quarter of the log if that is less: one of them is short */
	const bool by_share = config->chat_room_log_size < config->chat_log_size / CHAT_LOG_SHARDS;
	size_t max = hub_message_max(config);

	if (config->chat_max_message_size <= max)
		return true;
	config_errors_add_option(
	    errors, config, OPTION_chat_max_message_size,
	    "%" PRIu64 " bytes do not fit into %s = %" PRIu64
	    "; accepted: at most %zu (or a larger %s)",
	    config->chat_max_message_size, by_share ? "chat.room_log_size" : "chat.log_size",
	    by_share ? config->chat_room_log_size : config->chat_log_size, max,
	    by_share ? "chat.room_log_size" : "chat.log_size and chat.room_log_size");
	return false;
}

bool
preflight_check(const struct config *config, struct config_errors *errors)
{
	bool user = check_user(config, errors);
	bool store = check_store(config, errors);
	bool chat = check_chat(config, errors);

	return user && store && chat;
}

void
preflight_warn(const struct config *config)
{
	if (words_contain(&config->server_public, "*"))
		log_warning("server.public = *: requests from anywhere may use every scope, "
			    "writing ones too");
}

/* The role that will connect, as far as it can be told without connecting; "" when it cannot. */
static void
find_role(const struct config *config, char *role, size_t size)
{
	struct conninfo *conninfo = conninfo_new(config->store_database);
	const char *named = conninfo ? conninfo_user(conninfo) : NULL;
	struct process_user user = {0};

	if (!named && !process_user_find(config->server_user, config->server_group, &user))
		named = user.name;
	snprintf(role, size, "%s", named ? named : "");
	conninfo_free(&conninfo);
}

/* Each feature's part of the schema, and its script. */
struct schemas {
	struct store_schema *store;
	struct jobs_schema *jobs;
};

enum { SCHEMA_STORE, SCHEMA_JOBS, SCHEMAS };

static void
schemas_fini(struct schemas *schemas)
{
	store_schema_free(&schemas->store);
	jobs_schema_free(&schemas->jobs);
}

static bool
schemas_init(struct schemas *schemas, const struct config *config)
{
	schemas->store = store_schema_new(config->store_schema);
	schemas->jobs = jobs_schema_new(config->store_schema);
	if (schemas->store && schemas->jobs)
		return true;
	schemas_fini(schemas);
	return false;
}

static const struct pg_steps *
schemas_steps(const struct schemas *schemas, unsigned i)
{
	return i == SCHEMA_STORE ? &schemas->store->steps : &schemas->jobs->steps;
}

static bool
print_script(const struct schemas *schemas, unsigned i, uint64_t mask, const char *role, FILE *to)
{
	struct buffer script = {0};

	bool ok = (i == SCHEMA_STORE ? store_schema_script(schemas->store, mask, role, &script)
				     : jobs_schema_script(schemas->jobs, mask, role, &script)) &&
		  fwrite(script.data, 1, script.len, to) == script.len && fflush(to) == 0;
	buffer_fini(&script);
	return ok;
}

bool
preflight_print_schema(const struct config *config)
{
	struct schemas schemas;
	char role[64];
	bool ok = true;

	if (!schemas_init(&schemas, config))
		return false;
	find_role(config, role, sizeof(role));
	for (unsigned i = 0; ok && i < SCHEMAS; i++)
		ok = print_script(&schemas, i, UINT64_MAX, role, stdout);
	schemas_fini(&schemas);
	return ok;
}

/* In the child: as a worker would ask. */
static void
look_as_worker(const struct config *config, const struct schemas *schemas, pid_t parent, int fd)
{
	struct process_user user;
	struct look look[SCHEMAS];
	const bool ok = !process_user_find(config->server_user, config->server_group, &user) &&
			process_user_become(&user) && process_die_with(parent);

	for (unsigned i = 0; i < SCHEMAS; i++)
		look[i] = (struct look){.outcome = LOOK_NO_ANSWER};
	for (unsigned i = 0; ok && i < SCHEMAS; i++)
		look_at_steps(config->store_database, schemas_steps(schemas, i),
			      config->store_connect_timeout, &look[i]);
	_Static_assert(sizeof(look) <= PIPE_BUF, "whole or not at all");
	_exit(write(fd, look, sizeof(look)) == (ssize_t)sizeof(look) ? 0 : 1);
}

/* Reads the child's answers. What blocks there, such as the look-up of a name, ends here. */
static void
await_look(const struct config *config, int fd, pid_t child, struct look look[SCHEMAS])
{
	const uint64_t until_ms = clock_monotonic_ms() + config->store_connect_timeout + 500;
	const size_t size = SCHEMAS * sizeof(look[0]);
	struct pollfd fds = {fd, POLLIN, 0};
	uint64_t now_ms;
	int n = -1;

	while (n < 0 && (now_ms = clock_monotonic_ms()) < until_ms) {
		n = poll(&fds, 1, (int)(until_ms - now_ms));
		if (n < 0 && errno != EINTR)
			break;
	}
	if (n <= 0 || read(fd, look, size) != (ssize_t)size) {
		for (unsigned i = 0; i < SCHEMAS; i++)
			look[i] =
			    (struct look){.outcome = LOOK_NO_ANSWER, .error = "no answer in time"};
	}
	kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

static void
look(const struct config *config, const struct schemas *schemas, struct look found[SCHEMAS])
{
	const pid_t parent = getpid();
	int fd[2];

	for (unsigned i = 0; i < SCHEMAS; i++)
		found[i] =
		    (struct look){.outcome = LOOK_NO_ANSWER, .error = "no process to ask with"};
	if (pipe(fd) < 0)
		return;
	pid_t child = fork();
	if (child == 0)
		look_as_worker(config, schemas, parent, fd[1]);
	close(fd[1]);
	if (child > 0)
		await_look(config, fd[0], child, found);
	close(fd[0]);
}

/* All that it prints is SQL, the reason being a comment: it can go to psql as it is. */
static bool
judge(const struct config *config, const struct schemas *schemas, unsigned i,
      const struct look *found)
{
	switch (found->outcome) {
	case LOOK_NO_ANSWER:
		log_warning("store.migrate = off, and the database cannot be asked whether its "
			    "schema is up to date: %s",
			    found->error);
		return true;
	case LOOK_REFUSED: fprintf(stderr, "-- plazad: %s\n", found->error); return false;
	case LOOK_DONE: break;
	}
	if (!found->missing)
		return true;
	fprintf(stderr,
		"-- plazad: store.migrate = off, and the schema %s is not up to date%s.\n"
		"-- As a role that may, let psql run this, then start again.\n",
		config->store_schema, i == SCHEMA_JOBS ? ", for the jobs" : "");
	if (!print_script(schemas, i, found->missing, found->role, stderr))
		log_error("the SQL cannot be printed; plazad -S prints all of it");
	return false;
}

bool
preflight_schema(const struct config *config)
{
	struct look found[SCHEMAS];
	struct schemas schemas;
	bool ok = true;

	if (!config->store_database[0] || config->store_migrate != STORE_MIGRATE_OFF)
		return true;
	if (!schemas_init(&schemas, config))
		return false;
	look(config, &schemas, found);
	for (unsigned i = 0; i < SCHEMAS; i++) {
		/* one database, one reason why there is no answer */
		if (i && found[i].outcome == LOOK_NO_ANSWER && found[0].outcome == LOOK_NO_ANSWER)
			continue;
		ok = judge(config, &schemas, i, &found[i]) && ok;
	}
	schemas_fini(&schemas);
	return ok;
}
