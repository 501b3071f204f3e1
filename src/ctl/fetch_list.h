/*
 * fetch_list.h - the URLs of a plazactl fetch in the order given, and what came of each.
 */
#ifndef PLAZA_CTL_FETCH_LIST_H
#define PLAZA_CTL_FETCH_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/span.h"

/* Of all URLs in a job. */
#define FETCH_JOB_URLS_MAX 1000
/* Of a job's args. */
#define FETCH_JOB_BYTES_MAX 32768

/* Of all URLs that are read, with what is needed to remember them. */
#define FETCH_LIST_BYTES_MAX ((size_t)64 << 20)

struct fetch_url {
	char *text;   /* NULL: it has been shown, and is forgotten */
	char *result; /* what the server has to say of it, JSON as it came; NULL: nothing yet */
	char *error;  /* or why it will not say anything */
};

struct fetch_list {
	struct fetch_url *url;
	size_t n, cap;
	size_t bytes;
	size_t shown; /* so many of the first have been */
};

bool fetch_list_add(struct fetch_list *list, struct span text);
/* Each line that is not blank. False with `why` when it could not be read to its end. */
bool fetch_list_read(struct fetch_list *list, int fd, char why[200]);
void fetch_list_fini(struct fetch_list *list);

/* Neither has come about; of those that have, the first counts. */
bool fetch_url_is_open(const struct fetch_url *url);
void fetch_url_fail(struct fetch_url *url, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* It is over and has been shown: nothing of it is kept. */
void fetch_url_forget(struct fetch_url *url);

/*
 * The args of a job, "{"urls":[...]" and `more`, which is "" or begins with a comma, of as many
 * open URLs from `from` on as it has room for; those that are too long by themselves fail. `*to` is
 * behind the last, `*n` how many there are in it. False: out of memory.
 */
bool fetch_list_args(struct fetch_list *list, const char *more, size_t from, struct buffer *out,
		     size_t *to, size_t *n);

#endif
