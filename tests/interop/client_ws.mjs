/*
 * client_ws.mjs - the hub as npm's ws sees it: messages of all kinds, compressed or not, the
 * subprotocol, pings and Closes. $MODULES has ws, $PORT and $COMPRESSION are the daemon's.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';

const { WebSocket } = createRequire(process.env.MODULES + '/')('ws');
const is_on = process.env.COMPRESSION === 'on';
const url = (path) => `ws://127.0.0.1:${process.env.PORT}${path}`;

async function open(path, protocols, options) {
	const ws = new WebSocket(url(path), protocols, options);
	ws.received = [];
	ws.waiting = [];
	ws.on('message', (data, is_binary) => {
		const take = ws.waiting.shift();
		if (take)
			take({ data, is_binary });
		else
			ws.received.push({ data, is_binary });
	});
	await once(ws, 'open');
	return ws;
}

const next = (ws) =>
	ws.received.length ? ws.received.shift() : new Promise((done) => ws.waiting.push(done));

async function close(ws, code) {
	const closed = once(ws, 'close');
	ws.close(code);
	const [got] = await closed;
	assert.equal(got, code);
}

const line = 'some words that are said again and again; ';
const texts = ['', 'x', 'Hello-µ@ßöäüàá-UTF-8!!', '太郎 😀', line.repeat(5), line.repeat(1500)];
const binaries = [0, 1, 125, 126, 65000, 65536].map((n) => Buffer.alloc(n, 0xfe));

for (const perMessageDeflate of [false, true, { threshold: 0 },
	{ threshold: 0, clientMaxWindowBits: 9 }, { threshold: 0, serverNoContextTakeover: true,
		clientNoContextTakeover: true }, { threshold: 0, serverMaxWindowBits: 9 }]) {
	const says = JSON.stringify(perMessageDeflate);
	const options = { perMessageDeflate };
	const echo = await open('/echo', [], options);
	/* a smaller window than the one that is compressed for all is not agreed to */
	const agreed = is_on && perMessageDeflate && !perMessageDeflate.serverMaxWindowBits;
	assert.equal(echo.extensions, agreed ? 'permessage-deflate' : '', says);
	assert.equal(echo.protocol, '');
	for (const text of texts) {
		echo.send(text);
		const m = await next(echo);
		assert.equal(m.is_binary, false);
		assert.equal(m.data.toString(), 'Server received: ' + text, says);
	}
	for (const binary of binaries) {
		echo.send(binary);
		const m = await next(echo);
		assert.equal(m.is_binary, true);
		assert.deepEqual(m.data, Buffer.concat([Buffer.from('Server received: '), binary]), says);
	}
	/* fragments, and a ping between them */
	echo.send('frag', { fin: false });
	echo.ping('between');
	echo.send('ments', { fin: true });
	const [pong] = await once(echo, 'pong');
	assert.equal(pong.toString(), 'between');
	assert.equal((await next(echo)).data.toString(), 'Server received: fragments', says);
	await close(echo, 3000);

	const a = await open('/chat/interop', [], options), b = await open('/chat/interop', [], options);
	for (const text of texts) {
		a.send(text);
		for (const ws of [a, b])
			assert.equal((await next(ws)).data.toString(), text, says);
	}
	for (const binary of binaries) {
		b.send(binary);
		for (const ws of [a, b])
			assert.deepEqual((await next(ws)).data, binary, says);
	}
	await close(a, 1000);
	await close(b, 4000);

	const json = await open('/chat/interop-json', ['other', 'chat.v1.json'], options);
	assert.equal(json.protocol, 'chat.v1.json');
	assert.equal(JSON.parse((await next(json)).data).t, 'welcome');
	json.send(JSON.stringify({ t: 'pub', room: 'interop-json', data: line.repeat(20) }));
	let event;
	do {
		event = JSON.parse((await next(json)).data);
		assert.notEqual(event.t, 'error', JSON.stringify(event));
	} while (event.t !== 'msg');
	assert.equal(event.data, line.repeat(20));
	await close(json, 1000);
}

/* too long, and a bomb that is too long when it is unpacked */
for (const perMessageDeflate of [false, { threshold: 0 }]) {
	const ws = await open('/echo', [], { perMessageDeflate });
	const closed = once(ws, 'close');
	ws.send(Buffer.alloc(1 << 20));
	ws.on('error', () => {}); /* the rest of it meets a socket that is closed */
	const [code] = await closed;
	assert.ok(code === 1009 || code === 1006, `closed with ${code}`);
}
