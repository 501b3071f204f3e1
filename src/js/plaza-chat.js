/*
 * plaza-chat.js - a page's side of plazad's chat: chat.v1.json, which plaza-chat(7) tells.
 *
 *	import { connect } from "./plaza-chat.js";
 *	const chat = connect("/chat");
 *	chat.on("msg", (m) => console.log(m.room, m.seq, m.name, m.data));
 *	chat.on("gap", (g) => console.log(g.room, "lacks", g.from, "to", g.to, g.why));
 *	await chat.join("lobby", { name: "ann", last: 50, pres: "diff" });
 *	const { seq } = await chat.pub("lobby", "hi");
 *
 * After a loss it connects again, joins its rooms where it was in them, and sends again what was
 * not answered, under the same cid, so that it acts once.
 *
 * connect(url, { queue: 256, WebSocket })	chat.close()
 * chat.join(room, { name, since: { epoch, seq }, last, pres, slow })	chat.leave(room)
 * chat.pub(room, data, cid)	waits while offline; gives { room, seq, ts, dup }
 * chat.history(room, { before, after, limit })
 * chat.rooms	to be read: name -> { epoch, seq, first, count, members: Map of conn -> member }
 * chat.on(event, f)	gives a function that ends it. The events:
 *	msg	each once, in order; binary data is a Uint8Array
 *	gap	messages that will not come; why is the daemon's, or "hole"
 *	pres	{ room, count, members, join, leave }; in a crowd the count is all that is known
 *	online (the welcome)	offline { code, reason, wait }	closed { code, reason }, for good
 *	notice	error
 * Promises fail with an Error that has the protocol's code, or queue (too many publishes wait),
 * unsure (no answer for as long as a cid is remembered), offline, left, closed.
 */
const WAIT = 10000; // for a sign of life
const WINDOW = 16; // publishes on their way
const REMEMBERED = 240000; // how long a cid is, less some
const FINAL = [1002, 1007, 1008, 1009]; // a mistake that would be made again

const error = (m) => Object.assign(new Error(m.msg || m.code), m);

// randomUUID is for secure pages only
const unique = () =>
	crypto.randomUUID?.() || crypto.getRandomValues(new Uint32Array(4)).join("-");

const readable = (m) =>
	m.b64 == null ? m : { ...m, data: Uint8Array.from(atob(m.b64), (c) => c.charCodeAt()) };

export function connect(url, options = {}) {
	const Socket = options.WebSocket || WebSocket;
	const listeners = {};
	const rooms = new Map();
	const calls = new Map(); // id -> what hears the reply
	const queue = new Set(); // publishes without an answer
	let socket, welcome, ended;
	let id = 0, tries = 0, since = 0, sent = 0, space = WINDOW;
	let retry = { base: 500, max: 30000 }, spread;
	let silence, again, held; // timers

	url = new URL(url, globalThis.location?.href);
	url.protocol = url.protocol.replace("http", "ws");

	function emit(type, detail) {
		for (const f of listeners[type] || [])
			try {
				f(detail);
			} catch (e) {
				setTimeout(() => { throw e; });
			}
	}

	// ---- the link ----

	function open() {
		const mine = socket = new Socket(url, "chat.v1.json");
		watch(down);
		mine.onmessage = (e) => mine === socket && hear(JSON.parse(e.data));
		mine.onclose = (e) => mine === socket && down(e);
	}

	// A page cannot ping, and may wait for long until a dead link is closed.
	function watch(then, ms = WAIT) {
		clearTimeout(silence);
		silence = setTimeout(then, ms, { code: 1006, reason: "silent" });
	}

	function probe() {
		watch(down);
		socket.send('{"t":"ping"}');
	}

	// done(reply) or done(undefined, error): at once, for what is heard next may depend on it.
	function call(m, done) {
		calls.set(++id, done);
		socket?.send(JSON.stringify({ id, ...m }));
	}

	function ask(m) {
		return new Promise((resolve, reject) => {
			const done = (reply, bad) => (bad ? reject(error(bad)) : resolve(reply));
			if (welcome)
				call(m, done);
			else
				done(undefined, { code: "offline" });
		});
	}

	// Once more when the daemon says, unless the link is another one by then.
	function later(bad, f) {
		const mine = socket;
		if (welcome)
			setTimeout(() => mine === socket && f(), bad.retry || 1000);
	}

	function cut() {
		const old = socket;
		socket = welcome = undefined;
		clearTimeout(silence);
		old?.close(1000);
		for (const done of calls.values())
			done(undefined, { code: "offline", temp: true });
		calls.clear();
	}

	function down({ code, reason }) {
		if (welcome && Date.now() - since > WAIT)
			tries = 0;
		cut();
		if ((code >= 4500 && code < 5000) || FINAL.includes(code))
			return end(code, reason);
		// at random, or all whom one loss has hit would come at the same moment
		const [low, high] = spread || [0, Math.min(retry.max, retry.base * 2 ** tries++)];
		const wait = low + Math.random() * (high - low);
		spread = undefined;
		again = setTimeout(open, wait);
		emit("offline", { code, reason, wait });
	}

	function end(code, reason) {
		ended = true;
		clearTimeout(again);
		clearTimeout(held);
		globalThis.removeEventListener?.("online", back);
		for (const waiting of [...queue, ...rooms.values()])
			waiting.reject(error({ code: "closed" }));
		queue.clear();
		rooms.clear();
		emit("closed", { code, reason });
	}

	// The network is back, for others too.
	function back() {
		if (welcome)
			return probe();
		if (socket)
			return;
		clearTimeout(again);
		again = setTimeout(open, Math.random() * retry.base);
	}

	function hear(m) {
		const room = rooms.get(m.room);
		// a command that could not be read has no id in its error; it is the oldest, they come in order
		const [its] = m.t === "err" && m.id === undefined ? calls.keys() : [m.id];
		const done = calls.get(its);
		welcome ||= m;
		watch(probe, welcome.ping * 1000);
		if (m.t === "welcome") {
			since = Date.now();
			retry = m.retry;
			// the URL's room is entered as any other, with a name and at a position, or not at all
			call({ t: "leave", room: m.room }, () => {});
			rooms.forEach(enter);
			flush();
			emit("online", m);
		} else if (done) {
			calls.delete(its);
			done(...(m.t === "ok" ? [m] : [undefined, m]));
		} else if (m.t === "err") {
			emit("error", error(m));
		} else if (m.t === "notice") {
			spread = m.retry;
			emit("notice", m);
		} else if (room?.live) {
			({ msg: message, gap, pres: presence })[m.t]?.(room, m);
		}
	}

	// ---- rooms ----

	function enter(room) {
		const { name, epoch, seq, options } = room;
		room.live = room.waits = false;
		call({ t: "join", room: name, ...options, since: epoch && { epoch, seq } }, (m, bad) => {
			if (rooms.get(name) !== room)
				return;
			if (bad?.temp) {
				room.waits = true;
				return later(bad, () => rooms.get(name) === room && enter(room));
			}
			if (bad) {
				rooms.delete(name);
				room.reject(error(bad));
				emit("error", error(bad));
				return flush();
			}
			// next comes what is replayed, or a gap that says what cannot be
			const { epoch, first, count } = m;
			Object.assign(room, { epoch, seq: m.seq - m.replay, first, count, live: true });
			room.resolve(m);
			flush();
		});
	}

	function message(room, m) {
		const from = room.seq + 1;
		if (m.seq < from)
			return;
		room.seq = m.seq;
		if (m.seq > from)
			emit("gap", { room: m.room, from, to: m.seq - 1, why: "hole" });
		emit("msg", readable(m));
	}

	function gap(room, m) {
		room.epoch = m.epoch;
		room.seq = m.to;
		emit("gap", m);
	}

	// `all` comes first, and again after times of which the daemon did not tell who is there.
	function presence(room, m) {
		if (m.all)
			room.members = new Map();
		room.count = m.count;
		for (const member of m.leave || [])
			room.members.delete(member.conn);
		for (const member of m.join || [])
			room.members.set(member.conn, member);
		emit("pres", { ...m, members: room.members });
	}

	// ---- publishing ----

	function flush() {
		if (!welcome || held)
			return;
		for (const p of queue) {
			if (sent >= space)
				return;
			if (!p.sent && !rooms.get(p.m.room)?.waits)
				publish(p);
		}
	}

	function publish(p) {
		const now = Date.now();
		const size = new TextEncoder().encode(JSON.stringify({ id: id + 1, ...p.m })).length;
		const give_up = (bad) => queue.delete(p) && p.reject(error(bad));
		p.first ||= now;
		if (now - p.first > REMEMBERED)
			return give_up({ code: "unsure" });
		if (size > welcome.max)
			return give_up({ code: "too_big" });
		p.sent = true;
		sent++;
		call(p.m, (m, bad) => {
			p.sent = false;
			sent--;
			// what follows a join that has to be tried again is not refused for good
			if (bad?.temp || (bad && rooms.get(p.m.room)?.waits)) {
				// one at a time, as long as there are too many
				space = 1;
				if (welcome)
					held ||= setTimeout(() => { held = 0; flush(); }, bad.retry || 1000);
			} else if (bad) {
				give_up(bad);
			} else {
				space = Math.min(space + 1, WINDOW);
				queue.delete(p);
				p.resolve(m);
			}
			flush();
		});
	}

	globalThis.addEventListener?.("online", back);
	open();
	return {
		rooms,

		on(type, f) {
			const all = listeners[type] ||= new Set();
			all.add(f);
			return () => all.delete(f);
		},

		join(name, options = {}) {
			return new Promise((resolve, reject) => {
				if (ended || rooms.has(name))
					return reject(error({ code: ended ? "closed" : "already_joined" }));
				const room = { ...options.since, name, options, resolve, reject };
				rooms.set(name, room);
				if (welcome)
					enter(room);
			});
		},

		async leave(name) {
			rooms.get(name)?.reject(error({ code: "left" }));
			rooms.delete(name);
			flush();
			// nobody is in a room without a connection
			if (welcome)
				await ask({ t: "leave", room: name }).catch((e) => {
					if (e.code !== "offline")
						throw e;
				});
		},

		pub(room, data, cid = unique()) {
			return new Promise((resolve, reject) => {
				if (ended || queue.size >= (options.queue || 256))
					return reject(error({ code: ended ? "closed" : "queue" }));
				queue.add({ m: { t: "pub", room, data, cid }, resolve, reject });
				flush();
			});
		},

		async history(room, range) {
			const m = await ask({ t: "history", room, ...range });
			return { ...m, msgs: m.msgs.map(readable) };
		},

		close() {
			if (ended)
				return;
			cut();
			end(1000, "");
		},
	};
}
