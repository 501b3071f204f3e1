/*
 * fake.mjs - a clock that a test turns, and a hub of chat.v1.json inside the test, for what the
 * client does when the real ones would take minutes or come in an order that nobody can ask for.
 */

// what setTimeout, Date.now and Math.random are while a test runs
export class Clock {
	constructor() {
		this.now = 1e12;
		this.timers = new Map();
		this.last = 0;
		this.random = 0.5;
		this.real = {
			setTimeout: globalThis.setTimeout,
			clearTimeout: globalThis.clearTimeout,
			now: Date.now,
			random: Math.random,
		};
		globalThis.setTimeout = (f, ms = 0, ...args) => {
			this.timers.set(++this.last, { at: this.now + ms, f: () => f(...args) });
			return this.last;
		};
		globalThis.clearTimeout = (id) => this.timers.delete(id);
		Date.now = () => this.now;
		Math.random = () => this.random;
	}

	restore() {
		globalThis.setTimeout = this.real.setTimeout;
		globalThis.clearTimeout = this.real.clearTimeout;
		Date.now = this.real.now;
		Math.random = this.real.random;
	}

	// everything that is due within `ms`, in its order, and what follows from it
	async pass(ms) {
		const until = this.now + ms;
		for (;;) {
			await settle();
			const due = [...this.timers].filter(([, t]) => t.at <= until).sort((a, b) => a[1].at - b[1].at)[0];
			if (!due)
				break;
			this.timers.delete(due[0]);
			this.now = Math.max(this.now, due[1].at);
			due[1].f();
		}
		this.now = until;
	}

	// how long until the next timer
	get next() {
		return Math.min(...[...this.timers.values()].map((t) => t.at)) - this.now;
	}
}

// until all promises and messages that are under way have arrived
export async function settle() {
	for (let i = 0; i < 20; i++)
		await new Promise(setImmediate);
}

// One for all connections of a test. `WebSocket` is what the client is given.
export class Hub {
	constructor() {
		const hub = this;
		this.rooms = new Map();
		this.sockets = []; // all there ever were
		this.conns = 0;
		this.welcome = {};
		this.answer = (socket, m) => this.obey(socket, m); // a test may put its own before
		this.up = true;
		this.WebSocket = class {
			constructor(url, protocol) {
				Object.assign(this, { url: String(url), protocol, readyState: 0, heard: [], conn: `c${++hub.conns}` });
				hub.sockets.push(this);
				setImmediate(() => hub.accept(this));
			}

			send(text) {
				if (this.readyState !== 1)
					throw new Error("not open");
				if (this.dead)
					return;
				const m = JSON.parse(text);
				this.heard.push(m);
				setImmediate(() => this.readyState === 1 && hub.answer(this, m));
			}

			close(code) {
				this.closed_with = code;
				hub.drop(this, code);
			}
		};
	}

	get socket() {
		return this.sockets[this.sockets.length - 1];
	}

	room(name) {
		if (!this.rooms.has(name))
			this.rooms.set(name, { name, epoch: "e1", seq: 0, first: 1, kept: [], members: new Map(), pseq: 0, cids: new Map() });
		return this.rooms.get(name);
	}

	tell(socket, m) {
		if (socket.readyState === 1 && !socket.dead)
			socket.onmessage?.({ data: JSON.stringify(m) });
	}

	accept(socket) {
		if (socket.readyState !== 0)
			return;
		if (!this.up)
			return this.drop(socket, 1006);
		socket.readyState = 1;
		this.room("lobby").members.set(socket.conn, { socket, conn: socket.conn });
		this.tell(socket, {
			t: "welcome", v: 1, conn: socket.conn, room: "lobby", epoch: "e1", seq: 0, first: 1, max: 65536,
			ping: 25, limits: {}, retry: { base: 500, max: 30000 }, ...this.welcome,
		});
	}

	drop(socket, code, reason = "") {
		if (socket.readyState === 3)
			return;
		socket.readyState = 3;
		for (const room of this.rooms.values())
			this.leave(room, socket);
		setImmediate(() => socket.onclose?.({ code, reason }));
	}

	leave(room, socket) {
		if (room.members.delete(socket.conn))
			this.presence(room, { join: [], leave: [{ conn: socket.conn }] });
	}

	presence(room, change) {
		room.pseq++;
		for (const member of room.members.values())
			// who has just come is told of all of them
			if (member.pres === "diff" && change.join?.[0]?.conn !== member.conn)
				this.tell(member.socket, { t: "pres", room: room.name, pseq: room.pseq, count: room.members.size, ...change });
	}

	// one that has no connection here
	guest(name, conn) {
		const room = this.room(name);
		room.members.set(conn, { socket: {}, conn, name: conn });
		this.presence(room, { join: [{ conn, name: conn }], leave: [] });
	}

	publish(name, data, more = {}) {
		const room = this.room(name);
		const m = { t: "msg", room: name, seq: ++room.seq, ts: 1, from: "c0", data, ...more };
		room.kept.push(m);
		for (const member of room.members.values())
			this.tell(member.socket, m);
		return m;
	}

	forget(name, first) {
		const room = this.room(name);
		room.first = first;
		room.kept = room.kept.filter((m) => m.seq >= first);
	}

	obey(socket, m) {
		const room = m.room && this.room(m.room);
		const ok = (more) => this.tell(socket, { id: m.id, t: "ok", room: m.room, ...more });
		if (m.t === "ping")
			return this.tell(socket, { t: "pong" });
		if (m.t === "leave") {
			this.leave(room, socket);
			return ok();
		}
		if (m.t === "pub") {
			const known = room.cids.get(m.cid);
			if (known)
				return ok({ seq: known, ts: 1, dup: true });
			const { seq } = this.publish(m.room, m.data, { from: socket.conn, cid: m.cid });
			room.cids.set(m.cid, seq);
			return ok({ seq, ts: 1 });
		}
		if (m.t === "history")
			return ok({ epoch: room.epoch, first: room.first, msgs: room.kept.slice(-m.limit), more: false });
		if (m.t !== "join")
			return this.tell(socket, { id: m.id, t: "err", code: "unknown_type", temp: false });
		const whole = !m.since || (m.since.epoch === room.epoch && m.since.seq >= room.first - 1 && m.since.seq <= room.seq);
		const after = m.since ? (whole ? m.since.seq : room.first - 1) : room.seq - (m.last || 0);
		const replay = room.kept.filter((r) => r.seq > after);
		room.members.set(socket.conn, { socket, conn: socket.conn, name: m.name, pres: m.pres || "none" });
		ok({ epoch: room.epoch, seq: room.seq, first: room.first, recovered: whole, replay: replay.length, count: room.members.size });
		if (!whole)
			this.tell(socket, {
				t: "gap", room: m.room, from: m.since.seq + 1, to: room.first - 1, epoch: room.epoch,
				why: m.since.epoch === room.epoch ? "trimmed" : "epoch",
			});
		for (const r of replay)
			this.tell(socket, { ...r, r: 1 });
		this.presence(room, { join: [{ conn: socket.conn, name: m.name }], leave: [] });
		if (m.pres === "diff")
			this.tell_all(socket, room);
	}

	tell_all(socket, room) {
		const join = [...room.members.values()].map(({ conn, name }) => ({ conn, name }));
		this.tell(socket, { t: "pres", room: room.name, pseq: room.pseq, all: true, join, leave: [], count: join.length });
	}
}
