/*
 * preflight.c - what can be told of a configuration only with the system at hand. -t, start and
 * reload ask the same here, so that what -t passes does start.
 */
#include "preflight.h"

#include <errno.h>
#include <inttypes.h>
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

static bool
print_script(const struct store_schema *schema, uint64_t mask, const char *role, FILE *to)
{
	struct buffer script = {0};

	bool ok = store_schema_script(schema, mask, role, &script) &&
		  fwrite(script.data, 1, script.len, to) == script.len && fflush(to) == 0;
	buffer_fini(&script);
	return ok;
}

bool
preflight_print_schema(const struct config *config)
{
	struct store_schema *schema = store_schema_new(config->store_schema);
	char role[64];

	if (!schema)
		return false;
	find_role(config, role, sizeof(role));
	bool ok = print_script(schema, UINT64_MAX, role, stdout);
	store_schema_free(&schema);
	return ok;
}

/* In the child: as a worker would ask. */
static void
look_as_worker(const struct config *config, const struct store_schema *schema, pid_t parent, int fd)
{
	struct process_user user;
	struct look look = {.outcome = LOOK_NO_ANSWER};

	if (!process_user_find(config->server_user, config->server_group, &user) &&
	    process_user_become(&user) && process_die_with(parent))
		look_at_steps(config->store_database, &schema->steps, config->store_connect_timeout,
			      &look);
	/* less than PIPE_BUF: whole or not at all */
	_exit(write(fd, &look, sizeof(look)) == (ssize_t)sizeof(look) ? 0 : 1);
}

/* Reads the child's answer. What blocks there, such as the look-up of a name, ends here. */
static void
await_look(const struct config *config, int fd, pid_t child, struct look *look)
{
	const uint64_t until_ms = clock_monotonic_ms() + config->store_connect_timeout + 500;
	struct pollfd fds = {fd, POLLIN, 0};
	uint64_t now_ms;
	int n = -1;

	while (n < 0 && (now_ms = clock_monotonic_ms()) < until_ms) {
		n = poll(&fds, 1, (int)(until_ms - now_ms));
		if (n < 0 && errno != EINTR)
			break;
	}
	if (n <= 0 || read(fd, look, sizeof(*look)) != (ssize_t)sizeof(*look))
		*look = (struct look){.outcome = LOOK_NO_ANSWER, .error = "no answer in time"};
	kill(child, SIGKILL);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

static void
look(const struct config *config, const struct store_schema *schema, struct look *found)
{
	const pid_t parent = getpid();
	int fd[2];

	*found = (struct look){.outcome = LOOK_NO_ANSWER, .error = "no process to ask with"};
	if (pipe(fd) < 0)
		return;
	pid_t child = fork();
	if (child == 0)
		look_as_worker(config, schema, parent, fd[1]);
	close(fd[1]);
	if (child > 0)
		await_look(config, fd[0], child, found);
	close(fd[0]);
}

/* All that it prints is SQL, the reason being a comment: it can go to psql as it is. */
static bool
judge(const struct config *config, const struct store_schema *schema, const struct look *found)
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
		"-- plazad: store.migrate = off, and the schema %s is not up to date.\n"
		"-- As a role that may, let psql run this, then start again.\n",
		config->store_schema);
	if (!print_script(schema, found->missing, found->role, stderr))
		log_error("the SQL cannot be printed; plazad -S prints all of it");
	return false;
}

bool
preflight_schema(const struct config *config)
{
	struct look found;

	if (!config->store_database[0] || config->store_migrate != STORE_MIGRATE_OFF)
		return true;
	struct store_schema *schema = store_schema_new(config->store_schema);
	if (!schema)
		return false;
	look(config, schema, &found);
	bool ok = judge(config, schema, &found);
	store_schema_free(&schema);
	return ok;
}
