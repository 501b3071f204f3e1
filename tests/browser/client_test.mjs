/*
 * client_test.mjs - src/js/plaza-chat.js against a hub and a clock of the test's own (fake.mjs), by
 * node --test.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, test } from "node:test";
import { gzipSync } from "node:zlib";

import { Clock, Hub, settle } from "./fake.mjs";

const source = new URL("../../src/js/plaza-chat.js", import.meta.url);
globalThis.crypto ??= (await import("node:crypto")).webcrypto;
const page = new EventTarget();
globalThis.addEventListener = (...args) => page.addEventListener(...args);
globalThis.removeEventListener = (...args) => page.removeEventListener(...args);
const text = readFileSync(source, "utf8");
// Node takes it for CommonJS by its name, which browsers do not ask for
const { connect } = await import(`data:text/javascript,${encodeURIComponent(text)}`);

let clock, hub, chat, seen;

beforeEach(() => {
	clock = new Clock();
	hub = new Hub();
	seen = [];
});
afterEach(() => {
	chat?.close();
	clock.restore();
});

const events = ["msg", "gap", "pres", "online", "offline", "closed", "notice", "error"];

function begin(options) {
	chat = connect("http://plaza.example/chat", { WebSocket: hub.WebSocket, ...options });
	for (const type of events)
		chat.on(type, (detail) => seen.push({ type, ...detail, code: detail.code }));
	return settle();
}

const data = () => seen.filter((e) => e.type === "msg").map((e) => e.data);
const of = (type) => seen.filter((e) => e.type === type);
const commands = (t) => hub.socket.heard.filter((m) => m.t === t);
const failed = (promise) => promise.then(() => "nothing", (e) => e.code);

test("it is at most 4 KiB, compressed", () => {
	const size = gzipSync(text, { level: 9 }).length;
	assert.ok(size <= 4096, `${size} bytes`);
});

test("joins, publishes and hears", async () => {
	await begin();
	assert.equal(hub.socket.url, "ws://plaza.example/chat");
	assert.equal(hub.socket.protocol, "chat.v1.json");
	assert.deepEqual(of("online").map((e) => e.conn), ["c1"]);
	hub.publish("r1", "old");
	hub.publish("r1", "older");
	const reply = await chat.join("r1", { last: 1, name: "ann" });
	assert.equal(reply.seq, 2);
	const published = await chat.pub("r1", { hi: 1 });
	assert.deepEqual([published.seq, published.ts], [3, 1]);
	await settle();
	assert.deepEqual(data(), ["older", { hi: 1 }]);
	assert.equal(commands("join")[0].name, "ann");
	assert.match(commands("pub")[0].cid, /^[0-9a-f-]{36}$/);
	assert.deepEqual(chat.rooms.get("r1").seq, 3);
	// the room of the URL is left unless the page wants it
	assert.equal(hub.room("lobby").members.size, 0);
});

test("several rooms, and leaving one of them", async () => {
	await begin();
	await Promise.all(["a", "b"].map((room) => chat.join(room)));
	hub.publish("a", 1);
	hub.publish("b", 2);
	await chat.leave("a");
	hub.publish("a", 3);
	hub.publish("b", 4);
	assert.deepEqual(data(), [1, 2, 4]);
	assert.equal(await failed(chat.join("b")), "already_joined");
	// joined again at once: what the first time would have heard does not count
	const left = chat.leave("b");
	const joined = chat.join("b");
	hub.publish("b", 5);
	await Promise.all([left, joined]);
	hub.publish("b", 6);
	assert.deepEqual(data(), [1, 2, 4, 6]);
	// refused for now, then left: it is not asked again
	hub.answer = (socket, m) =>
		m.t === "join" ? hub.tell(socket, { id: m.id, t: "err", code: "unavailable", temp: true }) : hub.obey(socket, m);
	const never = failed(chat.join("d"));
	await settle();
	chat.leave("d");
	assert.equal(await never, "left");
	await clock.pass(5000);
	assert.deepEqual(commands("join").filter((m) => m.room === "d").length, 1);
	hub.answer = (socket, m) => hub.obey(socket, m);
	const given_up = chat.join("c");
	chat.leave("c");
	assert.equal(await failed(given_up), "left");
});

test("goes on where it was, each message once", async () => {
	await begin();
	await chat.join("r1", { name: "ann" });
	await chat.join("quiet");
	hub.publish("r1", 1);
	hub.drop(hub.socket, 1006);
	await settle();
	hub.publish("r1", 2);
	hub.publish("quiet", "q");
	assert.deepEqual(of("offline").map((e) => [e.code, e.wait]), [[1006, 250]]);
	await clock.pass(250);
	assert.deepEqual(commands("join").map((m) => [m.room, m.name, m.since]),
		[["r1", "ann", { epoch: "e1", seq: 1 }], ["quiet", undefined, { epoch: "e1", seq: 0 }]]);
	hub.publish("r1", 3);
	assert.deepEqual(data(), [1, 2, "q", 3]);
	assert.deepEqual(of("gap"), []);
	assert.equal(of("online").length, 2);
});

test("begins where an earlier page was", async () => {
	hub.publish("r1", 1);
	hub.publish("r1", 2);
	await begin();
	await chat.join("r1", { since: { epoch: "e1", seq: 1 }, last: 9 });
	await settle();
	assert.deepEqual(data(), [2]);
});

test("a publish acts once, whenever the link breaks", async () => {
	await begin();
	await chat.join("r1");
	await Promise.all([1, 2, 3].map((n) => chat.pub("r1", n)));
	hub.answer = (socket, m) => {
		if (m.data === 4) {
			// committed, but not answered
			const tell = hub.tell;
			hub.tell = () => {};
			hub.obey(socket, m);
			hub.tell = tell;
		}
		hub.drop(socket, 1006);
	};
	const all = Promise.all([4, 5, 6].map((n) => chat.pub("r1", n)));
	await settle();
	const late = chat.pub("r1", 7);
	hub.answer = (socket, m) => hub.obey(socket, m);
	await clock.pass(500);
	assert.deepEqual((await all).map((m) => [m.seq, m.dup]), [[4, true], [5, undefined], [6, undefined]]);
	assert.equal((await late).seq, 7);
	assert.deepEqual(data(), [1, 2, 3, 4, 5, 6, 7]);
});

test("drops what it has, and tells of a hole", async () => {
	await begin();
	await chat.join("r1");
	hub.publish("r1", 1);
	hub.tell(hub.socket, hub.room("r1").kept[0]);
	hub.room("r1").seq += 2;
	hub.publish("r1", 4);
	hub.tell(hub.socket, { t: "msg", room: "other", seq: 1, data: "x" });
	assert.deepEqual(data(), [1, 4]);
	assert.deepEqual(of("gap").map((e) => [e.room, e.from, e.to, e.why]), [["r1", 2, 3, "hole"]]);
});

test("hands on gaps: of the log, of a slow client, of another epoch", async () => {
	await begin();
	await chat.join("r1");
	hub.publish("r1", 1);
	hub.drop(hub.socket, 4008);
	for (let n = 2; n <= 5; n++)
		hub.publish("r1", n);
	hub.forget("r1", 4);
	await clock.pass(500);
	assert.deepEqual(of("gap").map((e) => [e.from, e.to, e.why]), [[2, 3, "trimmed"]]);
	assert.deepEqual(data(), [1, 4, 5]);
	hub.tell(hub.socket, { t: "gap", room: "r1", from: 6, to: 8, why: "slow", epoch: "e1" });
	hub.room("r1").seq = 8;
	hub.publish("r1", 9);
	// the log was made anew while it listened, and once more while it did not
	hub.tell(hub.socket, { t: "gap", room: "r1", from: 0, to: 0, why: "epoch", epoch: "e1b" });
	assert.deepEqual([chat.rooms.get("r1").epoch, chat.rooms.get("r1").seq], ["e1b", 0]);
	hub.drop(hub.socket, 1006);
	hub.rooms.delete("r1");
	hub.room("r1").epoch = "e2";
	hub.publish("r1", "new 1");
	await clock.pass(1000);
	assert.deepEqual(commands("join").at(-1).since, { epoch: "e1b", seq: 0 });
	hub.publish("r1", "new 2");
	assert.deepEqual(of("gap").map((e) => e.why), ["trimmed", "slow", "epoch", "epoch"]);
	assert.deepEqual(data(), [1, 4, 5, 9, "new 1", "new 2"]);
	assert.equal(chat.rooms.get("r1").epoch, "e2");
});

test("presence: all of them, then what changes", async () => {
	await begin();
	hub.guest("r1", "g1");
	const members = () => [...chat.rooms.get("r1").members.keys()].sort();
	assert.equal((await chat.join("r1", { pres: "diff", name: "ann" })).count, 2);
	await settle();
	assert.deepEqual(members(), ["c1", "g1"]);
	assert.equal(chat.rooms.get("r1").members.get("c1").name, "ann");
	hub.guest("r1", "g2");
	assert.deepEqual(members(), ["c1", "g1", "g2"]);
	hub.leave(hub.room("r1"), { conn: "g1" });
	assert.deepEqual(members(), ["c1", "g2"]);
	const { count, join, leave } = of("pres").at(-1);
	assert.deepEqual([count, join.length, leave.length, chat.rooms.get("r1").count], [2, 0, 1, 2]);
	// a crowd, and then it is none any more
	hub.tell(hub.socket, { t: "pres", room: "r1", pseq: 99, count: 250 });
	assert.equal(chat.rooms.get("r1").count, 250);
	hub.room("r1").members.delete("g2");
	hub.tell_all(hub.socket, hub.room("r1"));
	assert.deepEqual(members(), ["c1"]);
	// anew after a loss: who has gone meanwhile is not there
	hub.guest("r1", "g3");
	hub.drop(hub.socket, 1006);
	hub.room("r1").members.delete("g3");
	hub.guest("r1", "g4");
	await clock.pass(500);
	assert.deepEqual(members(), ["c2", "g4"]);
});

test("presence: a count alone", async () => {
	await begin();
	await chat.join("r1", { pres: "count" });
	hub.tell(hub.socket, { t: "pres", room: "r1", pseq: 1, count: 7 });
	assert.deepEqual([of("pres")[0].count, chat.rooms.get("r1").count], [7, 7]);
});

test("connects again at random within twice as long each time", async () => {
	hub.up = false;
	clock.random = 0.999;
	await begin();
	for (let n = 0; n < 8; n++)
		await clock.pass(clock.next);
	const waits = of("offline").map((e) => Math.round(e.wait / 0.999));
	assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
	clock.random = 0.001;
	await clock.pass(clock.next);
	assert.equal(of("offline").at(-1).wait, 30);
	// one that lasts begins anew
	hub.up = true;
	await clock.pass(60000);
	assert.equal(of("online").length, 1);
	clock.random = 0.5;
	hub.drop(hub.socket, 1012);
	await clock.pass(250);
	// and one that does not last, does not
	hub.drop(hub.socket, 1012);
	await settle();
	assert.deepEqual(of("offline").slice(-2).map((e) => e.wait), [250, 500]);
});

test("what the daemon says of connecting again", async () => {
	hub.welcome = { retry: { base: 100, max: 200 } };
	await begin();
	hub.drop(hub.socket, 4012);
	await settle();
	assert.equal(of("offline").at(-1).wait, 50);
	await clock.pass(50);
	hub.tell(hub.socket, { t: "notice", what: "drain", retry: [1000, 8000] });
	assert.equal(of("notice")[0].what, "drain");
	hub.drop(hub.socket, 1012);
	await settle();
	assert.equal(of("offline").at(-1).wait, 4500);
	await clock.pass(4500);
	hub.drop(hub.socket, 4013);
	await settle();
	assert.ok(of("offline").at(-1).wait <= 200, "a window counts once");
});

test("is told not to come again", async () => {
	for (const code of [1002, 1007, 1008, 1009, 4500, 4501, 4999]) {
		await begin();
		const waiting = [chat.join("r1")];
		hub.answer = () => {};
		waiting.push(chat.pub("r1", 1), chat.history("r1", { limit: 1 }));
		hub.drop(hub.socket, code, "go");
		assert.deepEqual(await Promise.all(waiting.map(failed)), ["closed", "closed", "offline"]);
		assert.deepEqual([of("closed").at(-1).code, of("closed").at(-1).reason], [code, "go"]);
		assert.equal(clock.timers.size, 0);
		assert.equal(await failed(chat.pub("r1", 1)), "closed");
		assert.equal(await failed(chat.join("r2")), "closed");
		assert.deepEqual(of("offline"), []);
	}
});

test("comes again after what will pass", async () => {
	for (const code of [1000, 1001, 1006, 1011, 1012, 1013, 4008, 4010, 4012, 4013, 4499, 5000]) {
		await begin();
		hub.drop(hub.socket, code);
		await settle();
		assert.equal(of("offline").at(-1).code, code);
		assert.deepEqual(of("closed"), []);
		chat.close();
		seen.length = 0;
	}
});

test("hears nothing of a link that it has given up", async () => {
	await begin();
	await chat.join("r1");
	const old = hub.socket;
	old.dead = true;
	await clock.pass(35000 + 250);
	assert.equal(of("online").length, 2);
	hub.publish("r1", 1);
	old.onmessage({ data: JSON.stringify({ t: "gap", room: "r1", from: 2, to: 9, why: "slow", epoch: "e1" }) });
	old.onclose({ code: 4503, reason: "" });
	await settle();
	assert.deepEqual([of("gap"), of("closed"), of("offline").length], [[], [], 1]);
});

test("closes", async () => {
	await begin();
	await chat.join("r1");
	const socket = hub.socket;
	chat.close();
	chat.close();
	assert.equal(socket.closed_with, 1000);
	assert.deepEqual(of("closed").map((e) => e.code), [1000]);
	await clock.pass(1e6);
	assert.equal(hub.sockets.length, 1);
	// also while it waits to connect
	seen = [];
	hub.up = false;
	await begin();
	chat.close();
	await clock.pass(1e6);
	assert.equal(hub.sockets.length, 2);
});

test("notices a dead link, and one that never opens", async () => {
	await begin();
	await chat.join("r1");
	await clock.pass(24000);
	assert.equal(commands("ping").length, 0);
	await clock.pass(1500);
	assert.equal(commands("ping").length, 1);
	await clock.pass(60000);
	assert.equal(of("offline").length, 0, "pongs are signs of life");
	hub.socket.dead = true;
	hub.publish("r1", "unheard");
	await clock.pass(35000);
	assert.deepEqual(of("offline").map((e) => [e.code, e.reason]), [[1006, "silent"]]);
	await clock.pass(500);
	assert.deepEqual(data(), ["unheard"]);
	hub.accept = () => {};
	hub.drop(hub.socket, 1006);
	await clock.pass(500 + 10000);
	assert.equal(of("offline").length, 3);
});

test("the network comes back", async () => {
	await begin();
	page.dispatchEvent(new Event("online"));
	assert.equal(commands("ping").length, 1);
	hub.up = false;
	hub.drop(hub.socket, 1006);
	for (let n = 0; n < 8; n++)
		await clock.pass(clock.next);
	hub.up = true;
	const before = hub.sockets.length;
	page.dispatchEvent(new Event("online"));
	await clock.pass(250);
	assert.equal(hub.sockets.length, before + 1);
	assert.equal(of("online").length, 2);
	await clock.pass(20000);
	assert.equal(hub.sockets.length, before + 1, "only one");
});

test("too many publishes for the daemon", async () => {
	await begin();
	await chat.join("r1");
	let tokens = 3;
	hub.answer = (socket, m) => {
		if (m.t === "pub" && tokens-- <= 0)
			return hub.tell(socket, { id: m.id, t: "err", code: "rate", temp: true, retry: 50 });
		hub.obey(socket, m);
	};
	const all = Promise.all([1, 2, 3, 4, 5, 6].map((n) => chat.pub("r1", n)));
	await settle();
	assert.deepEqual(data(), [1, 2, 3]);
	const refused = commands("pub").length;
	await clock.pass(49);
	assert.equal(commands("pub").length, refused, "waits as long as it is told");
	// then one at a time
	tokens = 0;
	await clock.pass(1);
	assert.equal(commands("pub").length, refused + 1);
	tokens = 9;
	await clock.pass(50);
	await all;
	assert.deepEqual(data(), [1, 2, 3, 4, 5, 6]);
	// nothing is left to wait for when it closes
	tokens = 0;
	const last = failed(chat.pub("r1", 7));
	await settle();
	chat.close();
	assert.equal(await last, "closed");
	assert.equal(clock.timers.size, 0);
});

test("publishes wait for a join that is refused for now", async () => {
	await begin();
	await chat.join("r1");
	await chat.join("r2");
	let busy = true;
	hub.answer = (socket, m) => {
		if (m.t === "join" && m.room === "r1" && busy)
			return hub.tell(socket, { id: m.id, t: "err", code: "unavailable", temp: true, retry: 3000 });
		if (m.t === "pub" && !hub.room(m.room).members.has(socket.conn))
			return hub.tell(socket, { id: m.id, t: "err", code: "not_joined", temp: false });
		hub.obey(socket, m);
	};
	hub.up = false;
	hub.drop(hub.socket, 1006);
	await settle();
	const early = chat.pub("r1", "early");
	hub.up = true;
	await clock.pass(1000);
	const late = chat.pub("r1", "late");
	const elsewhere = chat.pub("r2", "elsewhere");
	await clock.pass(1500);
	await elsewhere;
	assert.deepEqual(data(), ["elsewhere"]);
	busy = false;
	await clock.pass(1500);
	await Promise.all([early, late]);
	assert.deepEqual(data(), ["elsewhere", "early", "late"]);
	// and for good
	busy = true;
	hub.drop(hub.socket, 1006);
	await clock.pass(1500);
	const lost = failed(chat.pub("r1", "lost"));
	await settle();
	chat.leave("r1");
	assert.equal(await lost, "not_joined");
});

test("publishes: few on their way, a bounded queue", async () => {
	await begin({ queue: 20 });
	hub.answer = (socket, m) => m.t === "pub" || hub.obey(socket, m);
	await chat.join("r1");
	const all = Array.from({ length: 21 }, (_, n) => failed(chat.pub("r1", n)));
	await settle();
	assert.equal(commands("pub").length, 16);
	assert.equal(await all[20], "queue");
	hub.answer = (socket, m) => hub.obey(socket, m);
	hub.drop(hub.socket, 1006);
	await clock.pass(500);
	assert.deepEqual(await Promise.all(all.slice(0, 20)), Array(20).fill("nothing"));
	assert.deepEqual(data(), Array.from({ length: 20 }, (_, n) => n));
});

test("publishes that cannot be", async () => {
	hub.welcome = { max: 200 };
	await begin();
	await chat.join("r1");
	assert.equal(await failed(chat.pub("r1", "é".repeat(90))), "too_big");
	await chat.pub("r1", "x".repeat(90));
	hub.answer = (socket, m) =>
		m.t === "pub" ? hub.tell(socket, { id: m.id, t: "err", code: "denied", msg: "no", temp: false }) : hub.obey(socket, m);
	assert.equal(await failed(chat.pub("r1", "y")), "denied");
	// the daemon has forgotten its cid by the time that the link is back
	hub.answer = () => {};
	const unsure = failed(chat.pub("r1", "z"));
	await settle();
	hub.up = false;
	hub.drop(hub.socket, 1006);
	await clock.pass(241000);
	const fresh = failed(chat.pub("r1", "fresh"));
	hub.answer = (socket, m) => hub.obey(socket, m);
	hub.up = true;
	await clock.pass(60000);
	assert.equal(await unsure, "unsure");
	assert.equal(await fresh, "nothing");
	assert.deepEqual(data(), ["x".repeat(90), "fresh"]);
});

test("joins that cannot be, now or ever", async () => {
	await begin();
	let code = "unavailable";
	hub.answer = (socket, m) =>
		m.t === "join" && code
			? hub.tell(socket, { id: m.id, t: "err", code, temp: code === "unavailable", retry: 800 })
			: hub.obey(socket, m);
	let joined = chat.join("r1");
	await clock.pass(799);
	assert.equal(commands("join").length, 1);
	code = "";
	await clock.pass(1);
	await joined;
	// refused when it comes again
	code = "denied";
	hub.drop(hub.socket, 1006);
	await clock.pass(500);
	assert.deepEqual(of("error").map((e) => e.code), ["denied"]);
	assert.equal(chat.rooms.size, 0);
	assert.equal(await failed(chat.join("r1")), "denied");
	// joined while offline
	code = "";
	hub.drop(hub.socket, 1006);
	await settle();
	joined = chat.join("r2");
	await chat.leave("r1");
	await clock.pass(5000);
	await joined;
});

test("a command that cannot be read: its error has no id", async () => {
	await begin();
	await chat.join("r1");
	hub.answer = (socket, m) =>
		m.data === "deep" ? hub.tell(socket, { t: "err", code: "bad_request", temp: false }) : hub.obey(socket, m);
	const codes = Promise.all([chat.pub("r1", "deep"), chat.pub("r1", "flat"), chat.pub("r1", "deep")].map(failed));
	await settle();
	assert.deepEqual(await codes, ["bad_request", "nothing", "bad_request"]);
	assert.deepEqual(of("error"), []);
	assert.deepEqual(data(), ["flat"]);
	// and it is not sent again
	hub.drop(hub.socket, 1006);
	await clock.pass(1000);
	assert.deepEqual(commands("pub"), []);
});

test("history, binary data, errors of nobody's", async () => {
	await begin();
	await chat.join("r1");
	hub.publish("r1", undefined, { b64: "AP8=" });
	assert.deepEqual([...data()[0]], [0, 255]);
	hub.publish("r1", "text");
	const { msgs, more } = await chat.history("r1", { limit: 10 });
	assert.deepEqual([[...msgs[0].data], msgs[1].data, more], [[0, 255], "text", false]);
	hub.tell(hub.socket, { t: "err", code: "bad_request", msg: "what?" });
	assert.deepEqual(of("error").map((e) => e.code), ["bad_request"]);
	hub.tell(hub.socket, { t: "something new" });
	hub.drop(hub.socket, 1006);
	await settle();
	assert.equal(await failed(chat.history("r1", { limit: 1 })), "offline");
});

test("a listener that throws takes nothing from the others", async () => {
	await begin();
	await chat.join("r1");
	const off = chat.on("msg", () => { throw new Error("mine"); });
	const also = [];
	chat.on("msg", (m) => also.push(m.data));
	hub.publish("r1", 1);
	await assert.rejects(clock.pass(0), /mine/);
	off();
	hub.publish("r1", 2);
	await clock.pass(0);
	assert.deepEqual(also, [1, 2]);
});

test("a page without a secure context", async () => {
	const { randomUUID } = crypto;
	Object.defineProperty(crypto, "randomUUID", { value: undefined, configurable: true, writable: true });
	try {
		await begin();
		await chat.join("r1");
		await Promise.all([chat.pub("r1", 1), chat.pub("r1", 2)]);
		const cids = commands("pub").map((m) => m.cid);
		assert.equal(new Set(cids).size, 2);
		for (const cid of cids)
			assert.match(cid, /^[0-9-]{7,64}$/);
	} finally {
		crypto.randomUUID = randomUUID;
	}
});
