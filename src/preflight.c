/*
 * preflight.c - what can be told of a configuration only with the system at hand. -t, start and
 * reload ask the same here, so that what -t passes does start.
 */
#include "preflight.h"

#include <inttypes.h>

#include "base/log.h"
#include "config/syntax.h"
#include "generation.h"
#include "hub/hub_segment.h"
#include "proc/process.h"
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

	if (!config->store_database[0] || store_lanes(config, workers) > 0)
		return true;
	config_errors_add_option(errors, config, OPTION_store_connections,
				 "%" PRIu64 " is too few: %u workers need one each, in two "
				 "generations during a reload; accepted: %u or more (or fewer "
				 "server.workers)",
				 config->store_connections, workers, 2 * workers);
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
