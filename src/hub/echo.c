/*
 * echo.c - /echo: each message comes back with "Server received: " before it, as the same type.
 *
 * The answers to one readable event leave in one write. A client that does not take them is not
 * read from until it has: what is kept for it is bounded by what one event can bring.
 */
#include "hub/frame.h"
#include "hub/hub_private.h"

#define PREFIX "Server received: "
/* A run is at most this, or one longer answer. */
#define RUN_MAX (64 * 1024)

static enum ws_result
write_run(struct client *client, struct buffer *run)
{
	return ws_write(&client->conn, (unsigned char *)run->data + WS_PRE, run->len - WS_PRE);
}

static void
flush(struct hub *hub, struct client *client)
{
	struct buffer *run = &hub->echo;

	if (run->len == 0)
		return;
	switch (write_run(client, run)) {
	case WS_SENT:
	case WS_REFUSED: break;
	case WS_STUCK: /* something of the library's own, such as a pong */
		client_holds(client, run->len);
		client->replies = *run;
		buffer_init(run);
		ws_pause(&client->conn);
		break;
	case WS_PARTIAL:
		client_holds(client, run->len);
		ws_pause(&client->conn);
		break;
	}
	run->len = 0;
	if (run->cap > 2 * RUN_MAX)
		buffer_fini(run);
}

static bool
append_answer(struct buffer *run, bool binary, const unsigned char *data, size_t len)
{
	static const unsigned char gap[WS_PRE];
	unsigned char head[FRAME_HEAD_MAX];
	size_t head_len =
	    frame_head(head, binary ? FRAME_BINARY : FRAME_TEXT, sizeof(PREFIX) - 1 + len);

	return (run->len > 0 || buffer_append(run, gap, sizeof(gap), SIZE_MAX)) &&
	       buffer_append(run, head, head_len, SIZE_MAX) &&
	       buffer_append(run, PREFIX, sizeof(PREFIX) - 1, SIZE_MAX) &&
	       buffer_append(run, data, len, SIZE_MAX);
}

void
echo_message(struct hub *hub, struct client *client, bool binary, const unsigned char *data,
	     size_t len)
{
	/* of one that is paused there may come what had been read already */
	struct buffer *run = client->replies.len > 0 ? &client->replies : &hub->echo;
	const size_t before = run->len;

	if (!append_answer(run, binary, data, len)) {
		run->len = 0;
		ws_close(&client->conn, CLOSE_INTERNAL);
		return;
	}
	if (run == &client->replies)
		client_holds(client, run->len - before);
	else if (run->len > RUN_MAX)
		flush(hub, client);
}

void
echo_read(struct hub *hub, struct client *client)
{
	flush(hub, client);
}

void
echo_writable(struct client *client)
{
	client_took_all(client);
	if (client->replies.len > 0) {
		const size_t len = client->replies.len;
		enum ws_result result = write_run(client, &client->replies);

		if (result == WS_STUCK) {
			client_holds(client, len);
			return;
		}
		buffer_fini(&client->replies);
		if (result == WS_PARTIAL) {
			client_holds(client, len);
			return;
		}
	}
	ws_resume(&client->conn);
}
