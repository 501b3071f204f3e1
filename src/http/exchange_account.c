/*
 * exchange_account.c - the end of each request, told to the access log. Called by: exchange.c.
 */
#include <assert.h>
#include <string.h>

#include "http/access_log.h"
#include "http/exchange_internal.h"

void
exchange_account_end(struct exchange *x, int status, uint64_t bytes_out)
{
	struct door *door = x->door;
	struct exchange_account *account = &x->account;

	if (!door->access_log)
		return;
	struct access_entry entry = {
	    .request = account->head,
	    .kept = account->kept,
	    .bad = door->bad_head,
	    .peer = &x->peer,
	    .status = status,
	    .bytes_in = account->bytes_in,
	    .bytes_out = bytes_out,
	    .since_us = account->since_us,
	    /* a head that could not be read is not counted yet */
	    .n_requests = x->n_requests + (account->since_us == 0),
	};

	access_log_add(door->access_log, &entry);
	*account = (struct exchange_account){0};
}

/*
 * What became of the answer shows only in what was written: out from `before` on. Mostly the body
 * of the reply is its end; then the head, which has no empty line but its last, ends right before
 * it.
 */
void
exchange_account_written(struct exchange *x, const struct buffer *out, size_t before,
			 size_t body_len)
{
	static const size_t status_at = sizeof("HTTP/1.1 ") - 1;
	static const char empty_line[] = {'\r', '\n', '\r', '\n'};
	const size_t len = out->len - before;

	if (len == 0) {
		exchange_account_end(x, EXCHANGE_CLIENT_LEFT, 0);
		return;
	}
	const char *answer = out->data + before, *end_of_head = NULL;
	if (len >= body_len + sizeof(empty_line))
		end_of_head = answer + len - body_len - sizeof(empty_line);
	if (!end_of_head || memcmp(end_of_head, empty_line, sizeof(empty_line)) != 0)
		end_of_head = memmem(answer, len, empty_line, sizeof(empty_line));
	assert(end_of_head);
	int status = (answer[status_at] - '0') * 100 + (answer[status_at + 1] - '0') * 10 +
		     (answer[status_at + 2] - '0');
	exchange_account_end(x, status,
			     (uint64_t)(answer + len - (end_of_head + sizeof(empty_line))));
}
