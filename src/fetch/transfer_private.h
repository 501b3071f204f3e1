/*
 * transfer_private.h - what the files of a transfer share: transfer_loop.c, which begins and ends
 * them and lends them the loop, transfer_setup.c, which says to libcurl what is asked for, and
 * transfer_answer.c, which takes what comes. For them alone; all others include transfer.h.
 */
#ifndef PLAZA_FETCH_TRANSFER_PRIVATE_H
#define PLAZA_FETCH_TRANSFER_PRIVATE_H

#include <curl/curl.h>

#include "base/span.h"
#include "fetch/transfer.h"

#define TYPE_MAX 128

/* An option that cannot be set is either memory or a curl that we were not made for. */
#define SET(easy, option, value) (curl_easy_setopt(easy, CURLOPT_##option, value) == CURLE_OK)

struct transfers {
	struct transfers_settings settings;
	CURLM *multi;       /* NULL: memory ran out; made anew when there is something to begin */
	struct watch timer; /* when curl wants to be called */
	struct watch tick;  /* looks for bodies that hardly come, while there are transfers */
	struct watch begin; /* gives curl those that have not begun */
	struct transfer *first;      /* that have */
	struct transfer *new, **end; /* that have not */
	bool in_curl, has_complained;
};

struct transfer {
	struct transfers *all;
	struct transfer *next, **self;
	bool has_begun;
	CURL *easy;
	struct curl_slist *fields;
	const struct transfer_events *events;
	void *ctx;

	bool is_hasty; /* its own time is shorter than what a connection may take */
	bool is_ready; /* the request may go out: a connection stands and is allowed */
	bool has_body; /* its first byte came */
	bool is_refused_by_caller;
	const char *refused; /* by the guard */
	const char *bad;     /* what of the answer is not taken */
	bool is_too_large, is_endless;
	bool in_head, is_final; /* a head is being read; it is no interim one */
	bool has_head;          /* the final one is whole */
	size_t head_bytes;
	unsigned heads, codings;
	/* of the newest head */
	bool has_location;
	size_t location_len, type_len;
	char *location;
	char type[TYPE_MAX];

	uint64_t slow_since_ms;
	uint64_t slow_bytes;
	curl_socket_t fd;   /* that libcurl waits for */
	bool has_first;     /* the connection had brought so much when it was first looked at: */
	uint64_t first_raw; /* bytes, as they come */
	uint64_t raw;       /* in the end; of a connection that was used before, with all others */
	char error[CURL_ERROR_SIZE];
};

/*
 * What goes: all options of t->easy, those that call the guard and transfer_answer_setup among
 * them. False: out of memory.
 */
bool transfer_setup(struct transfer *t, const struct transfer_request *request);
/* The way to an origin: nobody between, and whose certificates count. For transfers_warm, too. */
bool transfer_setup_trust(CURL *easy, const struct transfers_settings *settings);
/* What comes, head and body, goes to `t`. */
bool transfer_answer_setup(struct transfer *t);

#endif
